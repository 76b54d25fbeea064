"""STAGE rules and SHADOW001: how far Git lets routes go, and what says something it does not do."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject
from proxy.headers import SAFE_METHODS
from proxy.routing.route import Route
from proxy.shadow_policy import WriteMode
from proxy.stages import Stage

_ORDER = tuple(Stage)


def stages(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with stages, for each route and against the file before."""
    for route in subject.file.routes:
        yield from _stage(subject, route)
    if subject.against is not None:
        yield from _transitions(subject)


def _stage(subject: Subject, route: Route) -> Iterator[Finding]:
    if route.stage is Stage.COMPLETE:
        yield subject.at(
            "STAGE002",
            route,
            "is complete: no rollback, percentage or cohort applies to it",
            "stay at live until the legacy code is gone",
            "stage",
        )
    writes_only = bool(route.match.methods) and not SAFE_METHODS & set(route.match.methods)
    if route.stage is Stage.SHADOW and not route.shadow.sample:
        yield subject.at(
            "STAGE003",
            route,
            "is in stage shadow and copies nothing",
            "set shadow.sample",
            "stage",
        )
    if route.shadow.sample and writes_only and route.shadow.writes is WriteMode.NEVER:
        yield subject.at(
            "SHADOW001",
            route,
            f"matches {', '.join(route.match.methods)} only, and only safe methods are copied",
            "remove shadow, or say with shadow.writes how writes may be copied",
            "shadow",
        )
    yield from _without_effect(subject, route)


def _without_effect(subject: Subject, route: Route) -> Iterator[Finding]:
    useless: list[tuple[str, str]] = []
    if not route.new:
        # Not group and stickiness: a plan may stand there before the first service does.
        no_new = ("max_percent", "cohorts", "idempotent", "gate", "on_rollback")
        useless = [(key, "without new") for key in no_new]
    elif route.stage is Stage.LIVE:
        useless = [("max_percent", "at stage live: the flag alone can lower it")]
    elif route.stage is Stage.COMPLETE:
        no_way_back = ("max_percent", "cohorts", "on_rollback")
        useless = [(key, "at stage complete") for key in no_way_back]
    for key, when in useless:
        if subject.gives(subject.path(route, key)):
            yield subject.at(
                "STAGE004", route, f"gains nothing from {key} {when}", "remove it", key
            )


def _transitions(subject: Subject) -> Iterator[Finding]:
    assert subject.against is not None
    before = {route.id: route for route in subject.against.routes}
    for route in subject.file.routes:
        old = before.pop(route.id, None)
        was = old.stage if old is not None else Stage.LEGACY
        if was is Stage.COMPLETE and route.stage is not Stage.COMPLETE:
            yield subject.at(
                "STAGE001",
                route,
                f"goes back from complete to {route.stage}: its legacy code may be gone",
                "keep it complete; bring a route back under another id",
                "stage",
            )
        elif _steps(route, was) > 1:
            step = _ORDER[_ORDER.index(was) + 1]
            new = "" if old is not None else " (it is new, which counts as legacy)"
            yield subject.at(
                "STAGE001",
                route,
                f"goes from {was} to {route.stage} in one change{new}",
                f"go to {step} first",
                "stage",
            )
    for old in before.values():
        if old.stage is Stage.COMPLETE:
            yield subject.finding(
                "STAGE001",
                ("routes",),
                f"route {old.id} was complete and is gone: its requests now go to another route",
                "keep it: its legacy code may be gone",
            )


def _steps(route: Route, was: Stage) -> int:
    steps = _ORDER.index(route.stage) - _ORDER.index(was)
    writes_only = bool(route.match.methods) and not SAFE_METHODS & set(route.match.methods)
    # Without a mode for them writes are never copied: for them shadow is no step.
    copied = route.shadow.writes is not WriteMode.NEVER
    if writes_only and not copied and was is Stage.LEGACY and steps > 1:
        return steps - 1
    return steps
