"""Which route a request belongs to: an index over routes, and the total order it keeps.

Order, as in Gateway API: host exact, longest wildcard, any; then path exact, template (more literal
segments first), longest prefix by segment, regular expression (file order); then a method before
none, more headers, more query parameters, more cookies, and the first in the file. Prefix `/` comes
after the regular expressions: it matches every path, so with the mandatory catch-all in front of
them no regular expression could ever match.

A route whose other criteria fail gives way to the next one, through all paths and then all hosts.
Paths are strict: `/cart` and `/cart/` are two exact paths (and both lie under prefix `/cart`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import re2

from proxy.routing.compiled import CompiledRoute
from proxy.routing.criteria import Source, all_fit, compile_pattern, read
from proxy.routing.facts import RequestFacts
from proxy.routing.rewrite import parameter_name
from proxy.routing.route import PathKind, Route, ValueKind
from proxy.routing.target import literal_view

SortKey = tuple[int, ...]


def path_segments(path: str) -> tuple[str, ...]:
    """The segments of a path: `/a/b` is `("a", "b")`, `/a/` is `("a", "")`."""
    return tuple(path.split("/")[1:])


def prefix_segments(prefix: str) -> tuple[str, ...]:
    """The segments of a prefix. A trailing slash means nothing (Gateway API): `/a/` is `/a`."""
    return tuple(segment for segment in prefix.split("/") if segment)


def precedence(route: Route, position: int) -> SortKey:
    """The order of routes under one host; lower comes first. `position` is that in the file."""
    match = route.match
    path_rank: tuple[int, int]
    match match.path.kind:
        case PathKind.EXACT:
            path_rank = (0, 0)
        case PathKind.TEMPLATE:
            segments = path_segments(match.path.value)
            path_rank = (1, -sum(parameter_name(segment) is None for segment in segments))
        case PathKind.PREFIX:
            depth = len(prefix_segments(match.path.value))
            path_rank = (2, -depth) if depth else (4, 0)
        case PathKind.REGEX:
            path_rank = (3, position)
    return (
        *path_rank,
        0 if match.methods else 1,
        -len(match.headers),
        -len(match.query),
        -len(match.cookies),
        position,
    )


def host_rank(pattern: str) -> int:
    """The order of host patterns; lower comes first. The empty pattern is any host."""
    if not pattern:
        return 1
    return -len(pattern) if pattern.startswith("*.") else -1_000_000


# A group smaller than this is asked one by one.
_PIVOT_FROM = 6

# Beyond so many regular expressions one automaton for all of them is faster than asking each.
_SET_FROM = 8
_SET_MEMORY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PivotGroup:
    """Many routes with one path that differ in one value: `?route=` of an old shop.

    The value chooses the few that can fit, so that asking does not cost a step per route.
    """

    source: Source
    name: str
    routes: tuple[CompiledRoute, ...]
    by_value: dict[str, Group]
    others: tuple[CompiledRoute, ...]

    def first(self, method: str, facts: RequestFacts) -> CompiledRoute | None:
        """The first route that fits; raises `UnclearRequest`."""
        reading = read(self.source, self.name, facts)
        if not reading.clear:
            return _first(self.routes, method, facts)
        value = reading.value
        chosen = self.by_value.get(value) if value is not None else None
        if chosen is None:
            return _first(self.others, method, facts)
        if not self.others:
            return _first(chosen, method, facts)
        return _first(sorted((*_all_of(chosen), *self.others), key=_rank), method, facts)


# Routes with the same path, in order of precedence: the only one that can be reached, some, or
# many. No object is put around them: it would cost one more memory access per lookup, and that is
# what a lookup in a large table consists of.
Group = CompiledRoute | tuple[CompiledRoute, ...] | PivotGroup


def _group(
    routes: Iterable[CompiledRoute], spent: frozenset[tuple[Source, str]] = frozenset()
) -> Group:
    """Order routes and index them where that pays. `spent` names have the same value in all."""
    ordered = tuple(sorted(routes, key=_rank))
    if ordered[0].methods is None and not ordered[0].criteria:
        # It takes everything; those behind it are never reached.
        return ordered[0]
    return (_pivot(ordered, spent) if len(ordered) >= _PIVOT_FROM else None) or ordered


def _all_of(group: Group) -> tuple[CompiledRoute, ...]:
    if isinstance(group, PivotGroup):
        return group.routes
    return (group,) if isinstance(group, CompiledRoute) else group


def _first(
    routes: Iterable[CompiledRoute] | CompiledRoute | PivotGroup, method: str, facts: RequestFacts
) -> CompiledRoute | None:
    if isinstance(routes, CompiledRoute):
        return routes
    if isinstance(routes, PivotGroup):
        return routes.first(method, facts)
    for route in routes:
        if (route.methods is None or method in route.methods) and (
            not route.criteria or all_fit(route.criteria, facts)
        ):
            return route
    return None


def _rank(route: CompiledRoute) -> int:
    return route.rank


def _pivot(
    routes: tuple[CompiledRoute, ...], spent: frozenset[tuple[Source, str]]
) -> PivotGroup | None:
    values: dict[tuple[Source, str], set[str]] = {}
    for route in routes:
        for criterion in route.criteria:
            if criterion.match.kind is ValueKind.EXACT:
                key = (criterion.source, criterion.match.name)
                values.setdefault(key, set()).add(criterion.match.value)
    candidates = {key: some for key, some in values.items() if key not in spent}
    if not candidates:
        return None
    source, name = max(candidates, key=lambda key: len(candidates[key]))
    if len(candidates[source, name]) < _PIVOT_FROM:
        return None
    by_value: dict[str, list[CompiledRoute]] = {}
    others: list[CompiledRoute] = []
    for route in routes:
        asked = [
            criterion.match.value
            for criterion in route.criteria
            if criterion.match.kind is ValueKind.EXACT
            and (criterion.source, criterion.match.name) == (source, name)
        ]
        if asked:
            by_value.setdefault(asked[0], []).append(route)
        else:
            others.append(route)
    spent_now = spent | {(source, name)}
    groups = {value: _group(some, spent_now) for value, some in by_value.items()}
    return PivotGroup(source, name, routes, groups, tuple(others))


@dataclass(slots=True)
class _Node:
    """One step of the trie, which holds templates and prefixes. Grown while compiling only."""

    # None instead of empty: one memory access less at the end of every walk.
    literals: dict[str, _Node] | None = None
    # The step that any non-empty segment may take.
    parameter: _Node | None = None
    # In place of `parameter`: the templates that end with such a segment, where nothing goes on.
    ending: Group | None = None
    # Whether a segment may fit both a literal and a parameter here.
    forks: bool = False
    templates: Group | None = None
    # The prefixes that end here or before, longest first.
    prefixes: tuple[Group, ...] = ()
    template_routes: list[CompiledRoute] = field(default_factory=list)
    prefix_routes: list[CompiledRoute] = field(default_factory=list)

    def literal(self, segment: str) -> _Node:
        """The step for a literal segment, made when it is new."""
        if self.literals is None:
            self.literals = {}
        return self.literals.setdefault(segment, _Node())

    def seal(self, above: tuple[Group, ...] = ()) -> None:
        """Turn the lists into groups, from here down."""
        if self.template_routes:
            self.templates = _group(self.template_routes)
        self.prefixes = (_group(self.prefix_routes), *above) if self.prefix_routes else above
        for node in (self.literals or {}).values():
            node.seal(self.prefixes)
        parameter = self.parameter
        if parameter is None:
            return
        self.forks = self.literals is not None
        # A prefix is literal: nothing below a parameter is under another one than those above.
        parameter.seal(self.prefixes)
        if parameter.literals is None and parameter.parameter is None and not parameter.ending:
            self.parameter, self.ending = None, parameter.templates


_NOTHING_BELOW = _Node()


class Level:
    """All routes of one host pattern, indexed by path."""

    def __init__(self, routes: Iterable[CompiledRoute]) -> None:
        exact: dict[str, list[CompiledRoute]] = {}
        root: list[CompiledRoute] = []
        regexes: list[CompiledRoute] = []
        # Paths start with a slash, so their first segment is empty.
        trie = _Node()
        top = trie.literal("")
        for route in routes:
            path = route.route.match.path
            match path.kind:
                case PathKind.EXACT:
                    exact.setdefault(literal_view(path.value), []).append(route)
                case PathKind.TEMPLATE:
                    _template_node(top, path.value).template_routes.append(route)
                case PathKind.PREFIX:
                    segments = prefix_segments(literal_view(path.value))
                    if segments:
                        _prefix_node(top, segments).prefix_routes.append(route)
                    else:
                        root.append(route)
                case PathKind.REGEX:
                    regexes.append(route)
        trie.seal()
        self._exact = {path: _group(some) for path, some in exact.items()}
        self._trie = trie if top.literals or top.parameter or top.ending else None
        self._regexes = RegexRoutes(regexes) if regexes else None
        self._root = _group(root) if root else None

    def find(self, path: str, method: str, facts: RequestFacts) -> CompiledRoute | None:
        """The first route that fits; `path` is a matching view. Raises `UnclearRequest`.

        Costs one step per segment of the path. Groups further down the order are not even looked up
        when an earlier one fits.
        """
        group = self._exact.get(path)
        if group is not None:
            found = _first(group, method, facts)
            if found is not None:
                return found
        if self._trie is not None:
            node = self._trie
            prefixes: tuple[Group, ...] = ()
            templates: Group | None = None
            ending: Group | None = None
            for segment in path.split("/"):
                literals = node.literals
                child = None if literals is None else literals.get(segment)
                if child is None:
                    if not segment:
                        break
                    if node.parameter is not None:
                        node = node.parameter
                    elif node.ending is not None:
                        ending = node.ending
                        node = _NOTHING_BELOW
                        continue
                    else:
                        break
                elif not node.forks or not segment:
                    node = child
                else:
                    found = self._find_on_many_ways(path, method, facts)
                    if found is not None:
                        return found
                    prefixes = ()
                    break
                prefixes = node.prefixes
            else:
                templates = ending or node.templates
            if templates is not None:
                found = _first(templates, method, facts)
                if found is not None:
                    return found
            for group in prefixes:
                found = _first(group, method, facts)
                if found is not None:
                    return found
        if self._regexes is not None:
            found = self._regexes.first(path, method, facts)
            if found is not None:
                return found
        return None if self._root is None else _first(self._root, method, facts)

    def _find_on_many_ways(
        self, path: str, method: str, facts: RequestFacts
    ) -> CompiledRoute | None:
        """`find` for a trie in which a segment fits both a literal and a parameter."""
        templates, prefixes = self._ways(path)
        if len(templates) == 1:
            found = _first(templates[0], method, facts)
        else:
            merged = sorted((route for group in templates for route in _all_of(group)), key=_rank)
            found = _first(merged, method, facts)
        if found is not None:
            return found
        for group in prefixes:
            found = _first(group, method, facts)
            if found is not None:
                return found
        return None

    def _ways(self, path: str) -> tuple[list[Group], tuple[Group, ...]]:
        assert self._trie is not None
        prefixes: tuple[Group, ...] = ()
        nodes = [self._trie]
        templates: list[Group] = []
        for segment in path.split("/"):
            following: list[_Node] = []
            templates = []
            for node in nodes:
                child = None if node.literals is None else node.literals.get(segment)
                if child is not None:
                    following.append(child)
                if node.parameter is not None and segment:
                    following.append(node.parameter)
                if node.ending is not None and segment:
                    templates.append(node.ending)
            for node in following:
                if len(node.prefixes) > len(prefixes):
                    prefixes = node.prefixes
            nodes = following
        templates += [node.templates for node in nodes if node.templates is not None]
        return templates, prefixes


def _template_node(top: _Node, template: str) -> _Node:
    node = top
    for segment in path_segments(template):
        if parameter_name(segment) is None:
            node = node.literal(literal_view("/" + segment)[1:])
        else:
            if node.parameter is None:
                node.parameter = _Node()
            node = node.parameter
    return node


def _prefix_node(top: _Node, segments: tuple[str, ...]) -> _Node:
    node = top
    for segment in segments:
        node = node.literal(segment)
    return node


class RegexRoutes:
    """Routes whose path is a regular expression, in file order. They match the whole path."""

    def __init__(self, routes: Iterable[CompiledRoute]) -> None:
        self._routes = tuple(sorted(routes, key=_rank))
        self._patterns = tuple(
            compile_pattern(route.route.match.path.value) for route in self._routes
        )
        self._all = _set_of(self._routes) if len(self._routes) >= _SET_FROM else None

    def first(self, path: str, method: str, facts: RequestFacts) -> CompiledRoute | None:
        """The first route that fits; raises `UnclearRequest`."""
        if self._all is not None:
            chosen = sorted(self._all.Match(path) or ())
            return _first((self._routes[index] for index in chosen), method, facts)
        for pattern, route in zip(self._patterns, self._routes, strict=True):
            if pattern(path) is not None:
                found = _first((route,), method, facts)
                if found is not None:
                    return found
        return None


def _set_of(routes: tuple[CompiledRoute, ...]) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _SET_MEMORY
    patterns = re2.Set.FullMatchSet(options)
    for route in routes:
        patterns.Add(route.route.match.path.value)
    patterns.Compile()
    return patterns


def fits_path(route: Route, path: str) -> bool:
    """Whether one route's path criterion fits a matching view: the plain reading of the rules.

    For `explain` and the lint; `Level.find` gives the same answers for all routes at once.
    """
    match = route.match.path
    match match.kind:
        case PathKind.EXACT:
            return path == literal_view(match.value)
        case PathKind.TEMPLATE:
            wanted, given = path_segments(match.value), path_segments(path)
            return len(wanted) == len(given) and all(
                bool(there)
                if parameter_name(segment) is not None
                else there == literal_view("/" + segment)[1:]
                for segment, there in zip(wanted, given, strict=True)
            )
        case PathKind.PREFIX:
            segments = prefix_segments(literal_view(match.value))
            return path_segments(path)[: len(segments)] == segments
        case PathKind.REGEX:
            return compile_pattern(match.value)(path) is not None


def fits_host(pattern: str, host: str) -> bool:
    """Whether a host pattern fits: a name, `*.name` (one label or more in front), or "" (any)."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return not pattern or pattern == host
