"""What a run that was killed left behind: its processes, written down while it ran, and folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.servers import RunError

_END_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process group's leader: `began` tells it from a later process with the same number."""

    pid: int
    name: str
    began: str

    @classmethod
    def of(cls, pid: int, name: str) -> Process:
        """A process that runs now."""
        return cls(pid=pid, name=name, began=_began(pid))

    def lives(self) -> bool:
        """Whether this very process is still there."""
        return bool(self.began) and _began(self.pid) == self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """The record of one kind of run in a file: who runs it, what it started, what it made."""

    file: Path

    def write(self, processes: Sequence[tuple[int, str]], folder: Path) -> None:
        """Remember these processes, as (pid, name), and a folder that goes with them."""
        runner = Process.of(os.getpid(), "runner")
        record = {
            "folder": str(folder),
            "processes": [
                {"pid": p.pid, "name": p.name, "began": p.began}
                for p in (runner, *(Process.of(pid, name) for pid, name in processes))
            ],
        }
        text = json.dumps(record, indent=1)
        draft = self.file.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.file)

    def forget(self) -> None:
        """Nothing of ours is left."""
        self.file.unlink(missing_ok=True)

    def clear(self) -> list[str]:
        """End what an earlier run left; the names of it. Raises RunError while that run lives."""
        try:
            record = json.loads(self.file.read_text())
            folder = Path(record["folder"])
            runner, *children = (Process(**entry) for entry in record["processes"])
        except (OSError, ValueError, KeyError, TypeError):
            # Nothing was written, or not all of it: whatever still runs is found by its port.
            return []
        if runner.lives() and runner.pid != os.getpid():
            raise RunError(
                f"it runs already, as process {runner.pid}. End that one first:  kill {runner.pid}"
            )
        left = [child for child in children if child.lives()]
        for child in left:
            _end(child)
        shutil.rmtree(folder, ignore_errors=True)
        self.forget()
        return [child.name for child in left]


def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + _END_SECONDS
        while process.lives() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _began(pid: int) -> str:
    """When a process began, in whatever words this system has; empty when there is none."""
    if Path("/proc/self/stat").exists():
        try:
            # proc_pid_stat(5): the name in parentheses may hold anything; state is field 3,
            # starttime field 22. A zombie is no process.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    done = subprocess.run(  # noqa: S603 - fixed words and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
