"""The files that are read again: routes.yaml and the flag file, each used if it is sound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from flags.scope import ALL
from proxy.config.load import load_routes, load_settings
from proxy.config.load_control_plane import load_control_plane
from proxy.control_plane import ControlPlane
from proxy.errors import ConfigError
from proxy.fleet.opening import check_store
from proxy.routing.route import RouteFile
from proxy.routing.table import RouteTable
from proxy.settings import Settings
from proxy.supervision.audit import Actor
from proxy.supervision.change import FileOutcome, Reload
from proxy.supervision.crew import Acknowledgement, Publication
from proxy.supervision.flag_file import Glance
from proxy.supervision.flag_moves import Move, moves, position
from proxy.supervision.journal import Journal, done
from proxy.supervision.publisher import PATIENCE_SECONDS, Publisher
from proxy.supervision.settled import Unsettled, a_moment, read_settled
from proxy.supervision.switches import Switches

_RESTLESS = "is written again at every look; what was read before holds until it comes to rest"
_RESTART = "restart figway serve to use"


@dataclass(frozen=True, slots=True)
class LoadedRoutes:
    """A routes.yaml that can be used."""

    file: RouteFile
    table: RouteTable
    settings: Settings
    plane: ControlPlane


def load(path: Path, environ: dict[str, str], options: dict[str, str]) -> LoadedRoutes:
    """Read and compile a routes.yaml. Raises ConfigError with every problem. Blocks."""
    file = load_routes(path)
    table = RouteTable.compile(file)
    settings = load_settings(path, environ, options)
    plane = load_control_plane(path, environ)
    check_store(plane.control)
    return LoadedRoutes(file, table, settings, plane)


class Files:
    """What was read last, and why the newest content is not used, if it is not."""

    def __init__(
        self,
        *,
        path: Path,
        loaded: LoadedRoutes,
        read: Callable[[], LoadedRoutes],
        switches: Switches,
        publisher: Publisher,
        journal: Journal,
        state_of: Callable[[str], str],
        log: FilteringBoundLogger,
    ) -> None:
        """`state_of` says whether a scope is rolled back."""
        self.path = path
        self.loaded = loaded
        self.route_problems: tuple[str, ...] = ()
        self.reloads = {"applied": 0, "unchanged": 0, "refused": 0}
        # Sections of routes.yaml whose values wait for a restart.
        self._waiting: tuple[str, ...] = ()
        # Told of every routes.yaml that comes into use.
        self.on_routes: Callable[[RouteFile], None] = _nobody
        # Called when an operator asks for the flags to be read again.
        self.on_reload: Callable[[], None] = _not_asked
        self._read = read
        self._switches = switches
        self._publisher = publisher
        self._journal = journal
        self._state_of = state_of
        self._log = log
        # Each file is read one time after the other; neither waits for the other, and a rollback
        # waits for none.
        self._reading_routes = asyncio.Lock()
        # What the flag file has moved and the audit does not know of yet.
        self._moved: tuple[Move, ...] = ()
        self._reading_flags = asyncio.Lock()
        # How long a file has to stay the same.
        self.moment: Callable[[], Awaitable[None]] = a_moment

    async def reload(self, *, actor: Actor, patience: float = PATIENCE_SECONDS) -> Reload:
        """Read both files again; each is used if it is sound, and left as it was if not."""
        self.on_reload()
        route_outcome, first = await self.reload_routes(actor=actor, patience=patience)
        flag_outcome, second = await self.reload_flags(actor=actor, patience=patience)
        confirmed = second or first
        if confirmed is None:
            confirmed = await self._publisher.confirmed(self._publisher.publish(), patience)
        if first is not None and first.missing:
            # Flags and routes are confirmed one by one: whoever lacks either is named.
            confirmed = first
        return Reload(
            revision=confirmed.revision,
            applied_ms=confirmed.ms,
            workers=confirmed.workers,
            unconfirmed=confirmed.missing,
            files=(route_outcome, flag_outcome),
            warnings=(*self._switches.warnings(self.loaded.file), *self._unused()),
        )

    async def reload_routes(
        self, *, actor: Actor | None = None, patience: float = PATIENCE_SECONDS
    ) -> tuple[FileOutcome, Acknowledgement | None]:
        """Read routes.yaml again."""
        path = str(self.path)
        async with self._reading_routes:
            loaded = await self._settled_routes()
            if not isinstance(loaded, LoadedRoutes):
                problems = loaded
                self.reloads["refused"] += 1
                # The same mistake is told once, not at every look.
                if problems != self.route_problems:
                    self._log.error("config_refused", path=path, problems=problems)
                self.route_problems = problems
                return FileOutcome(path=path, outcome="refused", problems=problems), None
            self.route_problems = ()
            before = self.loaded
            self._waiting = _waiting(before, loaded)
            if self._waiting:
                self._log.warning(
                    "settings_changed", path=path, sections=self._waiting, hint=f"{_RESTART} them"
                )
            if loaded.file == before.file:
                self.reloads["unchanged"] += 1
                return FileOutcome(path=path, outcome="unchanged"), None
            # The settings in use stay those that the workers were started with.
            self.loaded = LoadedRoutes(loaded.file, loaded.table, before.settings, before.plane)
            publication = self._publisher.publish(loaded.file)
            self.on_routes(loaded.file)
            self.reloads["applied"] += 1
        confirmed = await self._publisher.confirmed(publication, patience)
        self._log.info(
            "config_applied",
            path=path,
            config_revision=loaded.file.revision,
            before=before.file.revision,
            routes=len(loaded.file.routes),
            revision=confirmed.revision,
            applied_ms=confirmed.ms,
        )
        actor = actor or Actor(who=path, via="file")
        was, now = f"revision {before.file.revision}", f"revision {loaded.file.revision}"
        entry = done(actor, "config", "routes", "routes.yaml changed", was, now, confirmed)
        await self._journal.write_down(entry)
        return FileOutcome(path=path, outcome="applied"), confirmed

    def _unused(self) -> tuple[str, ...]:
        """What is read well and waits for a restart."""
        if not self._waiting:
            return ()
        sections = " and ".join(f"{name}:" for name in self._waiting)
        return (f"{self.path}: {sections} changed: {_RESTART} that",)

    async def _settled_routes(self) -> LoadedRoutes | tuple[str, ...]:
        """What routes.yaml says, or its problems."""

        def read() -> LoadedRoutes | tuple[str, ...]:
            try:
                return self._read()
            except ConfigError as error:
                return tuple(map(str, error.problems))

        try:
            return await read_settled(self.path, read, moment=self.moment)
        except Unsettled:
            return (f"{self.path}: {_RESTLESS}",)

    async def reload_flags(
        self, *, actor: Actor, patience: float = PATIENCE_SECONDS
    ) -> tuple[FileOutcome, Acknowledgement | None]:
        """Read the flag file again."""
        before = self._state_of(ALL)
        outcome, publication = await self.read_flags(actor)
        if publication is None:
            return outcome, None
        confirmed = await self._publisher.confirmed(publication, patience)
        self._log.info(
            "flags_applied",
            path=outcome.path,
            revision=confirmed.revision,
            applied_ms=confirmed.ms,
            actor=actor.who,
        )
        after = self._state_of(ALL)
        if after != before:
            self._log.warning("rollback_flag_changed", before=before, after=after)
        moved, self._moved = self._moved, ()
        await self._journal.write_moves(moved, "flag", actor, "the flag file changed", confirmed)
        for warning in self._switches.warnings(self.loaded.file):
            self._log.warning("flag_without_effect", detail=warning)
        return outcome, confirmed

    async def read_flags(self, actor: Actor) -> tuple[FileOutcome, Publication | None]:
        """Read the flag file and publish what is news in it; nobody waits for the workers.

        A rollback is published at once, whatever else may still be written; the rest once the file
        has settled.
        """
        begun: list[Publication] = []

        def roll_back(glance: Glance) -> None:
            before = position(self._switches)
            if self._switches.use_rollbacks(glance.rollbacks):
                begun.append(self._publisher.publish())
                self._moved += moves(before, position(self._switches))

        file = self._switches.file
        async with self._reading_flags:
            try:
                glance = await read_settled(
                    file.path, file.glance, moment=self.moment, at_once=roll_back
                )
            except Unsettled:
                problem = f"{file.path}: {_RESTLESS}"
                self.reloads["refused"] += 1
                self._log.error("flags_refused", path=str(file.path), problems=(problem,))
                outcome = FileOutcome(path=str(file.path), outcome="refused", problems=(problem,))
                return outcome, begun[-1] if begun else None
            used = await self._use_flags(actor, glance, begun[-1] if begun else None)
        await self._keep_flags(used[0])
        return used

    async def read_own_flags(
        self, actor: Actor, scope: str
    ) -> tuple[FileOutcome, Publication | None]:
        """Read the flag file in which this process has just set the percentage of a scope."""
        async with self._reading_flags:
            used = await self._use_flags(actor, None, None)
            # Whoever set it writes that down.
            self._moved = tuple(move for move in self._moved if move.scope != scope)
        await self._keep_flags(used[0])
        return used

    async def _use_flags(
        self, actor: Actor, glance: Glance | None, begun: Publication | None
    ) -> tuple[FileOutcome, Publication | None]:
        path = str(self._switches.file.path)
        refreshed = await asyncio.to_thread(self._switches.file.read, glance)
        told = self._switches.file.problems
        before = position(self._switches)
        news = self._switches.use_file(refreshed)
        self._moved += moves(before, position(self._switches))
        problems = self._switches.file.problems
        if problems:
            self.reloads["refused"] += 1
            # The same mistake is told once, not at every look.
            if problems != told:
                self._log.error("flags_refused", path=path, problems=problems, by=actor.who)
            return FileOutcome(path=path, outcome="refused", problems=problems), begun
        if not news and begun is None:
            self.reloads["unchanged"] += 1
            return FileOutcome(path=path, outcome="unchanged"), None
        publication = self._publisher.publish() if news or begun is None else begun
        self.reloads["applied"] += 1
        return FileOutcome(path=path, outcome="applied"), publication

    async def _keep_flags(self, outcome: FileOutcome) -> None:
        """Write down what is in use now, for the next start."""
        if outcome.outcome == "applied":
            await self._journal.keep_latch(PATIENCE_SECONDS)
            await self._journal.keep_good_flags()


def _waiting(used: LoadedRoutes, read: LoadedRoutes) -> tuple[str, ...]:
    """The sections that are read at a start alone and are not as they are in use."""
    return tuple(
        section
        for section, before, now in (
            ("settings", used.settings, read.settings),
            ("flags", used.plane.flags, read.plane.flags),
            ("control", used.plane.control, read.plane.control),
        )
        if before != now
    )


def _nobody(_: RouteFile) -> None:
    """Take the place of a listener that is not there yet."""


def _not_asked() -> None:
    """Take the place of a source that is not there."""
