"""Reading a file that somebody may be in the middle of writing.

An editor or a script that writes in place truncates first and then writes, perhaps in pieces. What
stands there in between can be empty, wrong, or, worst of all, valid and something that nobody
meant: `percent: 10` on its way to `percent: 100`. Nothing tells a reader so, but that the file is
another one a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from proxy.supervision.watch import look

# Much longer than a writer takes from one piece to the next, and short beside a person's patience.
MOMENT_SECONDS: Final = 0.1
# A file that is never the same twice is given up after so many reads.
MOST_READS: Final = 50

T = TypeVar("T")


class Unsettled(Exception):
    """The file was written again at every look."""


async def a_moment() -> None:
    """Let whoever writes a file go on."""
    await asyncio.sleep(MOMENT_SECONDS)


def _nothing(_: object) -> None:
    """Do nothing with what was read."""


async def read_settled(
    path: Path,
    read: Callable[[], T],
    *,
    moment: Callable[[], Awaitable[None]] = a_moment,
    at_once: Callable[[T], None] = _nothing,
) -> T:
    """Return what `read` gives once the file is the same before it and a moment after it.

    `read` runs in a thread. `at_once` gets everything that was read, settled or not. Raises
    Unsettled, and what `read` raises.
    """
    for _ in range(MOST_READS):
        before = await asyncio.to_thread(look, path)
        found = await asyncio.to_thread(read)
        at_once(found)
        await moment()
        if await asyncio.to_thread(look, path) == before:
            return found
    raise Unsettled
