"""What takes two places of a file to judge: names, uniqueness, what goes with what."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from proxy.config import paths
from proxy.config.complaints import unknown_name
from proxy.config.model import (
    CaseShape,
    GroupShape,
    RouteShape,
    SegmentShape,
    UpstreamShape,
)
from proxy.config.shapes import StickyShape
from proxy.config.yaml_scalar import quoted
from proxy.config.yaml_text import Document, Path
from proxy.errors import Problem
from proxy.stages import Side, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePiece:
    """A route as far as it could be read; `broken` names the keys that could not."""

    index: int
    shape: RouteShape
    broken: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """Where the route stands."""
        return ("routes", self.index)

    def sound(self, *keys: str) -> bool:
        """Whether all these keys could be read."""
        return self.broken.isdisjoint(keys)


@dataclass(slots=True)
class Pieces:
    """Every part of the file as far as it could be read. None: it is there, but broken."""

    upstreams: dict[str, UpstreamShape | None] = field(default_factory=dict)
    groups: dict[str, GroupShape | None] = field(default_factory=dict)
    segments: dict[str, SegmentShape | None] = field(default_factory=dict)
    routes: list[RoutePiece] = field(default_factory=list)
    tests: list[tuple[int, CaseShape]] = field(default_factory=list)


def check_whole(document: Document, pieces: Pieces) -> Iterator[Problem]:
    """Yield every problem that a single value does not show."""
    yield from _check_upstreams(document, pieces)
    yield from _check_ids(document, pieces)
    yield from _check_catch_all(document, pieces)
    for route in pieces.routes:
        yield from _check_route(document, pieces, route)
    ids = {route.shape.id for route in pieces.routes if route.sound("id")}
    for index, test in pieces.tests:
        yield from _check_test(document, pieces, index, test, ids)


def _check_upstreams(document: Document, pieces: Pieces) -> Iterator[Problem]:
    legacy = [n for n, u in pieces.upstreams.items() if u is not None and u.role is Side.LEGACY]
    if not legacy and None not in pieces.upstreams.values() and pieces.upstreams:
        yield document.problem(
            ("upstreams",), "one upstream must have role: legacy, none has", "LOAD006"
        )
    for name in legacy[1:]:
        yield document.problem(
            ("upstreams", name, "role"),
            f"only one upstream may have role: legacy, {quoted(legacy[0])} has it already",
            "LOAD006",
        )
    for name, upstream in pieces.upstreams.items():
        if upstream is None:
            continue
        seen: set[str] = set()
        for index, url in enumerate(upstream.urls):
            if url in seen:
                yield document.problem(
                    ("upstreams", name, "urls", index), f"stands twice: {quoted(url)}", "LOAD005"
                )
            seen.add(url)
        if upstream.tls is not None and not any(url.startswith("https:") for url in upstream.urls):
            yield document.problem(
                ("upstreams", name, "tls"), "goes with https:// urls, this one has none", "LOAD007"
            )


def _check_ids(document: Document, pieces: Pieces) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for route in pieces.routes:
        if not route.sound("id"):
            continue
        name = route.shape.id
        path = (*route.path, "id")
        if name in first:
            line, _ = document.place(("routes", first[name]))
            yield document.problem(
                path, f"{quoted(name)} is the id of the route in line {line} too", "LOAD005"
            )
        elif name in pieces.groups:
            yield document.problem(
                path,
                f"{quoted(name)} is a group too: percentages and buckets could not tell them apart",
                "LOAD005",
            )
        elif _is_reserved(name):
            yield document.problem(path, _reserved(name), "LOAD005")
        first.setdefault(name, route.index)
    for name in pieces.groups:
        if _is_reserved(name):
            yield document.problem(("groups", name), _reserved(name), "LOAD005")


def _is_reserved(name: str) -> bool:
    return name == "rollback" or name.startswith("rollback-")


def _reserved(name: str) -> str:
    return f"{quoted(name)} is reserved: figway-{name} would be a rollback flag"


def is_catch_all(route: RouteShape) -> bool:
    """Whether a route matches every request."""
    match = route.match
    return match.path.prefix == "/" and not (
        match.hosts or match.methods or match.headers or match.query or match.cookies
    )


def _check_catch_all(document: Document, pieces: Pieces) -> Iterator[Problem]:
    if any(not route.sound("match") for route in pieces.routes):
        return  # it may be the one that could not be read
    all_of_it = [route for route in pieces.routes if is_catch_all(route.shape)]
    for route in all_of_it:
        if route.shape.new:
            yield document.problem(
                (*route.path, "new"),
                "the catch-all always goes to legacy: remove new, or match less than everything",
                "MATCH003",
            )
    if pieces.routes and not all_of_it:
        yield document.problem(
            ("routes",),
            "no catch-all: add - {id: monolith, match: {path: {prefix: /}}}, which sends to legacy "
            "what no other route matches",
            "MATCH003",
        )


def _check_route(document: Document, pieces: Pieces, route: RoutePiece) -> Iterator[Problem]:
    shape = route.shape

    def problem(key: str, message: str, *below: str | int, rule: str = "LOAD007") -> Problem:
        return document.problem((*route.path, key, *below), message, rule)

    if shape.new and route.sound("new"):
        if shape.new not in pieces.upstreams:
            new = {n for n, u in pieces.upstreams.items() if u is None or u.role is Side.NEW}
            yield problem("new", unknown_name("upstream", shape.new, new), rule="LOAD004")
        else:
            upstream = pieces.upstreams[shape.new]
            legacies = [u for u in pieces.upstreams.values() if u and u.role is Side.LEGACY]
            # Of two legacies one is a mistake, which is reported there.
            if upstream in legacies and len(legacies) == 1:
                yield problem("new", f"{quoted(shape.new)} has role: legacy, new needs another one")
    if not shape.new and route.sound("new"):
        if shape.stage is not Stage.LEGACY:
            yield problem("stage", f"{shape.stage} needs new: NAME, the upstream to go to")
        for key in ("rewrite", "fallback"):
            if getattr(shape, key) is not None:
                yield problem(key, "has no effect without new: NAME")
    if shape.group and shape.group not in pieces.groups:
        yield problem("group", unknown_name("group", shape.group, pieces.groups), rule="LOAD004")
    for kind in ("always", "never"):
        names = getattr(shape.cohorts, kind)
        for index, name in enumerate(names):
            if name not in pieces.segments:
                message = unknown_name("segment", name, pieces.segments)
                yield problem("cohorts", message, kind, index, rule="LOAD004")
    if route.sound("match"):
        yield from _check_parameters(document, pieces, route)


def _check_parameters(document: Document, pieces: Pieces, route: RoutePiece) -> Iterator[Problem]:
    shape = route.shape
    path = shape.match.path
    names = paths.template_names(path.template) if path.template else frozenset()
    if shape.stickiness is not None:
        yield from _check_sticky(document, (*route.path, "stickiness"), shape.stickiness, names)
    elif shape.group:
        group = pieces.groups.get(shape.group)
        if group is not None and group.stickiness is not None:
            yield from _check_sticky(document, (*route.path, "group"), group.stickiness, names)
    if shape.rewrite is None:
        return
    if shape.rewrite.prefix and not path.prefix:
        yield document.problem(
            (*route.path, "rewrite", "prefix"),
            "goes with match.path.prefix: write rewrite.path",
            "LOAD007",
        )
    for name in paths.rewrite_variables(shape.rewrite.path):
        if not name.startswith("query.") and name not in names:
            yield document.problem(
                (*route.path, "rewrite", "path"), _unknown_parameter(name, names), "LOAD004"
            )


def _check_sticky(
    document: Document, path: Path, sticky: StickyShape, names: Set[str]
) -> Iterator[Problem]:
    if isinstance(sticky, str) or "path_param" not in sticky.model_fields_set:
        return
    if sticky.path_param not in names:
        yield document.problem(path, _unknown_parameter(sticky.path_param, names), "LOAD004")


def _unknown_parameter(name: str, names: Set[str]) -> str:
    there = "it has " + ", ".join(sorted(names)) if names else "it has none"
    return f"the route's template has no parameter {quoted(name)}: {there}"


def _check_test(
    document: Document, pieces: Pieces, index: int, test: CaseShape, ids: Set[str]
) -> Iterator[Problem]:
    base: Path = ("tests", index)
    if any(not route.sound("id") for route in pieces.routes):
        ids = frozenset()
    expect, state = test.expect, test.state
    if expect.route is not None and ids and expect.route not in ids:
        yield document.problem(
            (*base, "expect", "route"), unknown_name("route", expect.route, ids), "LOAD004"
        )
    if expect.upstream is not None and expect.upstream not in pieces.upstreams:
        yield document.problem(
            (*base, "expect", "upstream"),
            unknown_name("upstream", expect.upstream, pieces.upstreams),
            "LOAD004",
        )
    for number, name in enumerate(state.rollback_groups):
        if name not in pieces.groups:
            yield document.problem(
                (*base, "state", "rollback_groups", number),
                unknown_name("group", name, pieces.groups),
                "LOAD004",
            )
    for number, name in enumerate(state.rollback_routes):
        if ids and name not in ids:
            yield document.problem(
                (*base, "state", "rollback_routes", number),
                unknown_name("route", name, ids),
                "LOAD004",
            )
    grouped = {route.shape.id: route.shape.group for route in pieces.routes}
    for name in state.percent:
        if name not in pieces.groups and grouped.get(name) in pieces.groups:
            group = grouped[name]
            yield document.problem(
                (*base, "state", "percent", name),
                f"route {name} is in group {group}, whose percentage counts: write {group}",
                "LOAD007",
            )
        if ids and name not in ids and name not in pieces.groups:
            yield document.problem(
                (*base, "state", "percent", name),
                unknown_name("route or group", name, {*ids, *pieces.groups}),
                "LOAD004",
            )
