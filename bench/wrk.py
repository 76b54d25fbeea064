"""wrk, the load generator: how it is called and what its report says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import HarnessError, pinned, require

SCRIPT = Path(__file__).with_name("visitors.lua")

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PERCENTILE = re.compile(r"^\s+(\d+(?:\.\d+)?)%\s+([\d.]+)(us|ms|s|m|h)$", re.MULTILINE)
_REQUESTS = re.compile(r"^\s+(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_SOCKET_ERRORS = re.compile(
    r"^\s+Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$", re.MULTILINE
)
_BAD_STATUS = re.compile(r"^\s+Non-2xx or 3xx responses: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrkReport:
    """What one run of wrk saw. Latencies in seconds, by percentile."""

    requests: int
    seconds: float
    errors: int
    latency: dict[float, float]

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return self.requests / self.seconds


def parse_report(text: str) -> WrkReport:
    """Read what wrk printed. Raises HarnessError when it is not a report."""
    total = _REQUESTS.search(text)
    if total is None:
        raise HarnessError(f"this is not a report of wrk:\n{text}")
    sockets = _SOCKET_ERRORS.search(text)
    bad = _BAD_STATUS.search(text)
    errors = sum(map(int, sockets.groups())) if sockets else 0
    errors += int(bad[1]) if bad else 0
    return WrkReport(
        requests=int(total[1]),
        seconds=float(total[2]) * _UNITS[total[3]],
        errors=errors,
        latency={
            float(percent): float(value) * _UNITS[unit]
            for percent, value, unit in _PERCENTILE.findall(text)
        },
    )


def run_wrk(
    port: int,
    visitors: Path,
    *,
    seconds: int,
    core: int | None,
    connections: int = 64,
    pause_milliseconds: int = 0,
) -> WrkReport:
    """Load 127.0.0.1:`port` from one thread with the requests listed in `visitors`.

    With `pause_milliseconds` every connection waits about that long between a response and its next
    request, which keeps the load modest and nearly the same for a fast and a slow proxy.
    """
    arguments: Sequence[str] = [
        require("wrk", "wrk"),
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds}s",
        "--timeout=10s",
        "--latency",
        f"--script={SCRIPT}",
        f"http://127.0.0.1:{port}/",
        "--",
        str(visitors),
        str(pause_milliseconds),
    ]
    done = subprocess.run(
        pinned(arguments, core), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        raise HarnessError(f"wrk ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return parse_report(done.stdout)
