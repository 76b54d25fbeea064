"""Pausing and resuming shadow traffic: the next request is not copied, or is again.

A pause is made in memory and sent to every worker before it is written down, as a rollback is: it
takes load off, and no disk may stand in its way. A resume is written down first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from structlog.typing import FilteringBoundLogger

from proxy.routing.route import RouteFile
from proxy.supervision.audit import Actor
from proxy.supervision.change import Change, Refusal, Refused, change
from proxy.supervision.crew import Acknowledgement
from proxy.supervision.journal import Journal, done
from proxy.supervision.publisher import Publisher
from proxy.supervision.shadow_pause import Pause
from proxy.supervision.status import PauseView
from proxy.supervision.switches import Switches

SCOPE = "shadow"
KILL_SWITCH = "shadow.kill_switch"


class ShadowSwitch:
    """The one switch of all shadow traffic."""

    def __init__(
        self,
        *,
        switches: Switches,
        journal: Journal,
        file: Callable[[], RouteFile],
        publisher: Publisher,
        log: FilteringBoundLogger,
    ) -> None:
        self._switches = switches
        self._journal = journal
        self._file = file
        self._publisher = publisher
        self._log = log
        self._pauses = 0

    @property
    def pauses(self) -> tuple[PauseView, ...]:
        """Everything that keeps shadow traffic from being sent, and how each ends."""
        file = self._file()
        views = []
        if file.shadow.kill_switch:
            views.append(PauseView(by="file", lift=f"set {KILL_SWITCH} to false in routes.yaml"))
        pause = self._switches.pause
        if pause is not None:
            views.append(
                PauseView(
                    by="command",
                    since=datetime.fromtimestamp(pause.since, UTC).isoformat(timespec="seconds"),
                    actor=pause.actor,
                    reason=pause.reason,
                    lift='figway shadow resume --reason "..."',
                )
            )
        return tuple(views)

    async def pause(
        self, *, actor: Actor, reason: str, patience: float, seen: int | None = None
    ) -> Change:
        """Stop every copy. Raises Refused for nothing but a change since the revision `seen`."""
        self._publisher.check_seen(seen)
        before = self._state()
        self._pauses += 1
        already = self._switches.pause
        # The first pause keeps its start and its reason, as a rollback does.
        self._switches.pause = already or Pause(since=time.time(), actor=actor.who, reason=reason)
        publication = self._publisher.publish()
        # The disk works while the workers do.
        keeping = asyncio.create_task(self._journal.keep_pause(patience, self._switches.pause))
        confirmed = await self._publisher.confirmed(publication, patience)
        self._told("shadow_paused", actor, reason, confirmed)
        warnings = []
        entry = done(actor, "shadow_pause", SCOPE, reason, before, self._state(), confirmed)
        written = await self._journal.write_down(entry, patience)
        if not await keeping:
            warnings.append("it could not be kept on disk and will not survive a restart")
        if not written:
            warnings.append("the audit could not be written")
        return change(
            confirmed,
            self._switches.holds,
            changed=already is None,
            warnings=tuple(warnings),
        )

    async def resume(
        self, *, actor: Actor, reason: str, patience: float, seen: int | None = None
    ) -> Change:
        """Let copies be sent again. Raises Refused when that cannot be kept on disk.

        Also when something was changed since the revision `seen`, if one is named.
        """
        self._publisher.check_seen(seen)
        before = self._state()
        if self._switches.pause is None:
            confirmed = await self._publisher.confirmed(self._publisher.publish(), patience)
            return self._resumed(confirmed, changed=False)
        await self._journal.announce(
            "shadow_resume", SCOPE, actor, reason, before, revision=self._publisher.revision
        )
        # The disk took its time: somebody else may have been quicker.
        self._publisher.check_seen(seen)
        pauses = self._pauses
        if not await self._journal.keep_pause(patience, None):
            # The disk may get to it later: what it gets last is the pause that still holds.
            await self._journal.keep_pause(patience, self._switches.pause)
            raise Refused(
                Refusal.UNAVAILABLE,
                "the end of the pause cannot be kept on disk, so a restart would pause again:"
                " mend the state directory (is its disk full?), then resume",
            )
        if self._pauses != pauses:
            # A pause that came while the disk was busy may not be swept away unseen.
            await self._journal.keep_pause(patience, self._switches.pause)
            raise Refused(
                Refusal.CONFLICT, "shadow traffic was paused meanwhile: look at `figway status`"
            )
        self._switches.pause = None
        confirmed = await self._publisher.confirmed(self._publisher.publish(), patience)
        self._told("shadow_resumed", actor, reason, confirmed)
        entry = done(actor, "shadow_resume", SCOPE, reason, before, self._state(), confirmed)
        await self._journal.write_down(entry, patience)
        return self._resumed(confirmed, changed=True)

    def _resumed(self, confirmed: Acknowledgement, *, changed: bool) -> Change:
        held = tuple(f"{KILL_SWITCH} in routes.yaml" for view in self.pauses if view.by == "file")
        return change(confirmed, self._switches.holds, changed=changed, still_held=held)

    def _state(self) -> str:
        return "paused" if self._switches.pause is not None else "not paused"

    def _told(self, event: str, actor: Actor, reason: str, confirmed: Acknowledgement) -> None:
        fields = {
            "actor": actor.who,
            "reason": reason,
            "applied_ms": confirmed.ms,
            "revision": confirmed.revision,
        }
        if event == "shadow_paused":
            self._log.warning("shadow_paused", **fields)
        else:
            self._log.warning("shadow_resumed", **fields)
