"""What Linux tells about processes under /proc: CPU time, memory and family of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEntry:
    """One line of /proc/PID/stat (proc(5)). Times in clock ticks."""

    pid: int
    name: str
    state: str
    parent: int
    own_ticks: int
    # What children used that have ended and were waited for.
    reaped_ticks: int
    started_ticks: int

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one stat line. The name stands in parentheses and may itself hold some."""
        pid, rest = line.split(" (", 1)
        name, fields_text = rest.rsplit(") ", 1)
        fields = fields_text.split()
        # proc(5) counts from 1 with pid; `fields` starts at its field 3, the state.
        return cls(
            pid=int(pid),
            name=name,
            state=fields[0],
            parent=int(fields[1]),
            own_ticks=int(fields[11]) + int(fields[12]),
            reaped_ticks=int(fields[13]) + int(fields[14]),
            started_ticks=int(fields[19]),
        )

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The entry of a process, None when there is none."""
        try:
            return cls.parse((PROC / str(pid) / "stat").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            return None


def process_tree(root: int) -> tuple[ProcessEntry, ...]:
    """A process and all its descendants, parents before children."""
    entries = [
        entry
        for folder in PROC.iterdir()
        if folder.name.isdigit() and (entry := ProcessEntry.of(int(folder.name))) is not None
    ]
    return descendants(root, entries)


def descendants(root: int, entries: list[ProcessEntry]) -> tuple[ProcessEntry, ...]:
    """Those of `entries` that are `root` or come from it, parents before children."""
    children: dict[int, list[ProcessEntry]] = {}
    for entry in entries:
        children.setdefault(entry.parent, []).append(entry)
    found = [entry for entry in entries if entry.pid == root]
    for entry in found:
        found.extend(children.get(entry.pid, ()))
    return tuple(found)


def command_line(pid: int) -> str:
    """The command of a process with its arguments, empty when it has ended."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def cpu_ticks(tree: tuple[ProcessEntry, ...]) -> int:
    """User and system time of a whole tree in ticks, with children that have already ended."""
    return sum(entry.own_ticks + entry.reaped_ticks for entry in tree)


def core_ticks(core: int) -> int:
    """Ticks that a core was busy since boot, with whatever."""
    return parse_core_ticks((PROC / "stat").read_text(), core)


def parse_core_ticks(stat: str, core: int) -> int:
    """Busy ticks of a core out of the text of /proc/stat (proc(5)). Raises KeyError without it."""
    for line in stat.splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            return user + nice + system + irq + softirq + steal
    raise KeyError(core)


def memory_kib(pid: int, field: str = "VmRSS") -> int:
    """A memory figure of /proc/PID/status in KiB: VmRSS is resident now, VmHWM its highest."""
    return parse_memory((PROC / str(pid) / "status").read_text(), field)


def parse_memory(status: str, field: str) -> int:
    """One figure out of the text of /proc/PID/status, in KiB. Raises KeyError without it."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise KeyError(field)


def reset_peak(pid: int) -> None:
    """Make VmHWM start again from the memory resident now (proc(5), clear_refs, value 5)."""
    (PROC / str(pid) / "clear_refs").write_text("5")
