"""A server that `make run` starts: its process group, its log, when it is ready, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

_LOG_TAIL_LINES = 15
_POLL_SECONDS = 0.05


class ServiceError(Exception):
    """A server did not become ready, or died. The message says which, why and where its log is."""


class RunsAs(TypedDict, total=False):
    """Whom a process runs as, in the words of subprocess.Popen; empty: as we do."""

    user: int
    group: int
    extra_groups: list[int]


class Service:
    """One child with a process group of its own: Ctrl-C reaches only us, and we stop them in order.

    `ready` is an address that answers 200 once it serves, or tcp://HOST:PORT that accepts. `group`
    says that SIGTERM goes to every process of the group: PHP's server leaves its workers behind
    when only the parent is told.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: str,
        log: Path,
        environment: Mapping[str, str],
        directory: Path,
        group: bool = False,
        runs_as: RunsAs | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._ready = ready
        self._group = group
        self._asked = False
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command lines
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=directory,
                start_new_session=True,
                **(runs_as or {}),
            )

    @property
    def pid(self) -> int:
        """The process, and its group."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def wait_until_ready(self, seconds: float, cancelled: Callable[[], bool]) -> None:
        """Wait until the ready address answers 200, or `cancelled`. Raises ServiceError."""
        deadline = time.monotonic() + seconds
        last = "nothing answered"
        while not cancelled():
            if not self.is_running():
                raise ServiceError(self.death_notice())
            try:
                last = self._ask()
                if not last:
                    return
            except (OSError, urllib.error.URLError) as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{self.name} did not become ready within {seconds:.0f} s"
                    f" ({self._ready}: {last}).\n{self._tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def _ask(self) -> str:
        """Empty when it is ready, else why not. Raises OSError."""
        address = urlsplit(self._ready)
        if address.scheme == "tcp":
            socket.create_connection((str(address.hostname), int(address.port or 0)), 5).close()
            return ""
        with urllib.request.urlopen(self._ready, timeout=5) as answer:  # noqa: S310 - http on loopback
            return "" if answer.status == 200 else f"status {answer.status}"

    def death_notice(self) -> str:
        """How it ended, and the last lines it wrote."""
        status = self._process.returncode
        how = (
            f"by signal {-status}" if status is not None and status < 0 else f"with status {status}"
        )
        return f"{self.name} ended {how}.\n{self._tail()}"

    def ask_to_stop(self) -> None:
        """Ask it to stop, once, and do not wait."""
        # A second signal would cut short what it does to end in order.
        self._asked = True
        with suppress(ProcessLookupError):
            if self._group:
                os.killpg(self._process.pid, signal.SIGTERM)
            else:
                self._process.terminate()

    def stop(self, seconds: float, hurry: Callable[[], bool]) -> None:
        """Ask it to stop, wait until it has or `hurry`, then end what is left of it by force."""
        if not self._asked:
            self.ask_to_stop()
        deadline = time.monotonic() + seconds
        while self.is_running() and not hurry() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        # macOS answers EPERM for a group that holds nothing but the dead.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        text = "\n".join(f"    | {line}" for line in lines) or "    | (it wrote nothing)"
        return f"    The end of {self.log}:\n{text}"
