"""FALLBACK, REWRITE, CAP, UPSTREAM and PERCENT rules: what is asked of upstreams."""

from __future__ import annotations

import os.path
from collections.abc import Iterator

from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject, moving
from proxy.config.paths import rewrite_variables
from proxy.headers import SAFE_METHODS
from proxy.routing.route import FallbackCause, Route
from proxy.stages import Side, Stage


def upstreams(subject: Subject) -> Iterator[Finding]:
    """Yield what overloads an upstream, does a write twice, or is not used."""
    for route in subject.file.routes:
        yield from _fallback(subject, route)
        yield from _rewrite(subject, route)
        yield from _shares(subject, route)
    yield from _capacity(subject)
    yield from _endpoints(subject)
    yield from _unused(subject)


def _fallback(subject: Subject, route: Route) -> Iterator[Finding]:
    fallback = route.fallback
    if fallback is None:
        return
    matched = route.match.methods
    reachable = [m for m in fallback.methods if not matched or m in matched]
    writes = [m for m in reachable if m not in SAFE_METHODS]
    late = [cause.value for cause in fallback.when if cause is not FallbackCause.CONNECT]
    if writes and late and not route.idempotent:
        yield subject.at(
            "FALLBACK001",
            route,
            f"sends {', '.join(writes)} to legacy after {', '.join(late)}: the new side may have "
            "done it already",
            "leave fallback.methods at [GET, HEAD], or when at [connect]; idempotent: true if "
            "doing it twice is harmless",
            "fallback",
        )
    if route.stage is Stage.COMPLETE:
        yield subject.at(
            "FALLBACK002",
            route,
            "is complete and falls back to legacy, whose code may be gone",
            "remove fallback",
            "fallback",
        )
    if not reachable or not fallback.budget:
        why = "its budget is 0%" if not fallback.budget else "it matches none of fallback.methods"
        yield subject.at(
            "FALLBACK003",
            route,
            f"can never fall back: {why}",
            "remove fallback, or mend it",
            "fallback",
        )


def _rewrite(subject: Subject, route: Route) -> Iterator[Finding]:
    if route.rewrite is None or route.rewrite.path is None:
        return
    sure = {criterion.name for criterion in route.match.query}
    for variable in rewrite_variables(route.rewrite.path):
        name = variable.removeprefix("query.")
        if name != variable and name not in sure:
            yield subject.at(
                "REWRITE001",
                route,
                f"needs the query parameter {name}: requests without it stay on legacy",
                f"match.query: {{{name}: {{present: true}}}} says so",
                "rewrite",
            )


def _shares(subject: Subject, route: Route) -> Iterator[Finding]:
    for key in (("shadow", "sample"), ("fallback", "budget")):
        node = subject.document.node(subject.path(route, *key))
        value = node.value if node is not None else None
        if isinstance(value, float) and 0 < value < 1:
            yield subject.at(
                "PERCENT001",
                route,
                f"has {'.'.join(key)}: {value}, which is {value} percent",
                f"write {value}%, or {value * 100:g}% if that is meant",
                *key,
            )


def _capacity(subject: Subject) -> Iterator[Finding]:
    file = subject.file
    legacy = file.legacy
    movable = {route.new for route in file.routes if moving(route)}
    known = [
        each for each in file.upstreams if each.name in movable and each.capacity_rps is not None
    ]
    total = sum(each.capacity_rps or 0.0 for each in known)
    if legacy.capacity_rps is None:
        live = [each for each in file.routes if each.new and each.stage is Stage.LIVE]
        if live:
            routes = "1 route is" if len(live) == 1 else f"{len(live)} routes are"
            yield subject.finding(
                "CAP002",
                ("upstreams", legacy.name),
                f"{routes} live, and what legacy could bear after a rollback is not known",
                "set capacity_rps",
            )
    elif total > legacy.capacity_rps:
        names = ", ".join(f"{each.name} ({each.capacity_rps:g})" for each in known)
        yield subject.finding(
            "CAP001",
            ("upstreams", legacy.name, "capacity_rps"),
            f"legacy bears {legacy.capacity_rps:g} requests per second, and a rollback could send "
            f"it {total:g}: {names}",
            "raise the capacity of legacy before more moves, or complete routes",
        )


def _endpoints(subject: Subject) -> Iterator[Finding]:
    legacy = subject.file.legacy
    for upstream in subject.file.upstreams:
        path = ("upstreams", upstream.name)
        shared = set(upstream.urls) & set(legacy.urls)
        if upstream.side is Side.NEW and shared:
            yield subject.finding(
                "UPSTREAM002",
                (*path, "urls"),
                f"{upstream.name} and legacy share {', '.join(sorted(shared))}: moving traffic "
                "there moves nothing",
                "check the address",
            )
        bundle = os.path.join(os.path.dirname(subject.document.name), upstream.tls_ca)
        if upstream.tls_ca and not os.path.isfile(bundle):
            yield subject.finding(
                "UPSTREAM003",
                (*path, "tls", "ca"),
                f"there is no file {bundle} here; figway serve will not start without it",
                "check the path",
            )
        if len(upstream.urls) > 1 and upstream.health is None:
            yield subject.finding(
                "UPSTREAM004",
                path,
                f"{upstream.name} has {len(upstream.urls)} endpoints and no health check: a dead "
                "one is noticed by failing requests only",
                "set health: {path: ...}",
            )


def _unused(subject: Subject) -> Iterator[Finding]:
    file = subject.file
    used = {
        "upstreams": {route.new for route in file.routes}
        | {route.shadow.sandbox for route in file.routes}
        | {file.legacy.name},
        "groups": {route.group for route in file.routes},
        "segments": {name for route in file.routes for name in (*route.always, *route.never)},
    }
    defined = {
        "upstreams": [each.name for each in file.upstreams],
        "groups": [each.name for each in file.groups],
        "segments": [each.name for each in file.segments],
    }
    for kind, names in defined.items():
        for name in names:
            if name not in used[kind]:
                yield subject.finding(
                    "UPSTREAM001",
                    (kind, name),
                    f"no route uses the {kind.removesuffix('s')} {name}",
                    "remove it, or check the routes",
                )
