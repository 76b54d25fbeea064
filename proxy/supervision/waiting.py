"""Room for what waits in threads: look-ups of names, reads of files, that may hang for long."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

# asyncio's own few are taken up by a name server that does not answer: each connection asks it
# again every few seconds, and each question hangs for longer. Then no flag file is read any more.
MOST_WAITING: Final = 128


def make_room() -> None:
    """Let the running loop wait for that many things at once; threads are made when needed."""
    pool = ThreadPoolExecutor(MOST_WAITING, thread_name_prefix="figway-waits")
    asyncio.get_running_loop().set_default_executor(pool)
