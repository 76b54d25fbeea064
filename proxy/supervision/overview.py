"""What is live now, per route, in words: flag, ceiling, and the share that comes of both. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from flags.rule import Rule
from flags.scope import group_scope, route_scope
from flags.snapshot import FlagSnapshot
from flags.unleash.account import describe_rule
from flags.unleash.asked import most_of
from proxy.routing.route import Match, PathKind, Route, RouteFile
from proxy.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """One route as operators see it. Percentages are 0 to 100; None is no flag."""

    id: str
    line: int
    owner: str
    group: str
    match: str
    stage: str
    new: str
    max_percent: float
    flag_percent: float | None
    # The share of sticky clients that goes to the new side; cohorts come before it. Of a rule: the
    # most that it can be.
    effective_percent: float
    because: str
    # What the flag says where that is no percentage; empty: it is one, or there is none.
    rule: str = ""


def routes(file: RouteFile, flags: FlagSnapshot) -> tuple[RouteView, ...]:
    """Every route in file order."""
    return tuple(_view(route, flags) for route in file.routes)


def _view(route: Route, flags: FlagSnapshot) -> RouteView:
    said = flag_basis_points(route, flags)
    effective, because = effective_basis_points(route, flags)
    rule = flag_rule(route, flags)
    return RouteView(
        id=route.id,
        line=route.line,
        owner=route.owner,
        group=route.group,
        match=describe(route.match),
        stage=route.stage.value,
        new=route.new,
        max_percent=route.max_percent,
        flag_percent=None if said is None else said / 100,
        effective_percent=effective / 100,
        because=because,
        rule="" if rule is None else describe_rule(rule),
    )


def flag_basis_points(route: Route, flags: FlagSnapshot) -> int | None:
    """What the flag of a route, or of its group, says."""
    if route.group:
        return flags.group_basis_points.get(route.group)
    return flags.route_basis_points.get(route.id)


def flag_rule(route: Route, flags: FlagSnapshot) -> Rule | None:
    """What the flag of a route, or of its group, says where that is no percentage."""
    return flags.rules.get(group_scope(route.group) if route.group else route_scope(route.id))


def effective_basis_points(route: Route, flags: FlagSnapshot) -> tuple[int, str]:
    """The share that goes to the new side and why, in the order of `decide`."""
    said = flag_basis_points(route, flags)
    if not route.new:
        return 0, "no new side"
    if route.stage is Stage.COMPLETE:
        return 10_000, "complete"
    if flags.rollback_all:
        return 0, "rollback_all"
    if route.group and route.group in flags.rollback_groups:
        return 0, "rollback_group"
    if route.id in flags.rollback_routes:
        return 0, "rollback_route"
    if route.stage in (Stage.LEGACY, Stage.SHADOW):
        return 0, f"stage_{route.stage.value}"
    rule = flag_rule(route, flags)
    if rule is not None:
        ceiling = 10_000 if route.stage is Stage.LIVE else round(route.max_percent * 100)
        return min(ceiling, most_of(rule)), "rule"
    if route.stage is Stage.LIVE:
        return (10_000, "live") if said is None else (said, "flag")
    if said is None:
        return 0, "no flag"
    ceiling = round(route.max_percent * 100)
    return (ceiling, "max_percent") if said > ceiling else (said, "flag")


def describe(match: Match) -> str:
    """A match in one line: methods, host, path, and how many criteria beside them."""
    path = match.path.value
    match match.path.kind:
        case PathKind.PREFIX:
            path = f"{path.rstrip('/')}/*"
        case PathKind.REGEX:
            path = f"~ {path}"
        case PathKind.EXACT | PathKind.TEMPLATE:
            pass
    words = [",".join(match.methods), ",".join(match.hosts) + path]
    criteria = [f"{v.name}=…" for v in (*match.query, *match.headers, *match.cookies)]
    return " ".join(word for word in (*words, *criteria) if word)
