"""Chooses cases from logged requests: few of each shape, the most frequent first."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus

from proxy.compare.paths import looks_like_id
from proxy.conformance.recorded_case import RecordedCase
from proxy.conformance.secret import Placeholders, skip_reason, stripped_target
from proxy.conformance.site import may_change, new_target
from proxy.replay.logged_request import LoggedRequest
from proxy.routing.facts import PlainFacts
from proxy.routing.route import PathKind, Route
from proxy.routing.table import RouteTable

_METHODS = frozenset({"GET", "HEAD"})
# Neither is the answer to a request of that URL: the client left, was too slow, or asked too much.
_NO_ANSWER = frozenset({400, 408, 413, 414, 429, 431, 499})
# Written into a case as it is; everything else is percent-encoded first.
_VISIBLE = re.compile(r"[!-~]+")
# Scanners send anything; one case that no run can send would spoil the file.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Distinct targets of one shape that are counted; beyond it the log has no favourites.
_COUNTED = 10_000
# A log of paths that nobody asked for on purpose shall not fill the memory.
_SHAPES = 50_000

_Shape = tuple[str, str, str, tuple[str, ...]]


@dataclass(slots=True)
class Recording:
    """Takes logged requests, and gives cases.

    A shape is method, route, path template and query keys. `left_out` counts what became no case,
    by the reason.
    """

    table: RouteTable | None
    # Cases of one route, and of one shape.
    per_route: int = 20
    per_shape: int = 2
    left_out: Counter[str] = field(default_factory=Counter)
    _shapes: dict[_Shape, Counter[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )

    def add(self, request: LoggedRequest) -> None:
        """Take one request."""
        why = self._why_not(request)
        if why:
            self.left_out[why] += 1
            return
        target = request.target
        if _VISIBLE.fullmatch(target) is None:
            target = quote(target.encode("latin-1", "replace"), safe="/?&=%:@!$'()*+,;~-._")
        path, _, query = target.partition("?")
        facts = PlainFacts.of(request.method, target, headers=[("host", request.host)])
        route: Route | None = None
        if self.table is not None:
            found = self.table.find(facts)
            route = found.route
            if request.route and request.route != route.id:
                # The query, a header or a cookie decided, and the log has none of them.
                self.left_out["the log does not hold what chose its route"] += 1
                return
            if not route.new or found is self.table.ambiguous:
                self.left_out["no new side"] += 1
                return
            if new_target(route, facts) is None:
                self.left_out["lacks a value for the rewrite"] += 1
                return
            if may_change(route, request.method, path, query):
                self.left_out["may change something (unsafe_get)"] += 1
                return
        shape = (
            request.method,
            route.id if route is not None else request.route,
            _template(route, path),
            tuple(sorted({unquote_plus(pair.partition("=")[0]) for pair in query.split("&")})),
        )
        if shape not in self._shapes and len(self._shapes) >= _SHAPES:
            self.left_out["more shapes than are counted"] += 1
            return
        targets = self._shapes[shape]
        if len(targets) < _COUNTED or (request.host, target) in targets:
            targets[request.host, target] += 1

    def cases(self) -> Iterator[RecordedCase]:
        """The chosen cases: routes by name, then the most frequent shapes and targets first."""
        placeholders = Placeholders()
        by_route: dict[str, list[tuple[_Shape, Counter[tuple[str, str]]]]] = defaultdict(list)
        for shape, targets in self._shapes.items():
            by_route[shape[1]].append((shape, targets))
        for route in sorted(by_route):
            shapes = sorted(by_route[route], key=lambda each: (-each[1].total(), each[0]))
            # The first of every shape before the second of any.
            ranked = [
                (rank, number, shape[0], host, target)
                for number, (shape, targets) in enumerate(shapes)
                for rank, ((host, target), _) in enumerate(_most_common(targets, self.per_shape))
            ]
            chosen = sorted(ranked)[: self.per_route]
            for _, _, method, host, target in sorted(chosen, key=lambda each: each[1:2] + each[:1]):
                yield _case(route, method, host, target, placeholders)

    def _why_not(self, request: LoggedRequest) -> str:
        if request.method not in _METHODS:
            return f"method {request.method}" if request.method.isalpha() else "method"
        status = request.status
        # A log that does not say leaves it open.
        if status and (status in _NO_ANSWER or not 200 <= status < 500):
            return f"status {status}"
        if not request.target.startswith("/"):
            return "target is no path"
        if "#" in request.target:
            return "target holds a fragment"
        if request.host and _HOST.fullmatch(request.host) is None:
            return "host is none"
        return ""


def _most_common(
    targets: Counter[tuple[str, str]], count: int
) -> list[tuple[tuple[str, str], int]]:
    return sorted(targets.items(), key=lambda item: (-item[1], item[0]))[:count]


def _template(route: Route | None, path: str) -> str:
    """The path with a star for whatever is a value in it."""
    if route is not None and route.match.path.kind in (PathKind.TEMPLATE, PathKind.EXACT):
        return route.match.path.value
    return "/".join("*" if looks_like_id(segment) else segment for segment in path.split("/"))


def _case(
    route: str, method: str, host: str, target: str, placeholders: Placeholders
) -> RecordedCase:
    stripped = stripped_target(target, placeholders)
    url = f"http://{host}{stripped.text}" if host else stripped.text
    return RecordedCase(
        name=f"{method} {stripped.text}",
        method=method,
        url=url,
        skip=skip_reason(stripped.needs),
        comment=f"route {route}" if route else "",
    )
