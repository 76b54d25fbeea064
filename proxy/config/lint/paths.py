"""PATH rules, MATCH004 and MATCH005: what a path or method does not do, whatever it looks like."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject, named
from proxy.config.shapes import KNOWN_METHODS
from proxy.routing.match import fits_path
from proxy.routing.rewrite import parameter_name
from proxy.routing.route import PathKind, PathMatch, Route
from proxy.routing.target import literal_view, matching_view

# What looks like a pattern in a path that is compared as it stands.
_PATTERN_LIKE = re.compile(r"\*|\(.*\)|\[.*\]|\\|\^|\$$|\.\+")
_PLAIN_REGEX = re.compile(r"\^?((?:/[A-Za-z0-9_~-]*)+)(/?\.\*|\(/\.\*\)\?)?\$?")


def path_traps(subject: Subject) -> Iterator[Finding]:
    """Yield what is legal and probably not meant."""
    yield from _slashes(subject)
    yield from _cases(subject)
    for route in subject.file.routes:
        path = route.match.path
        key = ("match", "path", path.kind.value)
        if path.kind is PathKind.REGEX:
            yield from _plain_regex(subject, route)
            continue
        if path.kind is not PathKind.TEMPLATE and _PATTERN_LIKE.search(path.value):
            mend = "write prefix without it, template or regex"
            yield subject.at(
                "PATH003", route, f"takes {path.value} literally, * and all", mend, *key
            )
        if path.kind is PathKind.TEMPLATE and not any(
            parameter_name(each) for each in path.value.split("/")
        ):
            yield subject.at(
                "PATH005", route, "has a template without parameters", "write exact", *key
            )
        written = subject.document.node(subject.path(route, *key))
        if written is not None and isinstance(written.value, str):
            matched = literal_view(path.value)
            if matched != written.value:
                yield subject.at("PATH004", route, f"is matched as {matched}", "write it so", *key)
    yield from _methods(subject)


def _slashes(subject: Subject) -> Iterator[Finding]:
    """One note for the file: most shops answer /cart and /cart/ alike."""
    strict = [
        route
        for route in subject.file.routes
        if route.new
        and route.match.path.kind in (PathKind.EXACT, PathKind.TEMPLATE)
        and route.match.path.value != "/"
        # /index.php/ is another matter.
        and "." not in route.match.path.value.rpartition("/")[2]
    ]
    alone = []
    # One route for each path: thousands may share one and differ in their query.
    others: dict[str, dict[PathMatch, Route]] = defaultdict(dict)
    for route in subject.file.routes:
        if route.new and route.match.path.kind is not PathKind.REGEX:
            others[_without_slash(route)].setdefault(route.match.path, route)
    for route in strict:
        twin = _sample_path(route)
        twin = twin.removesuffix("/") if twin.endswith("/") else twin + "/"
        kin = others[_without_slash(route)].values()
        if not any(fits_path(other, twin) for other in kin):
            alone.append(route)
    if alone:
        yield subject.finding(
            "PATH001",
            subject.path(alone[0], "match", "path"),
            f"a slash more or less at the end of the path goes elsewhere for {named(alone)}",
            "add a route for the other spelling if legacy answers both",
        )


def _without_slash(route: Route) -> str:
    return _sample_path(route).rstrip("/")


def _sample_path(route: Route) -> str:
    segments = route.match.path.value.split("/")
    return literal_view("/".join("x" if parameter_name(each) else each for each in segments))


def _cases(subject: Subject) -> Iterator[Finding]:
    seen: dict[tuple[PathKind, str], Route] = {}
    for route in subject.file.routes:
        path = route.match.path
        if path.kind is PathKind.REGEX:
            continue
        first = seen.setdefault((path.kind, path.value.lower()), route)
        if first.match.path.value != path.value:
            yield subject.at(
                "PATH002",
                route,
                f"and {first.id} (line {first.line}) differ in upper and lower case only: paths "
                "are case-sensitive",
                "write both alike, or use a regex with (?i)",
                "match",
                "path",
            )


def _plain_regex(subject: Subject, route: Route) -> Iterator[Finding]:
    match = _PLAIN_REGEX.fullmatch(route.match.path.value)
    if match is None or not match[1].strip("/") or matching_view(match[1]) is None:
        return
    simple = f"exact: {match[1]}"
    if match[2] is not None:
        if match[2] == ".*" and not match[1].endswith("/"):
            return  # /cart.* takes /carts too
        simple = f"prefix: {match[1].rstrip('/')}"
    yield subject.at(
        "PATH005",
        route,
        "has a regex that says no more than another kind, which is found before it",
        f"write {simple}",
        "match",
        "path",
        "regex",
    )


def _methods(subject: Subject) -> Iterator[Finding]:
    routes = subject.file.routes
    heads = {
        (route.match.path, route.match.hosts)
        for route in routes
        if not route.match.methods or "HEAD" in route.match.methods
    }
    for route in routes:
        methods = route.match.methods
        for method in methods:
            if method not in KNOWN_METHODS:
                yield subject.at(
                    "MATCH004",
                    route,
                    f"matches {method}, which the proxy answers with 501",
                    "check the spelling",
                    "match",
                    "methods",
                )
        here = (route.match.path, route.match.hosts)
        if route.new and "GET" in methods and "HEAD" not in methods and here not in heads:
            yield subject.at(
                "MATCH005",
                route,
                "matches GET without HEAD: the two are answered by different routes",
                "add HEAD",
                "match",
                "methods",
            )
