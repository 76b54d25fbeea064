"""MATCH001 and MATCH002: which routes fit the same requests, and which of them never get one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, product

import re2

from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject, named
from proxy.routing.criteria import compile_pattern
from proxy.routing.match import path_segments, precedence, prefix_segments
from proxy.routing.rewrite import parameter_name
from proxy.routing.route import Match, PathKind, Route, ValueKind, ValueMatch
from proxy.routing.target import literal_view

# (route that comes first, route that comes later, does the first take all of the later one)
_Pair = tuple[Route, Route, bool]
# None is a parameter.
_Shape = tuple[str | None, ...]
# A group smaller than this is compared pair by pair.
_SPLIT_FROM = 24


def overlaps(subject: Subject) -> Iterator[Finding]:
    """Yield MATCH001 and MATCH002."""
    levels: dict[str, list[Route]] = defaultdict(list)
    for route in subject.file.routes:
        for host in dict.fromkeys(route.match.hosts) or ("",):
            levels[host].append(route)
    # For every later route: who shares requests with it, and on which of its hosts it is covered.
    shared: dict[str, dict[str, Route]] = defaultdict(dict)
    covered: dict[str, dict[str, Route]] = defaultdict(dict)
    routes = {route.id: route for route in subject.file.routes}
    for host, level in levels.items():
        for first, later, all_of_it in _pairs(level, subject.positions):
            shared[later.id].setdefault(first.id, first)
            if all_of_it:
                covered[later.id].setdefault(host, first)
    for route_id, others in shared.items():
        later = routes[route_id]
        by_host = covered.get(route_id, {})
        if len(by_host) == (len(set(later.match.hosts)) or 1):
            winners = list({first.id: first for first in by_host.values()}.values())
            listed = " and ".join(f"{first.id} (line {first.line})" for first in winners)
            yield subject.at(
                "MATCH002",
                later,
                f"is never reached: {listed} takes every request that it matches",
                "remove it, or make the other one narrower",
                "match",
            )
            continue
        firsts = list(others.values())
        yield subject.at(
            "MATCH001",
            later,
            f"and {named(firsts)} both match {example(firsts[0], later)}, and neither is more "
            "specific: the file order decides",
            "make one of them narrower",
            "match",
        )


def _pairs(level: list[Route], positions: dict[str, int]) -> Iterator[_Pair]:
    """Yield every pair of one host level that ties and overlaps, and what a prefix hides."""
    same_path: dict[object, list[Route]] = defaultdict(list)
    templates: dict[tuple[int, int], dict[_Shape, list[Route]]] = defaultdict(dict)
    for route in level:
        path = route.match.path
        same_path[_path_class(route)].append(route)
        if path.kind is PathKind.TEMPLATE:
            shape = template_shape(path.value)
            kin = templates[len(shape), sum(part is not None for part in shape)]
            kin.setdefault(shape, []).append(route)
    for routes in same_path.values():
        if routes[0].match.path.kind is PathKind.REGEX:
            yield from _repeated_regexes(routes)
        else:
            yield from _ties(routes, None, positions)
    for kin in templates.values():
        for one, other in _meeting_shapes(kin):
            yield from _ties(kin[one], kin[other], positions)
    yield from _hidden_regexes(level)


def _path_class(route: Route) -> tuple[PathKind, object]:
    path = route.match.path
    match path.kind:
        case PathKind.EXACT:
            return path.kind, literal_view(path.value)
        case PathKind.TEMPLATE:
            return path.kind, template_shape(path.value)
        case PathKind.PREFIX:
            return path.kind, prefix_segments(literal_view(path.value))
        case PathKind.REGEX:
            return path.kind, path.value


def template_shape(template: str) -> _Shape:
    """A template's segments; None for a parameter."""
    return tuple(
        None if parameter_name(segment) is not None else literal_view("/" + segment)[1:]
        for segment in path_segments(template)
    )


def _meeting_shapes(kin: dict[_Shape, list[Route]]) -> Iterator[tuple[_Shape, _Shape]]:
    """Yield pairs of different template shapes, equally long and literal, that share a path."""
    by_mask: dict[tuple[bool, ...], list[_Shape]] = defaultdict(list)
    for shape in kin:
        by_mask[tuple(part is None for part in shape)].append(shape)
    for (mask, shapes), (other_mask, others) in combinations(by_mask.items(), 2):
        common = [i for i, pair in enumerate(zip(mask, other_mask, strict=True)) if pair == (0, 0)]
        index: dict[_Shape, list[_Shape]] = defaultdict(list)
        for shape in others:
            index[tuple(shape[i] for i in common)].append(shape)
        for shape in shapes:
            for other in index.get(tuple(shape[i] for i in common), ()):
                # A parameter takes any segment but an empty one.
                if "" not in _merged(shape, other, mask, other_mask):
                    yield shape, other


def _merged(
    one: _Shape, other: _Shape, mask: tuple[bool, ...], other_mask: tuple[bool, ...]
) -> list[str | None]:
    """The literals that stand where the other template has a parameter."""
    return [
        a if a is not None else b
        for a, b, open_a, open_b in zip(one, other, mask, other_mask, strict=True)
        if open_a != open_b
    ]


def _ties(
    routes: list[Route], others: list[Route] | None, positions: dict[str, int]
) -> Iterator[_Pair]:
    """Yield pairs (of one path, or of two that meet) that tie in every step and overlap."""
    ranked: dict[tuple[int, ...], tuple[list[Route], list[Route]]] = defaultdict(lambda: ([], []))
    for side, some in enumerate((routes, others or ())):
        for route in some:
            # All but the path's rank and the position: what is left ties or does not.
            ranked[precedence(route, 0)[2:-1]][side].append(route)
    for left, right in ranked.values():
        candidates = _within(left) if others is None else product(left, right)
        for one, other in candidates:
            first, later = sorted((one, other), key=lambda route: positions[route.id])
            if _meet(first.match, later.match):
                yield first, later, others is None and _takes_all(first.match, later.match)


def _within(routes: list[Route]) -> Iterator[tuple[Route, Route]]:
    """Yield the pairs of a list, without those that differ in one exact value.

    Old shops have thousands of routes `/index.php?route=...`.
    """
    if len(routes) < _SPLIT_FROM:
        yield from combinations(routes, 2)
        return
    values: dict[tuple[str, str], dict[str, list[Route]]] = defaultdict(lambda: defaultdict(list))
    for route in routes:
        for source, criterion in _criteria(route.match):
            if criterion.kind is ValueKind.EXACT:
                values[source, criterion.name][criterion.value].append(route)
    best = max(values.values(), key=len, default={})
    if len(best) < 2:
        yield from combinations(routes, 2)
        return
    split = {route.id for some in best.values() for route in some}
    rest = [route for route in routes if route.id not in split]
    for some in best.values():
        yield from _within(some) if len(some) < len(routes) else combinations(some, 2)
        yield from product(some, rest)
    yield from _within(rest)


def _criteria(match: Match) -> Iterator[tuple[str, ValueMatch]]:
    yield from (("header", each) for each in match.headers)
    yield from (("query", each) for each in match.query)
    yield from (("cookie", each) for each in match.cookies)


def _meet(one: Match, other: Match) -> bool:
    """Whether some request fits the methods and values of both."""
    if one.methods and other.methods and not set(one.methods) & set(other.methods):
        return False
    theirs = {(source, each.name): each for source, each in _criteria(other)}
    return all(
        _values_meet(each, theirs[source, each.name])
        for source, each in _criteria(one)
        if (source, each.name) in theirs
    )


def _values_meet(one: ValueMatch, other: ValueMatch) -> bool:
    if other.kind is ValueKind.EXACT:
        one, other = other, one
    if one.kind is not ValueKind.EXACT:
        return True  # two regular expressions: perhaps
    return _accepts(other, one.value)


def _accepts(criterion: ValueMatch, value: str) -> bool:
    match criterion.kind:
        case ValueKind.EXACT:
            return criterion.value == value
        case ValueKind.REGEX:
            return compile_pattern(criterion.value)(value) is not None
        case ValueKind.PRESENT:
            return True


def _takes_all(first: Match, later: Match) -> bool:
    """Whether every request that fits the methods and values of `later` fits those of `first`."""
    if first.methods and not (later.methods and set(later.methods) <= set(first.methods)):
        return False
    theirs = {(source, each.name): each for source, each in _criteria(later)}
    for source, wanted in _criteria(first):
        given = theirs.get((source, wanted.name))
        if given is None:
            return False
        if wanted.kind is ValueKind.PRESENT or wanted == given:
            continue
        if given.kind is not ValueKind.EXACT or not _accepts(wanted, given.value):
            return False
    return True


def _repeated_regexes(routes: list[Route]) -> Iterator[_Pair]:
    """Yield routes behind another with the same pattern: patterns are tried in file order."""
    for first, later in combinations(routes, 2):
        if _takes_all(first.match, later.match):
            yield first, later, True


def _hidden_regexes(level: list[Route]) -> Iterator[_Pair]:
    """Yield regular expressions all of whose paths lie under a prefix, which is found first."""
    prefixes: dict[tuple[str, ...], list[Route]] = defaultdict(list)
    for route in level:
        if route.match.path.kind is PathKind.PREFIX:
            segments = prefix_segments(literal_view(route.match.path.value))
            if segments:
                prefixes[segments].append(route)
    if not prefixes:
        return
    for route in level:
        if route.match.path.kind is not PathKind.REGEX:
            continue
        # Whole segments only: what begins with /cart may be /carts.
        sure = tuple(common_beginning(route.match.path.value).split("/")[1:-1])
        for length in range(len(sure), 0, -1):
            for above in prefixes.get(sure[:length], ()):
                if _takes_all(above.match, route.match):
                    yield above, route, True


def common_beginning(pattern: str) -> str:
    """The text with which everything begins that a regular expression matches."""
    options = re2.Options()
    options.log_errors = False
    try:
        low, high = re2.compile(f"^(?:{pattern})$", options).possiblematchrange(64)
    except re2.error:
        return ""  # RE2 gives no range for what may begin with anything
    shared = 0
    for a, b in zip(low, high, strict=False):
        if a != b:
            break
        shared += 1
    return str(low[:shared], "latin-1") if isinstance(low, bytes) else low[:shared]


def example(first: Route, later: Route) -> str:
    """A request that fits both, as a reader would write it."""
    methods = [
        method
        for method in first.match.methods or later.match.methods
        if not later.match.methods or method in later.match.methods
    ]
    path = first.match.path
    shown = path.value
    if path.kind is PathKind.TEMPLATE:
        parts = zip(template_shape(path.value), template_shape(later.match.path.value), strict=True)
        shown = "/" + "/".join(
            a if a is not None else b if b is not None else "x" for a, b in parts
        )
    said = dict.fromkeys(
        f"{source} {each.name}"
        for match in (first.match, later.match)
        for source, each in _criteria(match)
    )
    extra = f" with {', '.join(said)}" if said else ""
    return f"{methods[0] if methods else 'GET'} {shown}{extra}"
