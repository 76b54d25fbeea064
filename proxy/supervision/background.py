"""Background work: tasks that nobody waits for; a defect in one is told, and ends no other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from structlog.typing import FilteringBoundLogger


class Background:
    """All such tasks of one owner. Close it with the owner."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[object]] = set()
        # For loops: a task that is cancelled in the moment in which what it waits for is done is
        # not told of it, and goes on.
        self.closed = False

    def begin(self, work: Coroutine[object, object, object], name: str) -> None:
        """Start it; after the end nothing is started any more."""
        if self.closed:
            work.close()
            return
        task: asyncio.Task[object] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End all of it."""
        self.closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("task_failed", task=task.get_name(), exc_info=error)
