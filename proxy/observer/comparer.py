"""The comparer: light pairs at once, heavy ones in processes of its own that can be killed."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from proxy.compare.comparison import Comparison
from proxy.evidence.exemplar import Exemplar
from proxy.observer.examine import Job, out_of
from proxy.observer.exemplars import Keeping

# One comparison, in a process (seconds). Comparing is linear: one that takes longer hangs.
DEADLINE: Final = 5.0
# Heavy pairs that may wait for a process, and the bytes of their bodies together: a burst of pages
# while the process starts waits, a standing overload does not.
WAITING: Final = 2048
WAITING_BYTES: Final = 64 * 1024 * 1024
# Pairs after which a process makes room for a fresh one: what it leaked goes with it.
TASKS: Final = 2000
_COMMAND: Final = ("-m", "proxy.observer.comparer_process")
_LENGTH: Final = struct.Struct(">I")


class Task(Protocol):
    """Something to be done with bodies: a comparison, or a pair made fit for the disk."""

    @property
    def is_light(self) -> bool:
        """Whether it may be done where the observer's loop waits for it."""

    @property
    def size(self) -> int:
        """Bytes that it looks at."""

    def run(self) -> object:
        """Do it."""


def run(task: Task) -> object:
    """Run a task where a defect may cost no more than this task."""
    try:
        return task.run()
    except Exception:  # noqa: BLE001 -- hostile bytes found a defect: the pair is lost, no other
        return None


class Comparer:
    """Compares, and never takes longer than it may. Over budget is `incomparable`."""

    def __init__(
        self,
        *,
        processes: int | None = None,
        deadline: float = DEADLINE,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        # One processor is left to the workers.
        self._processes = processes or max(1, min(2, (os.cpu_count() or 2) - 1))
        self._deadline = deadline
        self._command = command
        self._idle: list[_Process] = []
        self._running: set[_Process] = set()
        self._places = asyncio.Semaphore(self._processes)
        self._waiting = 0
        self._waiting_bytes = 0
        self.killed = 0
        self._reapers: set[asyncio.Task[int]] = set()

    async def compare(self, job: Job) -> Comparison:
        """Compare; incomparable with reason `budget` when it takes too long or too much."""
        found = await self._done(job)
        return found if isinstance(found, Comparison) else out_of("budget")

    async def keep(self, keeping: Keeping) -> Exemplar | None:
        """Take the secrets out of a pair; None when that takes too long or too much."""
        exemplar = await self._done(keeping)
        return exemplar if isinstance(exemplar, Exemplar) else None

    async def _done(self, task: Task) -> object:
        """What running the task gives; None when it cannot be run within its bounds."""
        if task.is_light:
            return run(task)
        size = task.size
        if self._waiting >= WAITING or self._waiting_bytes + size > WAITING_BYTES:
            return None
        self._waiting += 1
        self._waiting_bytes += size
        try:
            async with self._places:
                return await self._elsewhere(task)
        finally:
            self._waiting -= 1
            self._waiting_bytes -= size

    async def _elsewhere(self, task: Task) -> object:
        try:
            process = self._idle.pop() if self._idle else await self._start()
        except OSError:
            return None
        self._running.add(process)
        try:
            done = await asyncio.wait_for(process.run(task), self._deadline)
        except (
            TimeoutError,
            OSError,
            EOFError,
            pickle.UnpicklingError,
            asyncio.IncompleteReadError,
        ):
            # It hangs, ran out of memory or crashed: whatever the bytes did, they did it there.
            self.killed += 1
            done = None
            process.kill()
        except BaseException:
            process.kill()
            raise
        else:
            if process.tasks < TASKS:
                self._idle.append(process)
            else:
                process.kill()
        finally:
            self._running.discard(process)
        return done

    async def _start(self) -> _Process:
        process = await _Process.start(self._command)
        self._reapers.add(process.reaper)
        process.reaper.add_done_callback(self._reapers.discard)
        return process

    async def ended(self) -> None:
        """Wait until no process is left. To be called after `close`."""
        await asyncio.gather(*self._reapers)

    def close(self) -> None:
        """End every process."""
        for process in (*self._idle, *self._running):
            process.kill()
        self._idle.clear()


class _Process:
    """One process that compares one pair at a time."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.reaper = asyncio.get_running_loop().create_task(process.wait())
        self.tasks = 0

    @classmethod
    async def start(cls, command: Sequence[str]) -> _Process:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", *command),
                *("--fd", str(theirs.fileno()), "--parent", str(os.getpid())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    async def run(self, task: Task) -> object:
        self.tasks += 1
        text = pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
        self._writer.write(_LENGTH.pack(len(text)) + text)
        await self._writer.drain()
        (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        # Our own process wrote it: nobody else has the other end of the socket pair.
        return pickle.loads(await self._reader.readexactly(length))  # noqa: S301 -- see above

    def kill(self) -> None:
        self._writer.close()
        if self._process.returncode is None:
            try:
                self._process.send_signal(signal.SIGKILL)
            except ProcessLookupError:
                return
