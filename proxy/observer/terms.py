"""The terms: what routes.yaml and the flags say at present, as far as the observer obeys it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from proxy.compare.policy import CompiledPolicy, rules_hash
from proxy.compare_policy import ComparePolicy, Rule
from proxy.evidence.epoch import Epoch, epoch_of
from proxy.exchange import Answer
from proxy.handover import Decided
from proxy.link import Apply
from proxy.observer.store import RouteTerms
from proxy.routing.route import Route, RouteFile, Upstream
from proxy.shadow_policy import ObserverPolicy
from proxy.stages import Side, Stage

# Former files whose exchanges may still come.
_REMEMBERED: Final = 64
# Versions of one upstream that can be under way within an hour. A header that says more of them
# names no release but a process, a request or the time.
_VERSIONS: Final = 8
_VERSION_SECONDS: Final = 3600.0
_SHADOWED: Final = {
    Side.NEW: frozenset({Stage.SHADOW, Stage.CANARY}),
    Side.LEGACY: frozenset({Stage.LIVE}),
}


class Terms:
    """Replaced piece by piece as the supervisor publishes; read by every exchange when due."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970: rules end with a day."""
        self._clock = clock
        self._file: RouteFile | None = None
        self._routes: dict[str, Route] = {}
        self._upstreams: dict[str, Upstream] = {}
        self._flags_paused = False
        self._flags_revision = 0
        self._revisions: deque[str] = deque(maxlen=_REMEMBERED)
        # Of the routes in use and of one day: see _remembers.
        self._compiled: dict[str, CompiledPolicy] = {}
        self._hashes: dict[str, str] = {}
        self._compiled_on = ""
        # What upstreams last said in their version header.
        self._said: dict[str, str] = {}
        # upstream -> version -> when it was last said.
        self._versions: dict[str, dict[str, float]] = {}
        self._epochs: dict[str, Epoch] = {}
        # An epoch has changed since it was last asked.
        self._news = False
        self._told_day = self._today()
        self._applied = asyncio.Event()

    def apply(self, message: Apply) -> None:
        """Take a publication."""
        self._flags_paused = message.flags.shadow_paused
        self._flags_revision = message.flags.revision
        file = message.routes
        if file is None:
            return
        if self._file is None or file.revision != self._file.revision:
            self._revisions.append(file.revision)
        self._file = file
        self._routes = {route.id: route for route in file.routes}
        self._upstreams = {upstream.name: upstream for upstream in file.upstreams}
        self._forget_rules()
        self._epochs.clear()
        applied, self._applied = self._applied, asyncio.Event()
        applied.set()

    @property
    def policy(self) -> ObserverPolicy:
        """What all routes share."""
        return ObserverPolicy() if self._file is None else self._file.shadow

    @property
    def paused(self) -> bool:
        """Whether no shadow request may be sent now."""
        return self._flags_paused or self.policy.kill_switch

    def stopped(self, decided: Decided) -> bool:
        """Whether what was decided so may not be sent any more because of a pause.

        A paused worker hands nothing over. One that decided by what is still on its way here knows
        that the pause has ended.
        """
        known_flags = decided.flag_revision <= self._flags_revision
        known_file = decided.config_revision in self._revisions
        return (self._flags_paused and known_flags) or (self.policy.kill_switch and known_file)

    @property
    def revision(self) -> str:
        """The revision of routes.yaml."""
        return "" if self._file is None else self._file.revision

    @property
    def legacy(self) -> str:
        """The name of the legacy upstream."""
        assert self._file is not None
        return self._file.legacy.name

    async def until_known(self, revision: str, seconds: float) -> None:
        """Wait, no longer than this, until this revision of routes.yaml is or was in use here.

        A worker may have been told a moment earlier.
        """
        if revision in self._revisions:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while revision not in self._revisions:
                    await self._applied.wait()

    def route(self, name: str) -> Route | None:
        """A route by id, whatever its stage."""
        return self._routes.get(name)

    def shadowed(self, name: str, side: Side) -> Route | None:
        """The route, if its requests may still be copied to this side."""
        route = self._routes.get(name)
        if route is None or not route.new or route.stage not in _SHADOWED[side]:
            return None
        return route if route.shadow.sample > 0 else None

    def compiled(self, route: Route) -> CompiledPolicy:
        """How the route's answers are compared today. Raises CompareRuleError."""
        remembers = self._remembers(route)
        known = self._compiled.get(route.id) if remembers else None
        if known is None:
            known = CompiledPolicy.compile(route.compare, today=self._today())
            if remembers:
                self._compiled[route.id] = known
        return known

    def drafted(self, route: Route, draft: tuple[Rule, ...]) -> CompiledPolicy:
        """The same with draft rules beside those in force. Raises CompareRuleError."""
        rules = (*route.compare.rules, *draft)
        return CompiledPolicy.compile(replace(route.compare, rules=rules), today=self._today())

    def _remembers(self, route: Route) -> bool:
        """Whether what is made of these rules holds for the next exchange too.

        Not of a route as a former routes.yaml had it, with which exchanges are still under way.
        """
        today = self._today()
        if today != self._compiled_on:
            self._forget_rules()
            self._compiled_on = today
        return self._routes.get(route.id) is route

    def _forget_rules(self) -> None:
        self._compiled.clear()
        self._hashes.clear()

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    # Versions and epochs.

    def epoch(self, route: Route, answers: Mapping[Side, Answer | None]) -> Epoch:
        """What evidence of these answers is bound to; from now on the route's current epoch.

        Not of a route as a former routes.yaml had it: its evidence belongs to what has ended.
        """
        epoch = epoch_of(
            legacy_version=self._version(self.legacy, answers.get(Side.LEGACY)),
            new_version=self._version(route.new, answers.get(Side.NEW)),
            rules_hash=self._rules_hash(route),
        )
        if not self._remembers(route) or self._epochs.get(route.id) == epoch:
            return epoch
        self._epochs[route.id] = epoch
        self._news = True
        return epoch

    def _version(self, name: str, answer: Answer | None) -> str:
        upstream = self._upstreams.get(name)
        if upstream is None:
            # Gone with a former routes.yaml.
            return ""
        if upstream.version or not upstream.version_header:
            return upstream.version
        header = upstream.version_header.lower().encode("latin-1", "replace")
        value = None if answer is None else answer.header(header)
        if value is not None:
            self._take_version(name, value.decode("latin-1")[:200])
        return self._said.get(name, "")

    def _take_version(self, name: str, version: str) -> None:
        """Keep what an upstream says it is, unless it says something else all the time.

        Each version begins an epoch: evidence would never add up, and epochs would pile up.
        """
        now = self._clock()
        versions = self._versions.setdefault(name, {})
        if version not in versions:
            for old in [each for each, at in versions.items() if now - at > _VERSION_SECONDS]:
                del versions[old]
            if len(versions) >= _VERSIONS:
                # As if it said nothing: the report tells that the version is not known.
                self._said[name] = ""
                return
        versions[version] = now
        self._said[name] = version

    def _rules_hash(self, route: Route) -> str:
        """Of the rules that are applied: one that has ended decides nothing until it is renewed."""
        remembers = self._remembers(route)
        known = self._hashes.get(route.id) if remembers else None
        if known is None:
            known = rules_hash(self._in_force(route))
            if remembers:
                self._hashes[route.id] = known
        return known

    def _in_force(self, route: Route) -> ComparePolicy:
        if not any(rule.expires for rule in route.compare.rules):
            return route.compare
        expired = self.compiled(route).expired
        rules = tuple(rule for rule in route.compare.rules if rule not in expired)
        return replace(route.compare, rules=rules)

    def take_news(self) -> bool:
        """Tell whether an epoch, or a day that may end rules, has begun since this was asked."""
        today = self._today()
        news = self._news or today != self._told_day
        self._news, self._told_day = False, today
        return news

    def for_store(self) -> dict[str, RouteTerms]:
        """What the store has to know of every route that has a new side."""
        return {
            route.id: RouteTerms(
                gate=route.gate,
                epoch=self._current(route),
                expired_rules=self._expired(route),
                stage=route.stage.value,
            )
            for route in self._routes.values()
            if route.new
        }

    def _current(self, route: Route) -> Epoch | None:
        known = self._epochs.get(route.id)
        if known is None:
            return self._expected(route)
        # A rule may have ended with the day, and no answer has come since.
        return epoch_of(
            legacy_version=known.legacy_version,
            new_version=known.new_version,
            rules_hash=self._rules_hash(route),
        )

    def _expected(self, route: Route) -> Epoch | None:
        """The epoch, before any answer: unknown where a version comes with the answers only."""
        for name in (self.legacy, route.new):
            upstream = self._upstreams[name]
            if upstream.version_header and not upstream.version and name not in self._said:
                return None
        return epoch_of(
            legacy_version=self._version(self.legacy, None),
            new_version=self._version(route.new, None),
            rules_hash=self._rules_hash(route),
        )

    def _expired(self, route: Route) -> tuple[str, ...]:
        if not any(rule.expires for rule in route.compare.rules):
            return ()
        expired = self.compiled(route).expired
        return tuple(
            f"rule:{route.compare.rules.index(rule)} ({rule.path}, {rule.expires})"
            for rule in expired
        )
