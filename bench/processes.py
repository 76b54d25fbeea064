"""The processes the benchmark starts: each in a group of its own, each ended by its id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bench.proc import ProcessEntry, process_tree
from deploy.service import RunsAs

STOP_SECONDS = 8.0


class HarnessError(Exception):
    """The benchmark itself could not run; says what to do about it. Never a missed target."""


def require(command: str, package: str) -> str:
    """The path of an installed command. Raises HarnessError naming the package that has it."""
    # Debian keeps servers out of an ordinary user's PATH.
    found = shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise HarnessError(
            f"{command} is not installed: run `bench/install-peers`, "
            f"or install the package {package} yourself"
        )
    return found


def pinned(arguments: Sequence[str], core: int | None) -> list[str]:
    """The same command, allowed to run on one core only; its children inherit this."""
    if core is None:
        return list(arguments)
    return [require("taskset", "util-linux"), "--cpu-list", str(core), *arguments]


class OwnedProcess:
    """One started command and all it starts. Ends with the `with` block, whatever happens."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        core: int | None,
        log: Path,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        runs_as: RunsAs | None = None,
    ) -> None:
        """`runs_as` is another account, where this one may start programs as it."""
        self.name = name
        self.log = log
        self._log_file: IO[bytes] = log.open("ab")
        # A session of its own: Ctrl-C reaches only the benchmark, which then ends what it started.
        self._process = subprocess.Popen(
            pinned(arguments, core),
            stdin=subprocess.DEVNULL,
            stdout=self._log_file,
            stderr=subprocess.STDOUT,
            env=None if environ is None else {**os.environ, **environ},
            cwd=folder,
            start_new_session=True,
            **(runs_as or {}),
        )

    def __repr__(self) -> str:
        return f"<OwnedProcess {self.name} [{self.pid}]>"

    @property
    def pid(self) -> int:
        """The process id of the command itself, the root of its tree."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise HarnessError with the end of the log when the command has ended."""
        code = self._process.poll()
        if code is not None:
            raise HarnessError(f"{self.name} ended with status {code}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        """The last lines the command wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself."""
        self._process.send_signal(number)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the whole tree: SIGTERM, a wait, then SIGKILL for what is left of it."""
        tree = process_tree(self.pid)
        self._signal_group(signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._signal_group(signal.SIGKILL)
            self._process.wait()
        for entry in tree:
            _end_leftover(entry)
        self._log_file.close()

    def kill(self) -> None:
        """End the whole tree at once; nothing of it gets to do anything any more."""
        tree = process_tree(self.pid)
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        for entry in tree:
            _end_leftover(entry)
        self._log_file.close()

    def _signal_group(self, number: signal.Signals) -> None:
        # The leader is not reaped before wait(), so its id cannot belong to someone else yet.
        if self._process.returncode is None:
            os.killpg(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _end_leftover(entry: ProcessEntry) -> None:
    """End a process left over from a tree: it gets a second to follow, then SIGKILL."""
    if not _gone_within(entry, 1.0):
        os.kill(entry.pid, signal.SIGKILL)
        _gone_within(entry, 1.0)


def _gone_within(entry: ProcessEntry, seconds: float) -> bool:
    """Whether the process ends in time. Its id may have gone to another one: that is not it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = ProcessEntry.of(entry.pid)
        if now is None or now.started_ticks != entry.started_ticks or now.state == "Z":
            return True
        time.sleep(0.02)
    return False
