"""Room for what waits in threads: look-ups of names, reads of files, that may hang for long."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

# asyncio's own few are taken up by a name server that does not answer: each connection asks it
# again every few seconds, and each question hangs for longer. Then no flag file is read any more.
MOST_WAITING: Final = 128
# What still hangs at the end is not worth more of the time until somebody sends SIGKILL.
END_SECONDS: Final = 1.0
_NAME: Final = "figway-waits"


def make_room() -> ThreadPoolExecutor:
    """Let the running loop wait for that many things at once; threads are made when needed."""
    pool = ThreadPoolExecutor(MOST_WAITING, thread_name_prefix=_NAME)
    asyncio.get_running_loop().set_default_executor(pool)
    return pool


def leave(pool: ThreadPoolExecutor, seconds: float = END_SECONDS) -> bool:
    """Take nothing more; whether all that was begun ended within `seconds`. Blocks.

    Python waits for the threads of a pool before it ends: after False only `os._exit` ends it.
    """
    pool.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.name.startswith(_NAME):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                return False
    return True
