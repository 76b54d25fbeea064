"""Everything that one run of `figway diff` found, and whether it fails."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.replay.changes import Difference
from proxy.replay.forecast import Forecast
from proxy.replay.log_file import Unusable
from proxy.stages import Side

FAIL_ON = ("any", "to-new", "overload", "legacy-overload", "never")
# What makes no sense without a log.
NEEDS_LOG = frozenset({"to-new", "overload", "legacy-overload"})
# Expected numbers below it are dust of adding shares up.
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Two versions held against each other. `forecast` is None without a log."""

    before: str
    after: str
    revision_before: str
    revision_after: str
    # Where the flags come from, in words.
    flags_before: str
    flags_after: str
    differences: tuple[Difference, ...]
    forecast: Forecast | None = None
    # Lines that told of a request, or should have.
    lines: int = 0
    bad_lines: tuple[tuple[str, Unusable], ...] = ()

    def why_it_fails(self, fail_on: str) -> str:
        """Why the exit code is 1; empty when it is 0."""
        forecast = self.forecast
        if fail_on == "never":
            return ""
        if forecast is None:
            return "the files differ" if self.differences else ""
        if fail_on == "any":
            return "requests change upstream" if forecast.changed > _NOTHING else ""
        if fail_on == "to-new":
            return "requests move to the new side" if forecast.to_new > _NOTHING else ""
        over = [
            load.upstream
            for load in forecast.upstreams
            if load.is_to_blame and (fail_on == "overload" or load.side is Side.LEGACY)
        ]
        return f"{', '.join(over)} would get more than its capacity_rps" if over else ""
