"""Rules about flags as they are now: what a provider says beside what routes.yaml allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flags.evaluate import BASIS_POINTS
from flags.rule import Rule
from flags.scope import group_scope, route_scope
from flags.snapshot import FlagSnapshot
from flags.unleash.admission import cap_hash, hash_of, static_fields
from flags.unleash.asked import KEY, fields_of
from flags.unleash.context import CURRENT_TIME, KEY_OF_THE_ROUTE
from flags.unleash.flag_state import Complaint, faults_of, flag_name
from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject
from proxy.routing.route import Route
from proxy.stages import Stage

# Fields that Figway knows of every request without being told.
_KNOWN: Final = frozenset(
    {KEY, "userId", "sessionId", "remoteAddress", CURRENT_TIME, *static_fields(Rule(flag=""))}
)


def live_flags(
    subject: Subject, flags: FlagSnapshot, complaints: Sequence[Complaint] = ()
) -> Iterator[Finding]:
    """Yield what is wrong between the routes and the flags that a provider holds now.

    `complaints` are the provider's own, about flags that it cannot follow.
    """
    told: set[str] = set()
    for scope, routes in _moving(subject).items():
        said = flags.group_basis_points if routes[0].group else flags.route_basis_points
        basis_points = said.get(routes[0].group or routes[0].id)
        rule = flags.rules.get(scope)
        if basis_points is None and rule is None:
            yield from _missing(subject, scope, routes)
        if basis_points is not None:
            yield from _above(subject, scope, routes, basis_points)
        if rule is None:
            continue
        for text in dict.fromkeys(f"{rule.flag}: {fault}" for fault in faults_of(rule)):
            told.add(text)
            yield _found(subject, "FLAG002", routes[0], text, _FOLLOWED)
        for percentage in sorted(set(rule.percentages()), reverse=True)[:1]:
            yield from _above(subject, scope, routes, percentage)
        yield from _hashes(subject, rule, routes)
        yield from _fields(subject, rule, routes[0])
    for complaint in complaints:
        # A running figway tells them as one text, the name of the flag in front.
        text = f"{complaint.flag}: {complaint.message}" if complaint.flag else complaint.message
        if text not in told:
            yield subject.finding("FLAG002", ("routes",), text, _FOLLOWED)


_FOLLOWED: Final = "mend the flag where it stands; until then that part of it lets nobody in"


def _moving(subject: Subject) -> dict[str, list[Route]]:
    """Routes that a flag moves, by its scope."""
    moving: dict[str, list[Route]] = {}
    for route in subject.file.routes:
        if route.new and route.stage in (Stage.CANARY, Stage.LIVE):
            scope = group_scope(route.group) if route.group else route_scope(route.id)
            moving.setdefault(scope, []).append(route)
    return moving


def _found(subject: Subject, rule: str, route: Route, message: str, mend: str) -> Finding:
    return subject.finding(rule, subject.path(route), message, mend)


def _missing(subject: Subject, scope: str, routes: list[Route]) -> Iterator[Finding]:
    # A live route needs no flag.
    canaries = [route for route in routes if route.stage is Stage.CANARY]
    for route in canaries[:1]:
        others = f" and {len(canaries) - 1} more routes" if len(canaries) > 1 else ""
        yield _found(
            subject,
            "FLAG001",
            route,
            f"no source of flags speaks of {scope}: {route.id}{others} stays on legacy",
            f"create the flag ({flag_name(scope)} in Unleash), or figway percent with 0",
        )


def _above(
    subject: Subject, scope: str, routes: list[Route], basis_points: int
) -> Iterator[Finding]:
    for route in routes:
        if route.stage is Stage.CANARY and basis_points > round(route.max_percent * 100):
            yield subject.finding(
                "FLAG003",
                subject.path(route, "max_percent"),
                f"the flag of {scope} says {basis_points / 100:g} %, above max_percent"
                f" {route.max_percent:g}: the ceiling holds",
                "lower the flag, or raise max_percent in a reviewed change",
            )


def _hashes(subject: Subject, rule: Rule, routes: list[Route]) -> Iterator[Finding]:
    name = routes[0].group or routes[0].id
    percentages = [each for each in rule.strategies if each.basis_points is not None]
    for strategy in percentages:
        if strategy.hash_group != name or strategy.stickiness not in KEY_OF_THE_ROUTE:
            yield _found(
                subject,
                "FLAG004",
                routes[0],
                f"{rule.flag} picks its clients by {strategy.hash_group}:{strategy.stickiness},"
                f" not by {name} and the key of the route: another source of flags, and figway"
                " percent, would pick others",
                f"in Unleash set groupId to {name} and stickiness to default",
            )
            break
    ceiling = min(BASIS_POINTS, *(round(each.max_percent * 100) for each in routes))
    hashes = {hash_of(each) for each in percentages}
    if len(hashes) > 1 and ceiling < BASIS_POINTS and routes[0].stage is Stage.CANARY:
        group, _ = cap_hash(rule, name)
        yield _found(
            subject,
            "FLAG004",
            routes[0],
            f"{rule.flag} has percentages of {len(hashes)} different hashes: max_percent is"
            f" measured on {group}, and each of them gets a part of that only",
            "give all strategies of the flag one groupId and one stickiness",
        )


def _fields(subject: Subject, rule: Rule, route: Route) -> Iterator[Finding]:
    mapped = {each.field for each in subject.file.context}
    for name in sorted(fields_of(rule) - mapped - _KNOWN):
        yield _found(
            subject,
            "FLAG005",
            route,
            f"{rule.flag} asks for {name}, and nothing says how to read it: what asks for it lets"
            " nobody in",
            f"flags.unleash.context: {{{name}: {{header: ...}}}}",
        )
