"""Rollback and resume: what begins and ends them, in which order memory, workers and disk follow.

What moves traffic to legacy is written down first if the disk is quick, and is made in memory and
sent to every worker whatever the disk does. What moves traffic to the new side is written down
first, and is not made if that fails.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from flags.latch import Hold, Source
from flags.scope import ALL, checked_scope, group_of, group_scope, route_of, route_scope
from flags.shared import NewerRollbackError, SharedChange
from proxy.fleet.membership import Fleet
from proxy.fleet.proof import is_proven
from proxy.fleet.spread import ALONE, LOCAL, Spread
from proxy.routing.route import RouteFile
from proxy.stages import Stage
from proxy.supervision.audit import Actor, Entry, text
from proxy.supervision.change import Change, Refusal, Refused, change
from proxy.supervision.crew import Acknowledgement, Publication
from proxy.supervision.journal import Journal, begun, done
from proxy.supervision.percentage import known
from proxy.supervision.publisher import PATIENCE_SECONDS, Publisher
from proxy.supervision.switches import Switches

# How long other replicas have to tell that they are free again, beyond their ack.
SETTLE_SECONDS = 1.5
# How long a figway that was frozen may need to hear what was decided since, and then to make it.
HEAR_SECONDS = 2.0
_MAKE_SECONDS = 0.5


class Rollbacks:
    """The rollbacks of this figway, and of its fleet."""

    def __init__(
        self,
        *,
        switches: Switches,
        publisher: Publisher,
        journal: Journal,
        file: Callable[[], RouteFile],
        sentinel: Path,
        log: FilteringBoundLogger,
        cooldown: float = 0.0,
    ) -> None:
        """`cooldown` is how long a rollback must have held before it is ended without force."""
        self.sentinel = sentinel
        # Whom to tell of commands; None: there is nobody else.
        self.fleet: Fleet | None = None
        # How far a command gets where there is no fleet.
        self.reach: Callable[[Acknowledgement], Spread] = _to_nobody_else
        self._switches = switches
        self._publisher = publisher
        self._journal = journal
        self._file = file
        self._log = log
        self._cooldown = cooldown
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
        started = time.perf_counter()
        self.check(scope)
        self._publisher.check_seen(seen)
        before = self.state_of(scope)
        revision = self._publisher.revision
        self._begun += 1
        await self._journal.begin("rollback", scope, actor, reason, before, revision=revision)
        held = self._switches.hold(scope, source=source, actor=actor.who, reason=reason)
        publication = self._publisher.publish()
        # The disk and the fleet work while the workers do.
        keeping = asyncio.create_task(self._journal.keep_latch(patience))
        spreading: asyncio.Task[Spread] | None = None
        if source is Source.COMMAND and self.fleet is not None:
            told = begun("rollback", scope, actor, reason, before, revision)
            shared = _change(scope, held.revision, actor, reason, told, on=True)
            spreading = asyncio.create_task(
                self.fleet.spread(shared, began=started, patience=patience)
            )
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
        if spreading is None:
            fleet = self._reached(confirmed)
        else:
            fleet = (await spreading).confirmed_here(confirmed.ms)
        after = self.state_of(scope)
        entry = done(
            actor, "rollback", scope, reason, before, after, confirmed, replicas=fleet.acks
        )
        written = await self._journal.write_down(entry, patience)
        warnings = [*_complete_warning(self._file(), scope), *_spread_warning(fleet)]
        if not await keeping:
            warnings.append("it could not be kept on disk and will not survive a restart")
        if not written:
            warnings.append("the audit could not be written")
        return change(confirmed, self._switches.holds, warnings=tuple(warnings), fleet=fleet)

    async def end(
        self,
        scope: str,
        *,
        actor: Actor,
        reason: str,
        patience: float = PATIENCE_SECONDS,
        seen: int | None = None,
        force: bool = False,
    ) -> Change:
        """End what commands, signals and the sentinel hold of a scope. Raises Refused.

        In a fleet it ends what they hold anywhere. `force` ends what the cooldown protects.
        """
        started = time.perf_counter()
        self.check(scope)
        self._publisher.check_seen(seen)
        switches = self._switches
        before = self.state_of(scope)
        standing = await self.standing()
        known = switches.latch.shared.marks.get(scope)
        mark = switches.off(scope, actor=actor.who, reason=reason)
        lifted = switches.latch.resume(mark, standing=standing).lifted
        if not lifted and not self._held_elsewhere(scope):
            confirmed = await self._publisher.confirmed(self._publisher.publish(), patience)
            held = self._still_held(scope)
            fleet = self._reached(confirmed)
            return change(confirmed, switches.holds, changed=False, still_held=held, fleet=fleet)
        if self._is_too_young(lifted, force=force):
            before += ", for less than control.resume_cooldown"
        revision = self._publisher.revision
        await self._journal.announce("resume", scope, actor, reason, before, revision=revision)
        # The disk took its time: somebody else may have been quicker.
        self._publisher.check_seen(seen)
        begun_before = self._begun
        resumed = switches.latch.resume(mark, standing=standing)
        if not await self._journal.keep_latch(patience, resumed.latch):
            raise Refused(
                Refusal.UNAVAILABLE,
                "the end of the rollback cannot be kept on disk, so a restart would roll back"
                " again: mend the state directory (is its disk full?), then resume",
            )
        publications: list[Publication] = []

        def use_here() -> None:
            if self._begun != begun_before:
                raise NewerRollbackError
            switches.latch = switches.latch.resume(mark, standing=standing).latch
            publications.append(self._publisher.publish())

        spread: Spread | None = None
        try:
            if self.fleet is None:
                use_here()
            else:
                told = begun("resume", scope, actor, reason, before, revision)
                shared = _change(scope, mark.revision, actor, reason, told, on=False)
                shared = replace(shared, seen=0 if known is None else known.revision)
                # The store first: only there it is known what was begun on other replicas.
                spread = await self.fleet.spread(
                    shared, began=started, patience=patience, use_here=use_here
                )
        except NewerRollbackError:
            # What was begun since may not be swept away unseen.
            await self._journal.keep_latch(patience)
            raise Refused(
                Refusal.CONFLICT, "a rollback was started meanwhile: look at `figway status`"
            ) from None
        (publication,) = publications
        confirmed = await self._publisher.confirmed(publication, patience)
        fleet = self._reached(confirmed) if spread is None else spread.confirmed_here(confirmed.ms)
        if switches.latch != resumed.latch:
            # Something was heard while the disk was busy, and kept without this resume.
            await self._journal.keep_latch(patience)
        self._log.warning(
            "resumed",
            scope=scope,
            actor=actor.who,
            reason=reason,
            applied_ms=confirmed.ms,
            revision=confirmed.revision,
        )
        after = self.state_of(scope)
        elsewhere: tuple[str, ...] = ()
        if self.fleet is not None and fleet.reach.state == "shared":
            elsewhere = await self.fleet.settle_elsewhere(scope, SETTLE_SECONDS)
        entry = done(actor, "resume", scope, reason, before, after, confirmed, replicas=fleet.acks)
        await self._journal.write_down(entry, patience)
        return change(
            confirmed,
            switches.holds,
            still_held=(*self._still_held(scope), *elsewhere),
            warnings=tuple(_spread_warning(fleet)),
            fleet=fleet,
        )

    async def heard_newest(self, patience: float) -> bool:
        """Whether this replica knows all that its fleet decided, or does within `patience` s."""
        fleet = self.fleet
        return fleet is not None and await is_proven(lambda: fleet.unproven_seconds, patience)

    async def catch_up(self) -> None:
        """Leave time for what was decided while this figway was frozen to be heard, and made."""
        await self.heard_newest(HEAR_SECONDS)
        await asyncio.sleep(_MAKE_SECONDS)

    def _reached(self, confirmed: Acknowledgement) -> Spread:
        """How far a change got that no store was told of."""
        return self.reach(confirmed) if self.fleet is None else LOCAL

    def _still_held(self, scope: str) -> tuple[str, ...]:
        """What keeps a scope on legacy: "flag", or of what it is a part of "command of all"."""
        held = list(self._switches.held_by(scope))
        for wider in self._around(scope):
            held += [f"{source} of {wider}" for source in self._switches.held_by(wider)]
        return tuple(held)

    def _around(self, scope: str) -> tuple[str, ...]:
        """The wider scopes that a scope is a part of."""
        if scope == ALL:
            return ()
        route = next((r for r in self._file().routes if r.id == route_of(scope)), None)
        return (group_scope(route.group), ALL) if route and route.group else (ALL,)

    def _held_elsewhere(self, scope: str) -> tuple[str, ...]:
        """What holds a scope on other replicas and not here: "signal on shop-2"."""
        return () if self.fleet is None else self.fleet.held_elsewhere(scope)

    def _is_too_young(self, lifted: tuple[Hold, ...], *, force: bool) -> bool:
        """Whether force is needed to end these, and is there. Raises Refused where it is not."""
        youngest = max((hold.since for hold in lifted), default=0.0)
        left = youngest + self._cooldown - time.time()
        # A clock that was set back makes no cooldown longer than it is.
        if not 0 < left <= self._cooldown:
            return False
        if force:
            return True
        raise Refused(
            Refusal.CONFLICT,
            f"the rollback is younger than control.resume_cooldown ({self._cooldown:g} s): wait"
            f" {left:.0f} s, or repeat with --force",
        )

    def state_of(self, scope: str) -> str:
        """Whether a scope is rolled back and by what, for the audit."""
        held = self._switches.held_by(scope)
        return f"rolled back by {', '.join(held)}" if held else "not rolled back"

    def check(self, scope: str) -> None:
        """Pass if there is such a scope. Raises Refused."""
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

    async def standing(self) -> frozenset[tuple[str, Source]]:
        """What still asks for its rollback by being there: the sentinel file."""

        def stands() -> bool:
            try:
                os.stat(self.sentinel)
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError:
                # Cannot be told: then it may stand.
                return True
            return True

        if await asyncio.to_thread(stands):
            return frozenset({(ALL, Source.SENTINEL)})
        return frozenset()


def _change(
    scope: str, revision: int, actor: Actor, reason: str, told: Entry, *, on: bool
) -> SharedChange:
    return SharedChange(
        id=secrets.token_hex(16),
        scope=scope,
        rollback=on,
        revision=revision,
        reason=reason,
        actor=actor.who,
        since=time.time(),
        audit=text(told),
    )


def _spread_warning(fleet: Spread) -> Iterable[str]:
    if fleet.reach.state == "unreachable":
        yield f"the other replicas were not told by the shared store: {fleet.reach.detail}"


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


def _to_nobody_else(_: Acknowledgement) -> Spread:
    """Take the place of peers that are not there."""
    return ALONE
