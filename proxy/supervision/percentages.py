"""Setting a percentage: checked against routes.yaml, written to where flags come from, told."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

from structlog.typing import FilteringBoundLogger

from flags.file_text import FlagFileError
from flags.provider import FlagSourceError
from flags.scope import group_of, group_scope, route_of, route_scope
from flags.shared import SharedChange, SharedStoreError
from proxy.control_plane import Provider
from proxy.fleet.membership import Fleet
from proxy.fleet.spread import ALONE, LOCAL, Reach, Spread
from proxy.routing.route import Route, RouteFile
from proxy.supervision.audit import Actor, text
from proxy.supervision.change import Change, FileOutcome, Refusal, Refused, change
from proxy.supervision.crew import Publication
from proxy.supervision.journal import Journal, begun, done
from proxy.supervision.overview import flag_basis_points, routes
from proxy.supervision.percentage import flag_members, to_basis_points
from proxy.supervision.provider_feed import ProviderFeed
from proxy.supervision.publisher import PATIENCE_SECONDS, Publisher
from proxy.supervision.switches import Switches


class Percentages:
    """The percentages of this figway, one change at a time."""

    def __init__(
        self,
        *,
        switches: Switches,
        publisher: Publisher,
        journal: Journal,
        file: Callable[[], RouteFile],
        name: str,
        read_flags: Callable[[Actor, str], Awaitable[tuple[FileOutcome, Publication | None]]],
        log: FilteringBoundLogger,
    ) -> None:
        """`name` is what messages call routes.yaml; `read_flags` reads the flag file again."""
        # Where percentages are written, if that is not the file.
        self.fleet: Fleet | None = None
        self.feed: ProviderFeed | None = None
        # Whether other replicas are known, with or without a store.
        self.has_peers = False
        self._switches = switches
        self._publisher = publisher
        self._journal = journal
        self._file = file
        self._name = name
        self._read_flags = read_flags
        self._log = log
        self._writing = asyncio.Lock()

    async def set(
        self,
        name: str,
        percent: Decimal,
        *,
        actor: Actor,
        reason: str,
        patience: float = PATIENCE_SECONDS,
        seen: int | None = None,
    ) -> Change:
        """Set the flag of a route or group where flags come from. Raises Refused."""
        basis_points = to_basis_points(percent)
        members = flag_members(self._file(), name, basis_points, where=self._name)
        is_group = bool(members[0].group)
        scope = group_scope(name) if is_group else route_scope(name)
        async with self._writing:
            self._publisher.check_seen(seen)
            before = self._state_of(members[0])
            await self._journal.announce(
                "percent", scope, actor, reason, before, revision=self._publisher.revision
            )
            # The disk took its time: somebody else may have been quicker.
            self._publisher.check_seen(seen)
            publication, fleet = await self._write(scope, basis_points, actor, reason, patience)
            confirmed = await self._publisher.confirmed(publication, patience)
            after = self._state_of(members[0])
            entry = done(
                actor, "percent", scope, reason, before, after, confirmed, replicas=fleet.acks
            )
            await self._journal.write_down(entry)
        self._log.warning(
            "percent_set",
            name=name,
            percent=basis_points / 100,
            before=before,
            actor=actor.who,
            reason=reason,
            applied_ms=confirmed.ms,
            revision=confirmed.revision,
        )
        warnings = self._warnings(name, members)
        if self._switches.provider is Provider.FILE and (self.fleet is not None or self.has_peers):
            warnings = (
                *warnings,
                "it stands in the flag file of this host alone: the other replicas read their own",
            )
        if self._said(scope) != basis_points:
            warnings = (*warnings, "it is written, and Unleash does not serve it yet: it will come")
        return change(confirmed, self._switches.holds, warnings=warnings, fleet=fleet)

    async def _write(
        self, scope: str, basis_points: int, actor: Actor, reason: str, patience: float
    ) -> tuple[Publication, Spread]:
        """Write it where flags come from, and publish what comes of it. Raises Refused."""
        match self._switches.provider:
            case Provider.FILE:
                return await self._write_file(scope, basis_points, actor)
            case Provider.REDIS:
                return await self._write_store(scope, basis_points, actor, reason, patience)
            case Provider.UNLEASH:
                assert self.feed is not None
                try:
                    await self.feed.feed.set_percent(scope, basis_points)
                except FlagSourceError as error:
                    raise Refused(Refusal.CONFLICT, str(error)) from None
                return self._publisher.publish(), LOCAL

    async def _write_file(
        self, scope: str, basis_points: int, actor: Actor
    ) -> tuple[Publication, Spread]:
        try:
            await asyncio.to_thread(self._switches.file.write_percent, scope, basis_points)
        except FlagFileError as error:
            raise Refused(Refusal.CONFLICT, str(error)) from None
        outcome, publication = await self._read_flags(actor, scope)
        if outcome.problems:
            raise Refused(Refusal.CONFLICT, "\n".join(outcome.problems))
        fleet = ALONE if self.fleet is None else LOCAL
        return publication or self._publisher.publish(), fleet

    async def _write_store(
        self, scope: str, basis_points: int, actor: Actor, reason: str, patience: float
    ) -> tuple[Publication, Spread]:
        assert self.fleet is not None
        began = time.perf_counter()
        told = begun("percent", scope, actor, reason, "", self._publisher.revision)
        shared = SharedChange(
            id=secrets.token_hex(16),
            scope=scope,
            basis_points=basis_points,
            revision=self._switches.latch.next_revision(self._switches.now_us()),
            reason=reason,
            actor=actor.who,
            since=time.time(),
            audit=text(told),
        )
        try:
            state = await self.fleet.write(shared, patience)
        except SharedStoreError as error:
            raise Refused(
                Refusal.UNAVAILABLE,
                f"the percentage was not confirmed: {error}. It may have been written all the same:"
                " look at `figway routes` once the store answers. `figway rollback` works without",
            ) from None
        revision = state.shares[scope].revision
        replicas = await self.fleet.wait(revision, began=began, patience=patience)
        return self._publisher.publish(), Spread(
            reach=Reach(state="shared", revision=revision), replicas=replicas
        )

    def _said(self, scope: str) -> int | None:
        state = self._switches.state
        group, route = group_of(scope), route_of(scope)
        flag = state.groups.get(group) if group else state.routes.get(route or "")
        if flag is None or flag.rule is None:
            return None if flag is None else flag.basis_points
        # A rule with one percentage and conditions beside it.
        percentages = set(flag.rule.percentages())
        return percentages.pop() if len(percentages) == 1 else None

    def _state_of(self, member: Route) -> str:
        said = flag_basis_points(member, self._switches.snapshot(self._publisher.revision))
        return "no flag" if said is None else f"{said / 100:g} %"

    def _warnings(self, name: str, members: tuple[Route, ...]) -> tuple[str, ...]:
        flags = self._switches.snapshot(self._publisher.revision)
        rolled_back = {
            view.because
            for view in routes(self._file(), flags)
            if view.id in {route.id for route in members} and view.because.startswith("rollback")
        }
        if not rolled_back:
            return ()
        return (
            f"{name} is rolled back ({', '.join(sorted(rolled_back))}):"
            " the percentage takes effect once that ends",
        )
