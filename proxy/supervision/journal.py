"""The journal: audit and switches on their way to disk, in one thread, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from structlog.typing import FilteringBoundLogger

from flags.latch import Latch
from proxy.supervision.audit import Actor, Audit, Entry
from proxy.supervision.audit_chain import Link
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.crew import Acknowledgement
from proxy.supervision.flag_moves import Move
from proxy.supervision.shadow_pause import Pause
from proxy.supervision.switches import Switches

PATIENCE_SECONDS = 5.0
# How long a rollback may wait for its first line; a disk writes one in a fraction of that.
BEGIN_SECONDS = 0.01
# How often a disk that took nothing is tried again.
RETRY_SECONDS = 1.0
_REFUSED = "refused: it could not be written down before"


class Journal:
    """Writes, and says whether that worked. A disk that hangs is a failure, not a wait."""

    def __init__(self, *, switches: Switches, audit: Audit, log: FilteringBoundLogger) -> None:
        self._switches = switches
        self._audit = audit
        self._log = log
        # One thread: what is written later is newer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="figway-disk")
        self.failures = 0
        # What the evidence says of the routes in a scope: route to verdict. Never raises.
        self.evidence: Callable[[str], Awaitable[Mapping[str, str]]] | None = None
        self._settling = False

    @property
    def owed(self) -> int:
        """Entries of the audit that the disk has not taken yet."""
        return self._audit.owed

    @property
    def last(self) -> Link:
        """The newest line of the audit that is on disk."""
        return self._audit.last

    async def write_down(self, entry: Entry, patience: float = PATIENCE_SECONDS) -> bool:
        """Append to the audit. What is only begun is not to be done when this fails."""
        if self.evidence is not None and not entry.evidence and entry.scope != "audit":
            entry = replace(entry, evidence=await self.evidence(entry.scope))
        begun = entry.phase == "begun"

        last: list[Link] = []

        def write() -> str:
            failure = self._audit.append(entry, unless_written=_REFUSED if begun else "")
            last.append(self._audit.last)
            return failure

        written = await self._on_disk("audit_failed", write, patience)
        if not written:
            self._settle_later()
        elif not begun:
            # Where the log goes, whoever can write the audit may not reach: it bears witness.
            (link,) = last
            self._log.info(
                "audited", action=entry.action, scope=entry.scope, seq=link.seq, hash=link.hash
            )
        return written

    async def begin(
        self, action: str, scope: str, actor: Actor, reason: str, before: str, *, revision: int
    ) -> None:
        """Write down what will be done whatever the disk says, and give it a moment for that."""
        entry = begun(action, scope, actor, reason, before, revision)
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._thread, self._audit.append, entry)
        writing.add_done_callback(self._began)
        await asyncio.wait({writing}, timeout=BEGIN_SECONDS)

    def _began(self, writing: asyncio.Future[str]) -> None:
        if not writing.cancelled() and (failure := writing.result()):
            self.failures += 1
            self._log.error("audit_failed", error=failure)
            self._settle_later()

    def _settle_later(self) -> None:
        """Try again until nothing is owed. One attempt at a time."""
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._settle)

    def _settle(self) -> None:
        owed = self._audit.owed
        loop = asyncio.get_running_loop()
        settling = loop.run_in_executor(self._thread, self._audit.settle)

        def settled(done: asyncio.Future[str]) -> None:
            self._settling = False
            if done.cancelled():
                return
            if done.result():
                self._settle_later()
            elif owed:
                self._log.warning("audit_caught_up", entries=owed)

        settling.add_done_callback(settled)

    async def write_moves(
        self,
        moved: Iterable[Move],
        action: str,
        actor: Actor,
        reason: str,
        confirmed: Acknowledgement,
    ) -> None:
        """Append what a source of flags has moved, one line for each scope."""
        for move in moved:
            entry = done(actor, action, move.scope, reason, move.before, move.after, confirmed)
            await self.write_down(entry)

    async def announce(
        self, action: str, scope: str, actor: Actor, reason: str, before: str, *, revision: int
    ) -> None:
        """Write down what is about to be done; what cannot be written down is not done.

        Raises Refused.
        """
        if not await self.write_down(begun(action, scope, actor, reason, before, revision)):
            raise Refused(
                Refusal.UNAVAILABLE,
                "the audit cannot be written, and without it only rollbacks are made:"
                " mend the state directory (is its disk full?)",
            )

    async def keep_latch(self, patience: float, latch: Latch | None = None) -> bool:
        """Keep the latch as it is when the disk gets to it, or the one given."""
        return await self._on_disk(
            "latch_not_kept", lambda: self._switches.keep_latch(latch), patience
        )

    async def keep_pause(self, patience: float, pause: Pause | None) -> bool:
        """Keep whether shadow traffic is paused."""
        return await self._on_disk(
            "pause_not_kept", lambda: self._switches.keep_pause(pause), patience
        )

    async def keep_good_flags(self, patience: float = PATIENCE_SECONDS) -> bool:
        """Keep what the flag file says, for a start without it."""
        return await self._on_disk("flags_not_kept", self._switches.file.keep_good, patience)

    async def _on_disk(self, event: str, write: Callable[[], str], patience: float) -> bool:
        writing = asyncio.get_running_loop().run_in_executor(self._thread, write)
        try:
            failure = await asyncio.wait_for(asyncio.shield(writing), patience)
        except TimeoutError:
            failure = f"the disk did not answer within {patience:g} s"
        if failure:
            self.failures += 1
            self._log.error(event, error=failure)
        return not failure


def begun(action: str, scope: str, actor: Actor, reason: str, before: str, revision: int) -> Entry:
    """What is about to be done, for the audit."""
    return Entry(
        phase="begun",
        action=action,
        scope=scope,
        actor=actor,
        reason=reason,
        before=before,
        after="",
        revision=revision,
    )


def done(
    actor: Actor,
    action: str,
    scope: str,
    reason: str,
    before: str,
    after: str,
    confirmed: Acknowledgement,
    *,
    replicas: tuple[tuple[str, float], ...] = (),
) -> Entry:
    """What came of a change, with the workers' words and, in a fleet, the replicas'."""
    return Entry(
        phase="done",
        action=action,
        scope=scope,
        actor=actor,
        reason=reason,
        before=before,
        after=after,
        revision=confirmed.revision,
        outcome="unconfirmed" if confirmed.missing else "applied",
        acks=tuple((ack.worker, ack.ms) for ack in confirmed.workers),
        replicas=replicas,
    )
