"""Work that nobody waits for: its defects are told, and its end is the end."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs
from structlog.typing import FilteringBoundLogger

from proxy.supervision.background import Background


def _background() -> Background:
    import structlog

    log: FilteringBoundLogger = structlog.get_logger()
    return Background(log)


async def test_a_defect_is_told_and_ends_nothing_else() -> None:
    background, done = _background(), asyncio.Event()

    async def defect() -> None:
        raise RuntimeError("broken")

    async def work() -> None:
        done.set()

    with capture_logs() as logs:
        background.begin(defect(), "look")
        background.begin(work(), "other")
        await done.wait()
        await asyncio.sleep(0)
    assert [(each["event"], each["task"]) for each in logs] == [("task_failed", "look")]
    await background.close()


async def test_nothing_is_left_behind_whether_it_had_begun_or_not() -> None:
    background, began = _background(), asyncio.Event()

    async def forever() -> None:
        began.set()
        await asyncio.Event().wait()

    async def never() -> None:
        raise AssertionError("it was to end before it began")

    background.begin(forever(), "forever")
    await began.wait()
    background.begin(never(), "never")
    with capture_logs() as logs:
        await background.close()
        # A coroutine that is neither run nor closed would be told of as a warning.
        background.begin(never(), "late")
    assert logs == []
    assert background.closed
