"""The control: one state, and every way to change it. Commands, signals and files all end here.

What moves traffic to legacy is made in memory and sent to every worker before it is written down: a
slow or full disk never delays a rollback. What moves traffic to the new side is written down first,
and is not made if that fails.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from flags.latch import Source
from flags.scope import ALL, checked_scope, group_of, group_scope, route_of, route_scope
from flags.snapshot import FlagSnapshot
from proxy.config.load import load_routes, load_settings
from proxy.errors import ConfigError
from proxy.routing.explain import Explanation, explain
from proxy.routing.facts import RequestFacts
from proxy.routing.route import RouteFile
from proxy.routing.table import RouteTable
from proxy.settings import Settings
from proxy.stages import Stage
from proxy.supervision.audit import Actor, Entry
from proxy.supervision.change import (
    Change,
    FileOutcome,
    HoldView,
    Refusal,
    Refused,
    Reload,
    change,
)
from proxy.supervision.crew import Acknowledgement, Crew, Publication
from proxy.supervision.journal import Journal
from proxy.supervision.overview import RouteView, flag_basis_points, routes
from proxy.supervision.percentage import flag_members, known, to_basis_points
from proxy.supervision.shadow_switch import ShadowSwitch
from proxy.supervision.switches import FlagFileError, Switches

# How long workers have for a change that nobody waits for.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LoadedRoutes:
    """A routes.yaml that can be used."""

    file: RouteFile
    table: RouteTable
    settings: Settings


def load(path: Path, environ: dict[str, str], options: dict[str, str]) -> LoadedRoutes:
    """Read and compile a routes.yaml. Raises ConfigError with every problem. Blocks."""
    file = load_routes(path)
    table = RouteTable.compile(file)
    return LoadedRoutes(file, table, load_settings(path, environ, options))


class Control:
    """Owns the state that workers use: routes, flags and rollbacks, under one revision."""

    def __init__(
        self,
        *,
        path: Path,
        loaded: LoadedRoutes,
        read: Callable[[], LoadedRoutes],
        switches: Switches,
        crew: Crew,
        journal: Journal,
        sentinel: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self.path = path
        self.loaded = loaded
        self.switches = switches
        self.journal = journal
        self.sentinel = sentinel
        self.route_problems: tuple[str, ...] = ()
        self.reloads = {"applied": 0, "unchanged": 0, "refused": 0}
        self.revision = 0
        # Told of every routes.yaml that comes into use.
        self.on_routes: Callable[[RouteFile], None] = _nobody
        self._rollbacks = 0
        self._read = read
        self._crew = crew
        self._log = log
        # Reading files is one at a time; a rollback never waits for it.
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()
        self.shadow = ShadowSwitch(
            switches=switches,
            journal=journal,
            file=lambda: self.file,
            publish=self._publish,
            confirmed=self._confirmed,
            announce=self._announce,
            log=log,
        )

    # What is.

    @property
    def file(self) -> RouteFile:
        """The routes in use."""
        return self.loaded.file

    @property
    def settings(self) -> Settings:
        """The settings in use since the start."""
        return self.loaded.settings

    @property
    def flags(self) -> FlagSnapshot:
        """What workers were last told."""
        return self.switches.snapshot(self.revision)

    @property
    def holds(self) -> tuple[HoldView, ...]:
        """Everything that is rolled back, and by what."""
        return self.switches.holds

    def routes(self) -> tuple[RouteView, ...]:
        """Every route with its flag and the share that comes of it."""
        return routes(self.file, self.flags)

    def explain(self, facts: RequestFacts) -> Explanation:
        """Why this request goes where it goes, now."""
        return explain(self.loaded.table, self.flags, facts)

    def next_revision(self) -> int:
        """Higher than every one before, also over a restart: microseconds, never standing still."""
        self.revision = max(self.revision + 1, time.time_ns() // 1000)
        return self.revision

    # Rollback and resume.

    async def rollback(
        self,
        scope: str,
        *,
        source: Source,
        actor: Actor,
        reason: str,
        patience: float = PATIENCE_SECONDS,
    ) -> Change:
        """Send a scope to legacy. Raises Refused for a scope that there is not, nothing else."""
        self._check_scope(scope)
        before = self._state_of(scope)
        self._rollbacks += 1
        self.switches.hold(scope, source=source, actor=actor.who, reason=reason)
        publication = self._publish()
        # The disk works while the workers do.
        keeping = asyncio.create_task(self.journal.keep_latch(patience))
        confirmed = await self._confirmed(publication, patience)
        self._log.warning(
            "rolled_back",
            scope=scope,
            source=source.value,
            actor=actor.who,
            reason=reason,
            applied_ms=confirmed.ms,
            revision=confirmed.revision,
        )
        entry = self._entry(actor, "rollback", scope, reason, before, confirmed)
        written = await self.journal.write_down(entry, patience)
        warnings = [*_complete_warning(self.file, scope)]
        if not await keeping:
            warnings.append("it could not be kept on disk and will not survive a restart")
        if not written:
            warnings.append("the audit could not be written")
        return change(confirmed, self.holds, warnings=tuple(warnings))

    async def resume(
        self, scope: str, *, actor: Actor, reason: str, patience: float = PATIENCE_SECONDS
    ) -> Change:
        """End what commands, signals and the sentinel hold of a scope. Raises Refused."""
        self._check_scope(scope)
        before = self._state_of(scope)
        asserted = {(ALL, Source.SENTINEL)} if await self._sentinel_stands() else set()
        if not self.switches.latch.resume(scope, asserted=asserted).lifted:
            confirmed = await self._confirmed(self._publish(), patience)
            held = self.switches.held_by(scope)
            return change(confirmed, self.holds, changed=False, still_held=held)
        await self._announce("resume", scope, actor, reason, before)
        rollbacks = self._rollbacks
        resumed = self.switches.latch.resume(scope, asserted=asserted)
        if not await self.journal.keep_latch(patience, resumed.latch):
            raise Refused(
                Refusal.UNAVAILABLE,
                "the end of the rollback cannot be kept on disk, so a restart would roll back"
                " again: mend the state directory (is its disk full?), then resume",
            )
        if self._rollbacks != rollbacks:
            # A rollback that came while the disk was busy may not be swept away unseen.
            await self.journal.keep_latch(patience)
            raise Refused(
                Refusal.CONFLICT, "a rollback was started meanwhile: look at `figway status`"
            )
        self.switches.latch = self.switches.latch.resume(scope, asserted=asserted).latch
        confirmed = await self._confirmed(self._publish(), patience)
        self._log.warning(
            "resumed",
            scope=scope,
            actor=actor.who,
            reason=reason,
            applied_ms=confirmed.ms,
            revision=confirmed.revision,
        )
        entry = self._entry(actor, "resume", scope, reason, before, confirmed)
        await self.journal.write_down(entry, patience)
        return change(confirmed, self.holds, still_held=self.switches.held_by(scope))

    def _check_scope(self, scope: str) -> None:
        try:
            checked_scope(scope)
        except ValueError as error:
            raise Refused(Refusal.INVALID, f"scope: {str(error)[:200]}") from None
        group, route = group_of(scope), route_of(scope)
        if group is not None:
            known(group, (group.name for group in self.file.groups), "group")
        if route is not None:
            known(route, (route.id for route in self.file.routes), "route")

    def _state_of(self, scope: str) -> str:
        held = self.switches.held_by(scope)
        return f"rolled back by {', '.join(held)}" if held else "not rolled back"

    async def _sentinel_stands(self) -> bool:
        def stands() -> bool:
            try:
                os.stat(self.sentinel)
            except FileNotFoundError:
                return False
            except OSError:
                # Cannot be told: then it may stand.
                return True
            return True

        return await asyncio.to_thread(stands)

    # Percentages.

    async def percent(
        self,
        name: str,
        percent: Decimal,
        *,
        actor: Actor,
        reason: str,
        patience: float = PATIENCE_SECONDS,
    ) -> Change:
        """Set the flag of a route or group in the flag file. Raises Refused."""
        basis_points = to_basis_points(percent)
        members = flag_members(self.file, name, basis_points, where=self.path.name)
        is_group = bool(members[0].group)
        async with self._writing:
            said = flag_basis_points(members[0], self.flags)
            before = "no flag" if said is None else f"{said / 100:g} %"
            scope = group_scope(name) if is_group else route_scope(name)
            await self._announce("percent", scope, actor, reason, before)
            try:
                await asyncio.to_thread(
                    self.switches.write_percent, name, basis_points, is_group=is_group
                )
            except FlagFileError as error:
                raise Refused(Refusal.CONFLICT, str(error)) from None
            outcome, publication = await self._read_flags(actor)
            if outcome.problems:
                raise Refused(Refusal.CONFLICT, "\n".join(outcome.problems))
            confirmed = await self._confirmed(publication or self._publish(), patience)
            entry = self._entry(actor, "percent", scope, reason, before, confirmed)
            await self.journal.write_down(entry)
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
        warnings: tuple[str, ...] = ()
        rolled_back = {
            view.because
            for view in self.routes()
            if view.id in {route.id for route in members} and view.because.startswith("rollback")
        }
        if rolled_back:
            warnings = (
                f"{name} is rolled back ({', '.join(sorted(rolled_back))}):"
                " the percentage takes effect once that ends",
            )
        return change(confirmed, self.holds, warnings=warnings)

    # Files.

    async def reload(self, *, actor: Actor, patience: float = PATIENCE_SECONDS) -> Reload:
        """Read both files again; each is used if it is sound, and left as it was if not."""
        route_outcome, first = await self.reload_routes(patience=patience)
        flag_outcome, second = await self.reload_flags(actor=actor, patience=patience)
        confirmed = second or first or await self._confirmed(self._publish(), patience)
        if first is not None and first.missing:
            # Flags and routes are confirmed one by one: whoever lacks either is named.
            confirmed = first
        return Reload(
            revision=confirmed.revision,
            applied_ms=confirmed.ms,
            workers=confirmed.workers,
            unconfirmed=confirmed.missing,
            files=(route_outcome, flag_outcome),
            warnings=self.switches.warnings(self.file),
        )

    async def reload_routes(
        self, *, patience: float = PATIENCE_SECONDS
    ) -> tuple[FileOutcome, Acknowledgement | None]:
        """Read routes.yaml again."""
        path = str(self.path)
        async with self._reading:
            try:
                loaded = await asyncio.to_thread(self._read)
            except ConfigError as error:
                problems = tuple(map(str, error.problems))
                self.reloads["refused"] += 1
                # The same mistake is told once, not at every look.
                if problems != self.route_problems:
                    self._log.error("config_refused", path=path, problems=problems)
                self.route_problems = problems
                return FileOutcome(path=path, outcome="refused", problems=problems), None
            self.route_problems = ()
            before = self.loaded
            if loaded.settings != before.settings:
                self._log.warning(
                    "settings_changed", path=path, hint="restart figway serve to use them"
                )
            if loaded.file == before.file:
                self.reloads["unchanged"] += 1
                return FileOutcome(path=path, outcome="unchanged"), None
            # The settings in use stay those that the workers were started with.
            self.loaded = LoadedRoutes(loaded.file, loaded.table, before.settings)
            publication = self._publish(loaded.file)
            self.on_routes(loaded.file)
            self.reloads["applied"] += 1
        confirmed = await self._confirmed(publication, patience)
        self._log.info(
            "config_applied",
            path=path,
            config_revision=loaded.file.revision,
            before=before.file.revision,
            routes=len(loaded.file.routes),
            revision=confirmed.revision,
            applied_ms=confirmed.ms,
        )
        return FileOutcome(path=path, outcome="applied"), confirmed

    async def reload_flags(
        self, *, actor: Actor, patience: float = PATIENCE_SECONDS
    ) -> tuple[FileOutcome, Acknowledgement | None]:
        """Read the flag file again."""
        before = self._state_of(ALL)
        outcome, publication = await self._read_flags(actor)
        if publication is None:
            return outcome, None
        confirmed = await self._confirmed(publication, patience)
        self._log.info(
            "flags_applied",
            path=outcome.path,
            revision=confirmed.revision,
            applied_ms=confirmed.ms,
            actor=actor.who,
        )
        after = self._state_of(ALL)
        if after != before:
            entry = self._entry(actor, "flag", ALL, "the flag file changed", before, confirmed)
            await self.journal.write_down(entry)
            self._log.warning("rollback_flag_changed", before=before, after=after)
        for warning in self.switches.warnings(self.file):
            self._log.warning("flag_without_effect", detail=warning)
        return outcome, confirmed

    async def _read_flags(self, actor: Actor) -> tuple[FileOutcome, Publication | None]:
        path = str(self.switches.path)
        async with self._reading:
            refreshed = await asyncio.to_thread(self.switches.read)
            told = self.switches.problems
            news = self.switches.use(refreshed)
            problems = self.switches.problems
            if problems:
                self.reloads["refused"] += 1
                # The same mistake is told once, not at every look.
                if problems != told:
                    self._log.error("flags_refused", path=path, problems=problems, by=actor.who)
                return FileOutcome(path=path, outcome="refused", problems=problems), None
            if not news:
                self.reloads["unchanged"] += 1
                return FileOutcome(path=path, outcome="unchanged"), None
            publication = self._publish()
            self.reloads["applied"] += 1
        await self.journal.keep_latch(PATIENCE_SECONDS)
        await self.journal.keep_good_flags()
        return FileOutcome(path=path, outcome="applied"), publication

    # Publishing and writing down.

    def publish_health(self, unhealthy: tuple[str, ...]) -> None:
        """Tell workers which endpoints fail; nobody waits for it."""
        publication = self._publish(unhealthy=unhealthy)
        self._crew.abandon(publication)

    def _publish(
        self, file: RouteFile | None = None, unhealthy: tuple[str, ...] | None = None
    ) -> Publication:
        revision = self.next_revision()
        return self._crew.publish(
            revision=revision,
            flags=self.switches.snapshot(revision),
            routes=file,
            unhealthy=unhealthy,
        )

    async def _confirmed(self, publication: Publication, patience: float) -> Acknowledgement:
        confirmed = await self._crew.confirmed(publication, patience)
        for missing in confirmed.missing:
            self._log.error(
                "state_unconfirmed",
                worker=missing.worker,
                pid=missing.pid,
                revision=confirmed.revision,
                waited_seconds=patience,
            )
        return confirmed

    async def _announce(
        self, action: str, scope: str, actor: Actor, reason: str, before: str
    ) -> None:
        """Write down what is about to be done; what cannot be written down is not done."""
        entry = Entry(
            phase="begun",
            action=action,
            scope=scope,
            who=actor.who,
            via=actor.via,
            reason=reason,
            before=before,
            after="",
            revision=self.revision,
        )
        if not await self.journal.write_down(entry):
            raise Refused(
                Refusal.UNAVAILABLE,
                "the audit cannot be written, and without it only rollbacks are made:"
                " mend the state directory (is its disk full?)",
            )

    def _entry(
        self,
        actor: Actor,
        action: str,
        scope: str,
        reason: str,
        before: str,
        confirmed: Acknowledgement,
    ) -> Entry:
        if action == "percent":
            flags = self.flags
            group, route = group_of(scope), route_of(scope)
            said = (
                flags.group_basis_points.get(group)
                if group is not None
                else flags.route_basis_points.get(route or "")
            )
            after = "no flag" if said is None else f"{said / 100:g} %"
        else:
            after = self._state_of(scope)
        return Entry(
            phase="done",
            action=action,
            scope=scope,
            who=actor.who,
            via=actor.via,
            reason=reason,
            before=before,
            after=after,
            revision=confirmed.revision,
            outcome="unconfirmed" if confirmed.missing else "applied",
            acks=tuple((ack.worker, ack.ms) for ack in confirmed.workers),
        )


def _nobody(_: RouteFile) -> None:
    """Take the place of a listener that is not there yet."""


def _complete_warning(file: RouteFile, scope: str) -> Iterable[str]:
    """A rollback does not move what is complete: said loudly, it is the surprise."""
    complete = [
        route.id
        for route in file.routes
        if route.stage is Stage.COMPLETE
        and (scope in (ALL, group_scope(route.group), route_scope(route.id)))
    ]
    if complete:
        yield f"stage complete, stays on the new side: {', '.join(complete)}"
