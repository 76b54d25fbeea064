"""Priorities in the benchmark: what stands for another machine waits for nobody on this one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator

from bench.proc import PROC, process_tree

# sched_setattr(2), which has no name in Python: its number, struct sched_attr, 0.1 ms of slice.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
_SLICE = 100_000


def threads(root: int) -> Iterator[int]:
    """Every thread of a process and of all its descendants."""
    for entry in process_tree(root):
        with contextlib.suppress(FileNotFoundError):
            for thread in (PROC / str(entry.pid) / "task").iterdir():
                yield int(thread.name)


def put_ahead(root: int) -> bool:
    """Let a tree run before everything ordinary (sched(7)); False where that is not allowed."""
    try:
        for thread in threads(root):
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


@contextlib.contextmanager
def ahead() -> Iterator[None]:
    """Within the block this thread runs before everything ordinary, where that is allowed.

    What it starts there would too: start nothing.
    """
    before = os.sched_getscheduler(0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, before, os.sched_param(0))


def shield(root: int) -> None:
    """Let a tree and its session run before its neighbours on the machine, where that is allowed.

    Inside the tree nothing changes: SCHED_IDLE stays that. Sessions share a core out first
    (sched(7), autogroup), and a short slice does not wait for the end of another's long one.
    """
    with contextlib.suppress(OSError):
        (PROC / str(root) / "autogroup").write_text("-20")
    system_call = _SCHED_SETATTR.get(os.uname().machine)
    for thread in threads(root) if system_call else ():
        if os.sched_getscheduler(thread) == os.SCHED_OTHER:
            attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, 0, 0, 0, _SLICE, 0, 0)
            ctypes.CDLL(None).syscall(system_call, thread, attributes, 0)


def put_behind(root: int) -> None:
    """Let a tree run when nothing else wants its core."""
    for thread in threads(root):
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def ran_and_waited(root: int) -> tuple[int, int]:
    """How long a tree ran, and how long it was ready and waited for its core. Nanoseconds."""
    ran = waited = 0
    for thread in threads(root):
        with contextlib.suppress(FileNotFoundError):
            # proc(5), /proc/PID/schedstat: time on the processor, time on a run queue, slices.
            first, second, _ = (PROC / str(thread) / "schedstat").read_text().split()
            ran += int(first)
            waited += int(second)
    return ran, waited
