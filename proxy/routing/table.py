"""The route table: routes.yaml compiled once, immutable, swapped whole."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from proxy.errors import ConfigError, Problem
from proxy.routing.cohort import Cohort
from proxy.routing.compiled import CompiledRoute, Decision, compile_route
from proxy.routing.criteria import PatternError, UnclearRequest, compile_criteria, compile_pattern
from proxy.routing.facts import RequestFacts
from proxy.routing.match import Level, host_rank, path_segments, precedence, prefix_segments
from proxy.routing.rewrite import RewriteError, Rewriter, compile_rewrite, parameter_name
from proxy.routing.route import PathKind, Route, RouteFile, StickyKind, Upstream
from proxy.routing.rules import Rules
from proxy.routing.seen import Seen, Witness
from proxy.routing.target import ambiguity, literal_view, matching_view
from proxy.stages import Reason, Side, Stage

ANY_HOST: Final = ""


class RouteTable:
    """An immutable, ordered set of routes with the revision of the file it was made from."""

    __slots__ = (
        "_any_host",
        "_by_host",
        "_by_suffix",
        "_compiled",
        "_order",
        "_seen",
        "ambiguous",
        "catch_all",
        "file",
        "rules",
    )

    def __init__(
        self,
        file: RouteFile,
        compiled: tuple[CompiledRoute, ...],
        ambiguous: CompiledRoute,
    ) -> None:
        """Index routes that are already compiled; see `compile`."""
        self.file: Final = file
        self._seen: Final = Seen()
        self.rules: Final = Rules(file.context)
        self._compiled: Final = MappingProxyType({route.id: route for route in compiled})
        self.ambiguous: Final = ambiguous
        self.catch_all: Final = self._compiled[ambiguous.id]
        by_pattern: dict[str, list[CompiledRoute]] = {ANY_HOST: []}
        for route in compiled:
            for pattern in dict.fromkeys(route.route.match.hosts) or (ANY_HOST,):
                by_pattern.setdefault(pattern, []).append(route)
        self._order: Final = tuple(
            (pattern, route)
            for pattern in sorted(by_pattern, key=host_rank)
            for route in sorted(by_pattern[pattern], key=lambda route: route.rank)
        )
        levels = {pattern: Level(routes) for pattern, routes in by_pattern.items()}
        self._any_host: Final = (levels[ANY_HOST],)
        wildcards = sorted((each for each in levels if each.startswith("*.")), key=host_rank)

        def chain(host: str) -> tuple[Level, ...]:
            under = [levels[each] for each in wildcards if host.endswith(each[1:])]
            return (*under, levels[ANY_HOST])

        self._by_suffix: Final = {each[1:]: chain(each[1:]) for each in wildcards}
        self._by_host: Final = {
            each: (levels[each], *chain(each))
            for each in levels
            if each and not each.startswith("*.")
        }

    @classmethod
    def compile(cls, file: RouteFile) -> RouteTable:
        """Compile a validated file; raises `ConfigError` with every problem that remains."""
        return _Compiler(file).compile()

    @property
    def revision(self) -> str:
        """The revision of the file."""
        return self.file.revision

    @property
    def order(self) -> tuple[tuple[str, CompiledRoute], ...]:
        """(host pattern, route) in the total order of precedence; "" is any host."""
        return self._order

    def find(self, facts: RequestFacts) -> CompiledRoute:
        """The route a request belongs to; the catch-all's twin when it can be read in two ways."""
        known = self._seen.get((facts.method, facts.path))
        if known is not None:
            return known
        witness = Witness(facts)
        found = self._search(witness)
        self._seen.note(witness, found)
        return found

    def _search(self, facts: RequestFacts) -> CompiledRoute:
        path = matching_view(facts.path)
        if path is None:
            return self.ambiguous
        method = facts.method
        try:
            for level in self._levels(facts):
                found = level.find(path, method, facts)
                if found is not None:
                    return found
        except UnclearRequest:
            return self.ambiguous
        return self.catch_all

    def _levels(self, facts: RequestFacts) -> tuple[Level, ...]:
        if not self._by_host and not self._by_suffix:
            return self._any_host
        host = facts.host
        levels = self._by_host.get(host)
        if levels is not None:
            return levels
        if self._by_suffix:
            dot = host.find(".", 1)
            while dot > 0:
                levels = self._by_suffix.get(host[dot:])
                if levels is not None:
                    return levels
                dot = host.find(".", dot + 1)
        return self._any_host

    def compiled(self, route_id: str) -> CompiledRoute:
        """The compiled route with this id; raises KeyError."""
        return self._compiled[route_id]

    def route(self, route_id: str) -> Route | None:
        """The route with this id."""
        compiled = self._compiled.get(route_id)
        return None if compiled is None else compiled.route

    def decisions(self) -> tuple[Decision, ...]:
        """Every decision that this table can hand out, for counters made in advance."""
        return tuple(
            decision
            for compiled in (*self._compiled.values(), self.ambiguous)
            for decision in (
                *compiled.by_reason.values(),
                *((compiled.parked_alone,) if compiled.parked_alone is not None else ()),
            )
        )

    def sent_to_legacy(self, decision: Decision, reason: Reason) -> Decision:
        """What becomes of a decision at dispatch: legacy, for a reason the rules cannot know.

        `reason` is one of STATE_UNPROVEN, BREAKER_OPEN and FALLBACK.
        """
        return self._compiled[decision.route.id].by_reason[reason]


class _Compiler:
    """Compiles one file and gathers every problem on the way."""

    def __init__(self, file: RouteFile) -> None:
        self._file = file
        self._problems: list[Problem] = []
        self._upstreams = {upstream.name: upstream for upstream in file.upstreams}
        self._segments = {segment.name: segment for segment in file.segments}

    def compile(self) -> RouteTable:
        legacy = [each for each in self._file.upstreams if each.side is Side.LEGACY]
        if len(legacy) != 1:
            self._fail(None, "upstreams", f"exactly one must be legacy, got {len(legacy)}")
        catch_all = self._catch_all()
        ids: set[str] = set()
        for route in self._file.routes:
            if route.id in ids:
                self._fail(route, "id", "is the id of an earlier route too")
            ids.add(route.id)
        positions = enumerate(self._file.routes)
        ordered = sorted(positions, key=lambda item: precedence(item[1], item[0]))
        ranks = {position: rank for rank, (position, _) in enumerate(ordered)}
        compiled = [
            self._route(route, ranks[position], legacy[0] if legacy else None)
            for position, route in enumerate(self._file.routes)
        ]
        if self._problems:
            raise ConfigError(tuple(self._problems))
        assert catch_all is not None
        twin = compile_route(
            catch_all,
            rank=len(ranks),
            legacy=legacy[0],
            new=None,
            criteria=(),
            always=None,
            never=None,
            rewriter=None,
            ambiguous=True,
        )
        return RouteTable(self._file, tuple(each for each in compiled if each is not None), twin)

    def _fail(self, route: Route | None, key: str, message: str) -> None:
        where = key if route is None else f"{route.id}.{key}"
        self._problems.append(
            Problem(
                file="routes",
                line=0 if route is None else route.line,
                column=0,
                key=where,
                message=message,
                rule="TABLE",
            )
        )

    def _catch_all(self) -> Route | None:
        """The route that takes whatever is left, and everything that cannot be read in one way."""
        for route in self._file.routes:
            match = route.match
            if (
                match.path.kind is PathKind.PREFIX
                and not prefix_segments(match.path.value)
                and not (match.hosts or match.methods or match.headers)
                and not (match.query or match.cookies)
            ):
                if route.new:
                    self._fail(route, "new", "the catch-all is always legacy; take `new` out")
                return route
        self._fail(
            None,
            "routes",
            "a catch-all is missing; add {id: monolith, match: {path: {prefix: /}}}",
        )
        return None

    def _route(self, route: Route, rank: int, legacy: Upstream | None) -> CompiledRoute | None:
        before = len(self._problems)
        self._check_path(route)
        self._check_sticky(route)
        criteria = always = never = None
        rewriter: Rewriter | None = None
        try:
            criteria = compile_criteria(route.match)
        except PatternError as error:
            self._fail(route, "match", str(error))
        always = self._cohort(route, "cohorts.always", route.always)
        never = self._cohort(route, "cohorts.never", route.never)
        try:
            rewriter = compile_rewrite(route)
        except RewriteError as error:
            self._fail(route, "rewrite", str(error))
        new = self._new_upstream(route)
        if len(self._problems) > before or criteria is None or legacy is None:
            return None
        return compile_route(
            route,
            rank=rank,
            legacy=legacy,
            new=new,
            criteria=criteria,
            always=always,
            never=never,
            rewriter=rewriter,
        )

    def _check_path(self, route: Route) -> None:
        path = route.match.path
        if path.kind is PathKind.REGEX:
            try:
                compile_pattern(path.value)
            except PatternError as error:
                self._fail(route, "match.path.regex", str(error))
            return
        key = f"match.path.{path.kind.value}"
        segments = path_segments(path.value)
        if path.kind is PathKind.TEMPLATE:
            names = [name for each in segments if (name := parameter_name(each)) is not None]
            if len(names) != len(set(names)):
                self._fail(route, key, f"names a segment twice: {path.value!r}")
            segments = tuple("x" if parameter_name(each) is not None else each for each in segments)
            if any("{" in each or "}" in each for each in segments):
                self._fail(route, key, f"a parameter is a whole segment, {{name}}: {path.value!r}")
        literal = "/" + "/".join(segments) if path.value.startswith("/") else path.value
        why = ambiguity(literal_view(literal))
        if why:
            self._fail(route, key, f"no request can match {path.value!r}: {why}")

    def _check_sticky(self, route: Route) -> None:
        sticky = route.stickiness
        if sticky.kind is not StickyKind.PATH_PARAM:
            return
        template = route.match.path
        names = {parameter_name(each) for each in path_segments(template.value)}
        if template.kind is not PathKind.TEMPLATE or sticky.name not in names:
            self._fail(route, "stickiness.path_param", f"{{{sticky.name}}} is not in the template")

    def _cohort(self, route: Route, key: str, names: tuple[str, ...]) -> Cohort | None:
        missing = [name for name in names if name not in self._segments]
        for name in missing:
            self._fail(route, key, f"there is no segment {name!r}")
        if missing or not names:
            return None
        try:
            return Cohort.of(tuple(self._segments[name] for name in names))
        except ValueError as error:
            self._fail(route, key, str(error))
            return None

    def _new_upstream(self, route: Route) -> Upstream | None:
        if not route.new:
            if route.stage is not Stage.LEGACY:
                self._fail(route, "stage", f"{route.stage.value} needs a `new` upstream")
            return None
        new = self._upstreams.get(route.new)
        if new is None:
            self._fail(route, "new", f"there is no upstream {route.new!r}")
        elif new.side is Side.LEGACY:
            self._fail(route, "new", f"{route.new!r} is the legacy side")
        return new
