"""The proxy under test as a process of its own: for what memory and descriptors it takes."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from flags.snapshot import NOTHING_SET
from proxy.link import Applied, Apply, Start, decode, encode, parts
from proxy.routing.route import RouteFile
from proxy.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


class WorkerProcess:
    """Runs `python -m proxy.worker`, with the test as its supervisor. Use as a context manager."""

    def __init__(
        self,
        routes: RouteFile,
        settings: Settings,
        *,
        descriptors: int | None = None,
        observer: str = "",
    ) -> None:
        self._routes, self._settings, self._descriptors = routes, settings, descriptors
        self._observer = observer
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            ours, theirs = socket.socketpair()
            opened.enter_context(theirs)
            self._link = self._stack.enter_context(ours)
            self._link.settimeout(PATIENCE)
            self.address: tuple[str, int] = listener.getsockname()
            command = [sys.executable, "-m", "proxy.worker"]
            command += ["--listen-fd", str(listener.fileno()), "--link-fd", str(theirs.fileno())]
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                pass_fds=(listener.fileno(), theirs.fileno()),
                preexec_fn=self._limit,
            )
        self._send(Start(worker=0, settings=self._settings, observer=self._observer))
        self._send(Apply(revision=1, routes=self._routes, flags=NOTHING_SET))
        while not isinstance(self._receive(), Applied):
            pass
        return self

    def _limit(self) -> None:
        if self._descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))

    def _send(self, message: Start | Apply) -> None:
        for part in parts(message):
            self._link.sendall(encode(part))

    def _receive(self) -> object:
        (size,) = struct.unpack(">I", self._exactly(4))
        return decode(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._link.recv(size - len(data))
            assert piece, "the worker ended"
            data += piece
        return data

    def resident_bytes(self) -> int:
        """What of the process is in memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_descriptors(self) -> int:
        """Descriptors the process has."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __exit__(self, *_: object) -> None:
        # Without its supervisor a worker drains; the test does not wait for that.
        self._stack.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
