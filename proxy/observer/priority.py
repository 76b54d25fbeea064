"""The observer's priority: whoever serves a client gets the processor at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# Where the kernel has no SCHED_IDLE or does not allow it.
_NICEST: Final = 19
_THREADS: Final = Path("/proc/self/task")


def step_back() -> str:
    """Give way to every ordinary process from now on; the name of how, for the log.

    A nice value is a share in the long run: a process that runs keeps its slice of about 3 ms
    although a worker wakes up (EEVDF), and that is the latency of a client. SCHED_IDLE gives the
    processor away at once (sched(7)). Threads and children begun later inherit it. On a machine
    without any spare time the observer gets about 1/300 of a processor: it sheds.
    """
    threads = [int(each.name) for each in _THREADS.iterdir()]
    try:
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        for thread in threads:
            os.setpriority(os.PRIO_PROCESS, thread, _NICEST)
        return f"nice {_NICEST}"
    return "idle"
