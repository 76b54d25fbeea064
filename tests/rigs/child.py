"""A server in a process group of its own: ready when it accepts, ended whole."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from deploy.service import RunsAs

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 30.0
_POLL_SECONDS = 0.01


# Below the ports that the kernel lends to outgoing connections: one of those could take the port
# between our look and the server's start.
_PORTS = range(10_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, as far as anybody can promise."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.socket() as held:
            held.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def accepts(port: int) -> bool:
    """Whether somebody listens on this port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Child:
    """A started server. `output()` is what it wrote, for messages and for assertions."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path = ROOT,
        runs_as: RunsAs | None = None,
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=directory,
                start_new_session=True,
                **(runs_as or {}),
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def output(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_for_port(self, *ports: int) -> Child:
        """Wait until it accepts on these ports; AssertionError when it dies or does not."""
        return self.wait_until(lambda: all(accepts(port) for port in ports))

    def wait_until(self, condition: Callable[[], bool], seconds: float = _START_SECONDS) -> Child:
        """Wait for something that it will bring about; AssertionError when it dies or does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it died:\n{self.output()}"
            assert time.monotonic() < deadline, f"it never came:\n{self.output()}"
            time.sleep(_POLL_SECONDS)
        return self

    def wait_for_output(self, words: str, seconds: float = _START_SECONDS) -> str:
        """Wait until it has written these words; returns all of its output."""
        self.wait_until(lambda: words in self.output(), seconds)
        return self.output()

    def signal_group(self, number: int) -> None:
        """Send a signal to every process of the group, as a terminal does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        """End the whole group, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.signal_group(signal.SIGKILL)
        self.process.wait()
