"""The machine a run took place on, and how its cores are shared out."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import Cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a reader needs to judge the numbers."""

    cores: int
    processor: str
    memory_gib: float
    kernel: str
    python: str
    load_average: float


def describe_machine() -> Machine:
    """Read the facts of this machine."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=_first_value(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=platform.release().split("-")[0],
        python=platform.python_version(),
        load_average=round(os.getloadavg()[0], 2),
    )


def share_cores() -> Cores:
    """The last core for the proxies, the first for load and origin; no pinning on a single core."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return Cores(proxy=None, load=None)
    return Cores(proxy=allowed[-1], load=allowed[0])


@contextmanager
def on_all_cores(cores: Cores) -> Iterator[None]:
    """Within the block, what is started without a core of its own may use all of them."""
    before = os.sched_getaffinity(0)
    every = {core for core in (cores.proxy, cores.load) if core is not None}
    os.sched_setaffinity(0, every or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _first_value(file: Path, key: str) -> str:
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
