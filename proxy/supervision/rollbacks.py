"""Rollback and resume: what begins and ends them, in which order memory, workers and disk follow.

What moves traffic to legacy is written down first if the disk is quick, and is made in memory and
sent to every worker whatever the disk does. What moves traffic to the new side is written down
first, and is not made if that fails.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from flags.latch import Source
from flags.scope import ALL, checked_scope, group_of, group_scope, route_of, route_scope
from proxy.routing.route import RouteFile
from proxy.stages import Stage
from proxy.supervision.audit import Actor
from proxy.supervision.change import Change, Refusal, Refused, change
from proxy.supervision.journal import Journal, done
from proxy.supervision.percentage import known
from proxy.supervision.publisher import PATIENCE_SECONDS, Publisher
from proxy.supervision.switches import Switches


class Rollbacks:
    """The rollbacks of this figway."""

    def __init__(
        self,
        *,
        switches: Switches,
        publisher: Publisher,
        journal: Journal,
        file: Callable[[], RouteFile],
        sentinel: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self.sentinel = sentinel
        self._switches = switches
        self._publisher = publisher
        self._journal = journal
        self._file = file
        self._log = log
        self._begun = 0

    async def begin(
        self,
        scope: str,
        *,
        source: Source,
        actor: Actor,
        reason: str,
        patience: float = PATIENCE_SECONDS,
        seen: int | None = None,
    ) -> Change:
        """Send a scope to legacy. Raises Refused for a scope that there is not, nothing else.

        Nothing but that something was changed since the revision `seen`, if one is named.
        """
        self._check(scope)
        self._publisher.check_seen(seen)
        before = self.state_of(scope)
        revision = self._publisher.revision
        self._begun += 1
        await self._journal.begin("rollback", scope, actor, reason, before, revision=revision)
        self._switches.hold(scope, source=source, actor=actor.who, reason=reason)
        publication = self._publisher.publish()
        # The disk works while the workers do.
        keeping = asyncio.create_task(self._journal.keep_latch(patience))
        confirmed = await self._publisher.confirmed(publication, patience)
        self._log.warning(
            "rolled_back",
            scope=scope,
            source=source.value,
            actor=actor.who,
            reason=reason,
            applied_ms=confirmed.ms,
            revision=confirmed.revision,
        )
        entry = done(actor, "rollback", scope, reason, before, self.state_of(scope), confirmed)
        written = await self._journal.write_down(entry, patience)
        warnings = [*_complete_warning(self._file(), scope)]
        if not await keeping:
            warnings.append("it could not be kept on disk and will not survive a restart")
        if not written:
            warnings.append("the audit could not be written")
        return change(confirmed, self._switches.holds, warnings=tuple(warnings))

    async def end(
        self,
        scope: str,
        *,
        actor: Actor,
        reason: str,
        patience: float = PATIENCE_SECONDS,
        seen: int | None = None,
    ) -> Change:
        """End what commands, signals and the sentinel hold of a scope. Raises Refused."""
        self._check(scope)
        self._publisher.check_seen(seen)
        switches = self._switches
        before = self.state_of(scope)
        standing = {(ALL, Source.SENTINEL)} if await self._sentinel_stands() else set()
        mark = switches.off(scope, actor=actor.who, reason=reason)
        if not switches.latch.resume(mark, standing=standing).lifted:
            confirmed = await self._publisher.confirmed(self._publisher.publish(), patience)
            held = switches.held_by(scope)
            return change(confirmed, switches.holds, changed=False, still_held=held)
        await self._journal.announce(
            "resume", scope, actor, reason, before, revision=self._publisher.revision
        )
        # The disk took its time: somebody else may have been quicker.
        self._publisher.check_seen(seen)
        begun = self._begun
        resumed = switches.latch.resume(mark, standing=standing)
        if not await self._journal.keep_latch(patience, resumed.latch):
            raise Refused(
                Refusal.UNAVAILABLE,
                "the end of the rollback cannot be kept on disk, so a restart would roll back"
                " again: mend the state directory (is its disk full?), then resume",
            )
        if self._begun != begun:
            # A rollback that came while the disk was busy may not be swept away unseen.
            await self._journal.keep_latch(patience)
            raise Refused(
                Refusal.CONFLICT, "a rollback was started meanwhile: look at `figway status`"
            )
        switches.latch = switches.latch.resume(mark, standing=standing).latch
        confirmed = await self._publisher.confirmed(self._publisher.publish(), patience)
        self._log.warning(
            "resumed",
            scope=scope,
            actor=actor.who,
            reason=reason,
            applied_ms=confirmed.ms,
            revision=confirmed.revision,
        )
        entry = done(actor, "resume", scope, reason, before, self.state_of(scope), confirmed)
        await self._journal.write_down(entry, patience)
        return change(confirmed, switches.holds, still_held=switches.held_by(scope))

    def state_of(self, scope: str) -> str:
        """Whether a scope is rolled back and by what, for the audit."""
        held = self._switches.held_by(scope)
        return f"rolled back by {', '.join(held)}" if held else "not rolled back"

    def _check(self, scope: str) -> None:
        try:
            checked_scope(scope)
        except ValueError as error:
            raise Refused(Refusal.INVALID, f"scope: {str(error)[:200]}") from None
        group, route = group_of(scope), route_of(scope)
        file = self._file()
        if group is not None:
            known(group, (group.name for group in file.groups), "group")
        if route is not None:
            known(route, (route.id for route in file.routes), "route")

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
