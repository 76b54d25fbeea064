"""A port of this machine: whether it is free, and who holds it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
# The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h: TCP_LISTEN).
_LISTEN = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that `make run` needs: its number, for whom, and the variable that chooses another."""

    number: int
    purpose: str
    variable: str

    @property
    def url(self) -> str:
        """The address of the server on it."""
        return f"http://{HOST}:{self.number}"

    def is_free(self) -> bool:
        """Whether this port of the loopback address can be listened on."""
        with socket.socket() as probe:
            # As the servers do: a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.number))
            except OSError:
                return False
        return True

    def complaint(self, command: str) -> str:
        """What is wrong and the mend, for a port that is not free; `command` is what was typed."""
        holder = port_holder(self.number)
        stop = (
            f"kill {holder[0]}" if holder else f"find out with  ss -ltnp 'sport = :{self.number}'"
        )
        by = f" by {holder[1]} (process {holder[0]})" if holder else ""
        return (
            f"port {self.number} for {self.purpose} is in use{by}.\n"
            f"    Stop what holds it ({stop}), or choose another port:"
            f"  {self.variable}={self.number % 50000 + 10000} {command}"
        )


def port_holder(number: int) -> tuple[int, str] | None:
    """The process that listens on a port, as (pid, name); None when that cannot be known."""
    if Path("/proc/net/tcp").exists():
        return _holder_from_proc(number)
    return _holder_from_lsof(number)


def _holder_from_proc(number: int) -> tuple[int, str] | None:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == number:
                    inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        # Other people's processes are closed to us, and any process may end while we look.
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in inodes:
                    return int(process.name), (process / "comm").read_text().strip()
    return None


def _holder_from_lsof(number: int) -> tuple[int, str] | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    found = subprocess.run(  # noqa: S603 - fixed words and a number
        [lsof, "-nP", f"-iTCP:{number}", "-sTCP:LISTEN", "-Fpc"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    fields = {line[0]: line[1:] for line in found.splitlines() if line}
    return (int(fields["p"]), fields.get("c", "a process")) if "p" in fields else None
