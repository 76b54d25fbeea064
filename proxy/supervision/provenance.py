"""Where each flag and each rollback comes from, in words, for `figway explain` and `routes`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flags.latch import Hold, Source
from flags.provider import Flag, FlagState
from flags.scope import group_scope, route_scope
from proxy.supervision.switches import Switches


def provenance(
    switches: Switches, *, age: float | None, confirmed: bool = True
) -> Mapping[str, str]:
    """Scope to who says its flag, and "rollback SCOPE" to who holds it.

    `age` is how long ago the provider confirmed what it says, in seconds; None: it has not to.
    If it is not `confirmed` since the start, `age` counts from there, and it says what disk kept.
    """
    provided, file = switches.provided, switches.file
    words: dict[str, str] = {}
    for scope, flag in _flags(file.state):
        line = f":{flag.line}" if flag.line else ""
        words[scope] = f"{file.path.name}{line}"
        if scope in file.held_percentages:
            words[scope] += ", which is silent about it now: its last percentage holds"
    how_old = "" if age is None else f", confirmed {age:.0f} s ago"
    if not confirmed:
        how_old = f", kept from before the start {age or 0.0:.0f} s ago and not confirmed since"
    for scope, _ in _flags(provided):
        words[scope] = f"{switches.provider.value}, revision {provided.revision}{how_old}"
    for hold in switches.latch.holds:
        key = f"rollback {hold.scope}"
        words[key] = "; ".join(filter(None, (words.get(key), _held(hold))))
    for route in switches.stale_routes:
        words[f"rollback {route_scope(route)}"] = "its flag was not confirmed for too long"
    return words


def _flags(state: FlagState) -> Iterator[tuple[str, Flag]]:
    for scope_of, flags in ((group_scope, state.groups), (route_scope, state.routes)):
        for name, flag in flags.items():
            if flag.moves_traffic:
                yield scope_of(name), flag


def _held(hold: Hold) -> str:
    match hold.source:
        case Source.FLAG:
            return f"flag of {hold.origin} ({hold.actor})"
        case Source.COMMAND | Source.SIGNAL | Source.SENTINEL:
            by = f"{hold.source.value} of {hold.actor}" if hold.actor else hold.source.value
            return f"{by}, {hold.reason}"
        case Source.LATCH:
            return hold.reason
