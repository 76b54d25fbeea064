"""What a percentage may be set to, and on what. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from decimal import Decimal

from proxy.routing.route import Route, RouteFile
from proxy.stages import Stage
from proxy.supervision.change import Refusal, Refused


def to_basis_points(percent: Decimal) -> int:
    """Return 0..10000 for 0 to 100 in steps of 0.01. Raises Refused."""
    if not 0 <= percent <= 100:
        raise Refused(Refusal.INVALID, f"percent: must be between 0 and 100, got {percent:.9g}")
    basis_points = percent * 100
    if basis_points != basis_points.to_integral_value():
        raise Refused(Refusal.INVALID, f"percent: the smallest step is 0.01, got {percent:.9g}")
    return int(basis_points)


def flag_members(file: RouteFile, name: str, basis_points: int, *, where: str) -> tuple[Route, ...]:
    """Return the routes that the flag `name` moves, if all of them may be moved so far.

    Raises Refused, which names the line of `where`, the route file, that stands against it.
    """
    members = _members(file, name, where)
    movable = [route for route in members if route.stage in (Stage.CANARY, Stage.LIVE)]
    if not movable and basis_points > 0:
        first = members[0]
        why = f"is at stage {first.stage.value}" if first.new else "has no `new` upstream"
        raise Refused(
            Refusal.CONFLICT,
            f"{name} {why} ({where}:{first.line}): a percentage moves nothing there, only at"
            " stage canary or live",
        )
    for route in movable:
        if basis_points > round(route.max_percent * 100):
            raise Refused(
                Refusal.CONFLICT,
                f"{basis_points / 100:g} % is above max_percent {route.max_percent:g} of"
                f" {route.id} ({where}:{route.line}): raise it there first, in Git",
            )
    return members


def _members(file: RouteFile, name: str, where: str) -> tuple[Route, ...]:
    groups = {group.name for group in file.groups}
    routes = {route.id: route for route in file.routes}
    if name in groups:
        members = tuple(route for route in file.routes if route.group == name)
        if not members:
            raise Refused(Refusal.CONFLICT, f"no route of {where} is in the group {name}")
        return members
    known(name, [*routes, *groups], "route or group")
    route = routes[name]
    if route.group:
        raise Refused(
            Refusal.CONFLICT,
            f"{name} belongs to the group {route.group} ({where}:{route.line}), whose routes move"
            f" together: `figway percent {route.group} ...`",
        )
    return (route,)


def known(name: str, names: Iterable[str], kind: str) -> None:
    """Pass if the name is one of them; else raise Refused, with the nearest ones."""
    there = list(names)
    if name in there:
        return
    near = difflib.get_close_matches(name, there, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`figway routes` lists them"
    raise Refused(Refusal.UNKNOWN, f"there is no {kind} {name[:100]!r}: {hint}")
