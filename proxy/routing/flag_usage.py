"""How often each flag said yes and no to traffic, out of what the workers counted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flags.scope import ALL, group_scope, route_scope
from flags.unleash.flag_state import flag_name, rollback_name
from proxy.routing.route import Route, RouteFile
from proxy.stages import Reason
from proxy.tally import REQUESTS, TallySnapshot

# The flag let them in; that they could not go there is another matter.
_IN: Final = frozenset(
    {
        *(Reason.FLAG_ON, Reason.BUCKET_IN, Reason.LIVE),
        *(Reason.STATE_UNPROVEN, Reason.BREAKER_OPEN, Reason.FALLBACK),
    }
)
_OUT: Final = frozenset({Reason.FLAG_OFF, Reason.BUCKET_OUT, Reason.NO_STICKY_KEY})
# What no rollback can change, so that none is asked.
_SETTLED: Final = frozenset({Reason.AMBIGUOUS_TARGET, Reason.COMPLETE})
_ROLLED_BACK: Final = (Reason.ROLLBACK_ALL, Reason.ROLLBACK_GROUP, Reason.ROLLBACK_ROUTE)


def flag_usage(file: RouteFile, tally: TallySnapshot) -> Mapping[str, tuple[int, int]]:
    """How often each flag that was asked said yes and no, by its name in Unleash.

    A rollback flag says yes where traffic was rolled back at its scope, whoever started that.
    Counts are as old as the workers' own.
    """
    routes = {route.id: route for route in file.routes}
    found: dict[str, tuple[int, int]] = {}
    for series in tally.series:
        if series.metric != REQUESTS.name:
            continue
        route_id, _, reason_text, _ = series.labels
        route, reason = routes.get(route_id), _REASONS.get(reason_text)
        if route is None or reason is None:
            continue
        count = round(series.value)
        for flag, said in _asked(route, reason):
            yes, no = found.get(flag, (0, 0))
            found[flag] = (yes + count, no) if said else (yes, no + count)
    return found


_REASONS: Final = {reason.value: reason for reason in Reason}


def _asked(route: Route, reason: Reason) -> list[tuple[str, bool]]:
    """The flags that a request was decided by, in their order, and what each said."""
    if reason in _SETTLED:
        return []
    asked: list[tuple[str, bool]] = []
    scopes = (ALL, group_scope(route.group) if route.group else "", route_scope(route.id))
    for scope, rolled_back in zip(scopes, _ROLLED_BACK, strict=True):
        if scope:
            asked.append((rollback_name(scope), reason is rolled_back))
        if reason is rolled_back:
            return asked
    if reason in _IN or reason in _OUT:
        scope = group_scope(route.group) if route.group else route_scope(route.id)
        asked.append((flag_name(scope), reason in _IN))
    return asked
