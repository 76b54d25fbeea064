"""STICK, COHORT and GROUP rules: who is kept on which side, and what must move together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject, moving, named
from proxy.headers import SAFE_METHODS
from proxy.routing.route import PathKind, Route, StickyKind
from proxy.stages import Stage

_LOGIN = re.compile(
    r"(?:^|[/_.-])(?:log-?in|log-?out|log-?on|sign-?in|sign-?out|sessions?|auth|oauth2?|sso)"
    r"(?:$|[/_.-])",
    re.IGNORECASE,
)
_SESSION_COOKIE = re.compile(r"sess|^sid$|\.sid$", re.IGNORECASE)
_ASSETS = re.compile(
    r"^/(?:.*/)?(?:assets?|static|public|build|dist|css|js|scripts?|styles?|media|_next|_nuxt|_app)"
    r"(?:/|$)",
    re.IGNORECASE,
)
_NO_PAGE = re.compile(r"^/(?:api|v[0-9]+|graphql|rpc|healthz?)(?:/|$)|\.[a-z0-9]{2,5}$")


def cohorts(subject: Subject) -> Iterator[Finding]:
    """Yield what makes clients change sides, or one client see two."""
    for route in subject.file.routes:
        yield from _key(subject, route)
        for name in sorted(set(route.always) & set(route.never)):
            yield subject.at(
                "COHORT001",
                route,
                f"has segment {name} in always and in never: never wins",
                "remove one",
                "cohorts",
            )
    yield from _groups(subject)
    yield from _reads_and_writes(subject)
    yield from _pages(subject)


def _key(subject: Subject, route: Route) -> Iterator[Finding]:
    if not moving(route):
        return
    sticky = route.stickiness
    if sticky.kind is StickyKind.NONE and route.stage is Stage.CANARY:
        but = "only its cohorts get the new side" if route.always else "nobody gets the new side"
        yield subject.at(
            "STICK001",
            route,
            f"is a canary without a key: its percentage has no effect, {but}",
            "set stickiness: device, or another key",
            "stage",
        )
    if sticky.kind is StickyKind.COOKIE and _SESSION_COOKIE.search(sticky.name):
        yield subject.at(
            "STICK003",
            route,
            f"is sticky by cookie {sticky.name}, which applications change at login: clients may "
            "change sides then",
            "use stickiness: device",
            "stickiness" if subject.gives(subject.path(route, "stickiness")) else "group",
        )


def _groups(subject: Subject) -> Iterator[Finding]:
    members: dict[str, list[Route]] = defaultdict(list)
    for route in subject.file.routes:
        if route.group and route.new:
            members[route.group].append(route)
    for name, routes in members.items():
        kinds: dict[object, list[Route]] = defaultdict(list)
        for route in routes:
            # A path parameter is a name in one template: the value is what is shared.
            sticky = route.stickiness
            kinds[sticky if sticky.kind is not StickyKind.PATH_PARAM else sticky.kind].append(route)
        if len(kinds) > 1:
            odd = min(kinds.values(), key=len)[0]
            common = max(kinds.values(), key=len)
            yield subject.at(
                "STICK002",
                odd,
                f"has another key than {named(common)} in group {name}: one client may get "
                "different sides",
                "give all routes of the group one key",
                "stickiness" if subject.gives(subject.path(odd, "stickiness")) else "group",
            )
        if not any(route.stage is Stage.CANARY for route in routes):
            continue
        for route in routes:
            if _LOGIN.search(route.match.path.value) or _LOGIN.search(route.id):
                yield subject.at(
                    "STICK002",
                    route,
                    f"looks like a login and is in the canary group {name}: clients outside the "
                    "canary and inside it would get their session from different sides",
                    "move the login in a step of its own, or make sure that both share sessions",
                    "group",
                )


def _reads_and_writes(subject: Subject) -> Iterator[Finding]:
    by_path: dict[object, list[Route]] = defaultdict(list)
    for route in subject.file.routes:
        if route.new and route.match.methods:
            by_path[route.match.path, route.match.hosts].append(route)
    for routes in by_path.values():
        reads = [route for route in routes if SAFE_METHODS & set(route.match.methods)]
        for write in routes:
            if set(write.match.methods) <= SAFE_METHODS:
                continue
            for read in reads:
                apart = read is not write and (not read.group or read.group != write.group)
                if apart and Stage.CANARY in (read.stage, write.stage):
                    yield subject.at(
                        "GROUP001",
                        write,
                        f"writes where {read.id} (line {read.line}) reads, and the two are moved "
                        "separately: a client may not see what it wrote",
                        "put both into one group",
                        "group" if write.group else "id",
                    )


def _pages(subject: Subject) -> Iterator[Finding]:
    pages: dict[str, list[Route]] = defaultdict(list)
    for route in subject.file.routes:
        path = route.match.path
        if _ASSETS.search(path.value):
            return  # somebody has thought of them
        if (
            moving(route)
            and path.kind is not PathKind.REGEX
            and not _NO_PAGE.search(path.value)
            and (not route.match.methods or "GET" in route.match.methods)
        ):
            pages[route.new].append(route)
    for name, routes in pages.items():
        yield subject.finding(
            "GROUP002",
            subject.path(routes[0], "new"),
            f"if {name} answers pages ({named(routes, 3)}) with scripts or styles of its own, "
            "no route sends those to it",
            "add a route for their path in the same group",
        )
