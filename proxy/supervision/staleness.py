"""How long nobody has confirmed the flags, and which routes go to legacy for that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.control_plane import FlagSources, WhenStale
from proxy.routing.route import RouteFile
from proxy.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """What follows from the age of the flags."""

    # fresh; late: it is told; stale: `when_stale` applies.
    state: str
    # Routes that go to legacy until the flags are confirmed again.
    routes: frozenset[str] = frozenset()


FRESH = Staleness(state="fresh")


def staleness(age: float | None, sources: FlagSources, file: RouteFile) -> Staleness:
    """What follows from an age in seconds; None: the source is one that has not to confirm."""
    if age is None or age < sources.warn_after:
        return FRESH
    if age < sources.stale_after:
        return Staleness(state="late")
    return Staleness(
        state="stale",
        routes=frozenset(
            route.id
            for route in file.routes
            if route.stage in (Stage.CANARY, Stage.LIVE)
            and (route.when_stale or sources.when_stale) is WhenStale.LEGACY
        ),
    )
