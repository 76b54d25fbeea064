"""The journal: audit and switches on their way to disk, in one thread, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from structlog.typing import FilteringBoundLogger

from flags.latch import Latch
from proxy.supervision.audit import Audit, Entry
from proxy.supervision.shadow_pause import Pause
from proxy.supervision.switches import Switches

PATIENCE_SECONDS = 5.0


class Journal:
    """Writes, and says whether that worked. A disk that hangs is a failure, not a wait."""

    def __init__(self, *, switches: Switches, audit: Audit, log: FilteringBoundLogger) -> None:
        self._switches = switches
        self._audit = audit
        self._log = log
        # One thread: what is written later is newer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="figway-disk")
        self.failures = 0

    async def write_down(self, entry: Entry, patience: float = PATIENCE_SECONDS) -> bool:
        """Append to the audit."""
        return await self._on_disk("audit_failed", lambda: self._audit.append(entry), patience)

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
        return await self._on_disk("flags_not_kept", self._switches.keep_good, patience)

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
