"""One worker: its process, its end of the link, and what is known of it."""

from __future__ import annotations

import asyncio
import os
import signal
import site
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from proxy.link import Link, Message, Ready, open_link
from proxy.tally import TallySnapshot

WORKER_COMMAND = ("-m", "proxy.worker")


class WorkerState(StrEnum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    ENDED = "ended"


class WorkerProcess:
    """A running worker. Make one with `spawn`; `ended` is set once the process has gone."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self.number = number
        self.pid = process.pid
        self.state = WorkerState.STARTING
        self.started = time.monotonic()
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        # Set when the link closes, whoever closed it; a worker without one drains and ends.
        self.link_lost: asyncio.Future[Exception | None] = (
            asyncio.get_running_loop().create_future()
        )
        # The last state that it said it uses.
        self.applied_revision = 0
        self.routes_revision = 0
        self.config_revision = ""
        # What it had counted when it last answered; a dead worker's numbers are not lost.
        self.tally = TallySnapshot()
        self._process = process
        self._link: Link | None = None

    @classmethod
    async def spawn(
        cls,
        number: int,
        listener: socket.socket,
        *,
        on_message: Callable[[WorkerProcess, Message], None],
        command: Sequence[str] = WORKER_COMMAND,
    ) -> WorkerProcess:
        """Start a process that inherits the listener and one end of a link. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Whatever stands in the current directory is not ours to import.
                "-P",
                *command,
                "--listen-fd",
                str(listener.fileno()),
                "--link-fd",
                str(theirs.fileno()),
                pass_fds=(listener.fileno(), theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                env=_environment(os.environ),
                # Ctrl-C in a terminal goes to a whole process group: only the supervisor may
                # take it, or requests in flight would be cut off. Not a session of its own: Linux
                # shares processors out among sessions first (sched(7), autogroup), and there a low
                # priority of the observer would mean nothing to a worker.
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = cls(number, process)

        def heard(message: Message) -> None:
            if isinstance(message, Ready):
                worker.state = WorkerState.READY
                worker.ready.set()
            on_message(worker, message)

        worker._link = await open_link(
            ours, on_message=heard, on_closed=worker.link_lost.set_result
        )
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether the process may still decide requests."""
        return not self.ended.is_set()

    @property
    def uptime(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    def send(self, message: Message) -> None:
        """Send, if the link is open."""
        if self._link is not None:
            self._link.send(message)

    async def wait(self) -> int:
        """Wait for the end of the process; return its exit code, negative for a signal."""
        code = await self._process.wait()
        self.state = WorkerState.ENDED
        self.ended.set()
        if self._link is not None:
            self._link.close()
        return code

    def kill(self) -> None:
        """End it now, whatever it does."""
        if self.is_alive:
            try:
                self._process.send_signal(signal.SIGKILL)
            except ProcessLookupError:
                return


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The worker imports the code that the supervisor runs, also from an unpacked source tree."""
    environment = dict(given)
    root = Path(__file__).resolve().parents[2]
    if str(root) not in site.getsitepackages():
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{known}" if known else str(root)
    return environment
