"""What the observer answers to questions, typed: exemplars for people, rules, what-if, replays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.evidence.exemplar import KeptDifference
from proxy.evidence.report import NoiseReport, RouteReport, RuleReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAnswer:
    """To `report`."""

    routes: tuple[RouteReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """One side of an exemplar. Text as it was captured: escaping is up to whoever shows it."""

    upstream: str
    # 0 when there was no answer; then `error` says why.
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    # As text; of a body that is none, bytes in hexadecimal around the first that differs, in lines
    # that tell at which byte they begin.
    body: str = ""
    binary: bool = False
    # More of the body followed.
    cut: bool = False
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCause:
    """One cause of an exemplar, and the rule that would silence it."""

    fingerprint: str
    cause: str
    explanation: str
    severity: str
    paths: tuple[str, ...]
    # An entry of compare.rules as it would stand in routes.yaml; None: no rule reaches it.
    rule: Mapping[str, object] | None = None
    triage: str = ""
    ticket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownExemplar:
    """To `show`: one pair of answers with what differs. Secrets were taken out before disk."""

    id: str
    route: str
    epoch: str
    # Seconds since 1970.
    at: float
    outcome: str
    detail: str
    method: str
    target: str
    request_headers: tuple[tuple[str, str], ...] = ()
    request_body: str = ""
    redacted: tuple[str, ...] = ()
    trace_id: str = ""
    replay_of: str = ""
    legacy: ShownAnswer
    new: ShownAnswer
    # Worst first; `more` were found beyond.
    differences: tuple[KeptDifference, ...] = ()
    more: int = 0
    causes: tuple[ShownCause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarLine:
    """One exemplar in a list."""

    id: str
    at: float
    outcome: str
    detail: str
    method: str
    target: str
    legacy_status: int
    new_status: int
    fingerprints: tuple[str, ...] = ()
    replay_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarsAnswer:
    """To `exemplars`."""

    route: str
    exemplars: tuple[ExemplarLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One entry of compare.rules and what it did in the current epoch."""

    # `rule:3` is compare.rules[3].
    rule: str
    path: str
    op: str
    reason: str = ""
    expires: str = ""
    expired: bool = False
    # Values made equal or, with `expected`, differences expected; and comparisons with any.
    count: int = 0
    comparisons: int = 0
    last_used: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfCause:
    """A cause that draft rules would take away from the stored pairs."""

    fingerprint: str
    cause: str
    explanation: str
    severity: str
    paths: tuple[str, ...]
    # Stored pairs in which it would be gone, and their exemplars.
    pairs: int
    exemplars: tuple[str, ...] = ()
    # Legacy differs from itself at all of its paths: silencing it hides noise, else a mismatch.
    noise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Draft rules put beside the rules in force, on the pairs that are stored."""

    # Pairs that could be compared again, and how many of them mismatch before and after.
    pairs: int
    before: int
    after: int
    # What would be gone; those without `noise` are bugs that the draft would mask.
    silenced: tuple[WhatIfCause, ...] = ()
    # Draft rules that changed nothing: their place in the draft.
    unused: tuple[int, ...] = ()
    # Pairs whose kept bodies are cut or redacted where it matters.
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesAnswer:
    """To `rules`."""

    route: str
    rules: tuple[RuleLine, ...] = ()
    # Equivalences of the profile and the closed list of volatile headers.
    built_in: tuple[RuleReport, ...] = ()
    # What the paired test says, with the rule that it proposes or why it proposes none.
    noise: tuple[NoiseReport, ...] = ()
    # Only for a draft.
    what_if: WhatIf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAnswer:
    """To `replay`: the request of an exemplar asked of both sides again."""

    of: str
    # `match`, `mismatch`, ... and its detail.
    outcome: str
    detail: str
    # Names of what was redacted in the request, so that the replay lacked it.
    lacked: tuple[str, ...] = ()
    shown: ShownExemplar


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageAnswer:
    """To `triage`: what is now noted about a cause."""

    route: str
    fingerprint: str
    note: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptAnswer:
    """To `accept`: the entry of compare.rules that the paired test proposes for a path."""

    route: str
    path: str
    rule: Mapping[str, object]
    accepts: str
