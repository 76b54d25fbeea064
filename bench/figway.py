"""Figway as the benchmark runs it: `figway serve`, its worker processes, its commands."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.ports import free_ports, wait_until_answering
from bench.proc import ProcessEntry, command_line, process_tree
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
        self, folder: Path, files: TableFiles, *, core: int | None, workers: int = 1
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.admin_port = free_ports(2)
        self.state_folder = folder / "state"
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
            ],
            core=core,
            log=folder / "log",
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


def figway_command() -> Path:
    """The installed console script, beside the interpreter that runs the benchmark."""
    command = Path(sys.executable).with_name("figway")
    if not command.exists():
        raise HarnessError("figway is not installed: `.venv/bin/pip install -e .`")
    return command
