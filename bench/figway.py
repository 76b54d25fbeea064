"""Figway as the benchmark runs it: `figway serve`, its worker processes, its commands."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.ports import free_ports, wait_until_answering
from bench.proc import PROC, ProcessEntry, command_line, process_tree
from bench.processes import HarnessError, OwnedProcess
from bench.table import TableFiles

# A table of 10,000 routes takes seconds to read and check.
READY_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun:
    """A finished command: when it began and ended (monotonic seconds) and what it printed."""

    began: float
    returned: float
    output: str


class Figway:
    """A running `figway serve`. Ends with the `with` block."""

    def __init__(
        self,
        folder: Path,
        files: TableFiles,
        *,
        core: int | None,
        workers: int = 1,
        ports: tuple[int, int] | None = None,
        options: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        state: Path | None = None,
    ) -> None:
        """`ports` are those of clients and of the admin listener; free ones without."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port, self.admin_port = ports or free_ports(2)
        self.state_folder = state or folder / "state"
        began = time.monotonic()
        self.process = OwnedProcess(
            "figway",
            [
                *(str(figway_command()), "serve"),
                *("--config", str(files.routes), "--flags", str(files.flags)),
                *("--state-dir", str(self.state_folder)),
                *("--listen", f"127.0.0.1:{self.port}"),
                *("--admin", f"127.0.0.1:{self.admin_port}"),
                *("--workers", str(workers)),
                *options,
            ],
            core=core,
            log=folder / "log",
            environ=environ,
            folder=folder,
        )
        try:
            wait_until_answering(self.process, self.admin_port, "/readyz", seconds=READY_SECONDS)
            wait_until_answering(self.process, self.port)
        except BaseException:
            self.process.stop()
            raise
        self.seconds_to_ready = time.monotonic() - began

    @property
    def pid(self) -> int:
        """The supervisor, root of the process tree."""
        return self.process.pid

    def workers(self) -> tuple[ProcessEntry, ...]:
        """The worker processes, oldest first."""
        found = tuple(
            entry
            for entry in process_tree(self.pid)
            if entry.pid != self.pid and "proxy.worker" in command_line(entry.pid)
        )
        if not found:
            raise HarnessError(f"figway runs no worker:\n{self.process.log_tail()}")
        return found

    def only_worker(self) -> int:
        """The process id of the one worker."""
        (worker,) = self.workers()
        return worker.pid

    def observer(self) -> int | None:
        """The process id of the observer, None when no route is shadowed."""
        for entry in process_tree(self.pid):
            if "proxy.observer" in command_line(entry.pid).split():
                return entry.pid
        return None

    def move_observer(self, core: int | None) -> None:
        """Let the observer, with all its threads and children, run on this core."""
        observer = self.observer()
        if core is None or observer is None:
            return
        for entry in process_tree(observer):
            for thread in (PROC / str(entry.pid) / "task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})

    def shadow_outcomes(self) -> dict[str, int]:
        """How many copies ended in each outcome so far, from the metrics page."""
        return count_outcomes(self.metrics())

    def metrics(self) -> str:
        """The metrics page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request(
                "GET", "/metrics", headers={"Authorization": f"Bearer {self.token()}"}
            )
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def copy(self, *, on: bool) -> None:
        """Pause or resume all shadow traffic; every worker knows when this returns."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request(
                "POST",
                f"/api/v1/shadow/{'resume' if on else 'pause'}",
                body=json.dumps({"reason": "benchmark"}),
                headers={
                    "Authorization": f"Bearer {self.token()}",
                    "Content-Type": "application/json",
                },
            )
            response = connection.getresponse()
            told = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise HarnessError(f"figway answered {response.status}:\n{told}")

    def token(self) -> str:
        """The bearer token of the admin listener."""
        return (self.state_folder / "admin-token").read_text().strip()

    def run_command(self, *arguments: str, core: int | None = None) -> CommandRun:
        """Run `figway ARGUMENTS` against this instance. Raises HarnessError when it fails."""
        del core
        began = time.monotonic()
        done = subprocess.run(
            [str(figway_command()), *arguments],
            env={
                "PATH": "/usr/bin:/bin",
                "FIGWAY_ADMIN": f"http://127.0.0.1:{self.admin_port}",
                "FIGWAY_STATE_DIR": str(self.state_folder),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        returned = time.monotonic()
        if done.returncode != 0:
            raise HarnessError(
                f"figway {' '.join(arguments)} ended with {done.returncode}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return CommandRun(began=began, returned=returned, output=done.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.stop()


_OUTCOME = re.compile(
    r'^figway_shadow_outcomes_total\{.*?outcome="(\w+)".*?\} (\S+)$', re.MULTILINE
)


def count_outcomes(page: str) -> dict[str, int]:
    """Sum the outcomes of all routes on a metrics page."""
    counts: dict[str, int] = {}
    for outcome, value in _OUTCOME.findall(page):
        counts[outcome] = counts.get(outcome, 0) + int(float(value))
    return counts


def figway_command() -> Path:
    """The installed console script, beside the interpreter that runs the benchmark."""
    command = Path(sys.executable).with_name("figway")
    if not command.exists():
        raise HarnessError("figway is not installed: `.venv/bin/pip install -e .`")
    return command
