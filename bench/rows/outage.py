"""What a fleet does under load while the servers it shares are dead, or its disk is full.

Flags come from Unleash, which sends everything to the new side; the flag file says 0 %. So whoever
forgets what Unleash said moves traffic, and that is counted. In every outage everything is rolled
back with `figway rollback --all --wait`, asked of one replica.
"""

from __future__ import annotations

import errno
import json
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import Fleet
from bench.fleet_load import MOST_OPEN, FleetLoad, running_load
from bench.machine import on_all_cores
from bench.origin import start_origin
from bench.ports import free_ports, wait_until_answering
from bench.priority import put_ahead
from bench.processes import HarnessError
from bench.row import RowResult, Run, Target
from bench.servers import Redis, Unleash, wait_for
from bench.table import write_table

REPLICAS = 3
RATE = 300
# How long the load is watched before, between outage and rollback, and after it.
WATCH_SECONDS, QUICK_WATCH_SECONDS = 2.0, 0.5
_DISK_BYTES = 8 * 1024 * 1024
_GROUP = "g"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One outage under load, and the rollback in it."""

    name: str
    requests: int
    failed: int
    # Due, and not sent: too many were unanswered.
    unsent: int
    # Requests that legacy answered before anybody asked for it.
    moved: int
    # Who confirmed, of how many; the slowest of their milliseconds.
    confirmed: int
    slowest_ms: float
    # Milliseconds of the whole command, with the start of its interpreter.
    command_ms: float
    # From the call to the last request that the new side answered, and how many after the return.
    last_new_ms: float
    new_afterwards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    name: str
    begin: Callable[[], None]
    end: Callable[[], None]


def measure_outage(run: Run) -> RowResult:
    """Break one thing after the other under load, and roll back each time."""
    folder = run.folder / "outage"
    folder.mkdir()
    watch = QUICK_WATCH_SECONDS if run.quick else WATCH_SECONDS
    with on_all_cores(run.cores), ExitStack() as stack:
        legacy_port, new_port = free_ports(2)
        origin = stack.enter_context(start_origin(folder / "origin", legacy_port, new_port, None))
        wait_until_answering(origin, legacy_port)
        put_ahead(origin.pid)
        files = write_table(
            folder / "table",
            routes=20,
            legacy_port=legacy_port,
            new_port=new_port,
            percent=0,
            grouped=True,
        )
        redis = stack.enter_context(Redis(folder / "redis"))
        unleash = stack.enter_context(Unleash(folder / "unleash"))
        flag = f"figway-{_GROUP}"
        unleash.admin.create_flag(flag)
        unleash.admin.set_percentage(flag, 100, group=_GROUP)
        unleash.admin.turn_on(flag)
        disk = stack.enter_context(_small_disk(folder / "disk"))
        fleet = stack.enter_context(
            Fleet(
                folder,
                files,
                size=REPLICAS,
                redis_url=redis.url,
                states=[disk.folder / f"{number}" for number in range(REPLICAS)],
                environ={
                    "FIGWAY_UNLEASH_URL": unleash.server.api,
                    "FIGWAY_UNLEASH_TOKEN": unleash.server.client_token,
                },
            )
        )

        def kill_both() -> None:
            redis.kill()
            unleash.kill()

        def start_both() -> None:
            redis.start()
            unleash.start()

        faults = (
            _Fault(name="Redis killed", begin=redis.kill, end=lambda: _discard(redis.start())),
            _Fault(name="Unleash killed", begin=unleash.kill, end=unleash.start),
            _Fault(name="both killed", begin=kill_both, end=start_both),
            _Fault(
                name="state disk full",
                begin=lambda: disk.fill(fleet),
                end=lambda: disk.free(fleet),
            ),
        )
        wait_for("Unleash's flag is in use everywhere", lambda: _is_calm(fleet), 60)
        outages = [
            _suffer(folder, fleet, fault, number, watch) for number, fault in enumerate(faults)
        ]
        how = disk.how
    return describe_outage(outages, how)


def _discard(value: object) -> None:
    del value


def _suffer(folder: Path, fleet: Fleet, fault: _Fault, number: int, watch: float) -> Outage:
    asked = fleet.replicas[number % fleet.size]
    with running_load(folder, fleet.ports, RATE) as load:
        time.sleep(watch)
        began = time.monotonic_ns()
        fault.begin()
        time.sleep(watch)
        called = time.monotonic_ns()
        done = asked.run_command("rollback", "--all", "--reason", "bench", "--wait", "--json")
        returned = time.monotonic_ns()
        time.sleep(watch)
        ended = time.monotonic_ns()
        # Recovery is under load too.
        fault.end()
        wait_for(f"all is well after: {fault.name}", lambda: _is_well(fleet), 60)
        asked.run_command("resume", "--all", "--reason", "bench", "--wait")
        wait_for(f"traffic is back after: {fault.name}", lambda: _is_calm(fleet), 60)
        time.sleep(watch)
    return read_outage(fault.name, load, began, called, returned, ended, done.output)


def read_outage(
    name: str, load: FleetLoad, began: int, called: int, returned: int, ended: int, printed: str
) -> Outage:
    """What the load saw of an outage, and what the command printed about the rollback in it."""
    words = [word for word in json.loads(printed)["replicas"] if word["state"] == "applied"]
    return Outage(
        name=name,
        requests=len(load.asked),
        failed=load.failed,
        unsent=load.unsent,
        moved=sum(1 for _ in load.of("legacy", began, called)),
        confirmed=len(words),
        slowest_ms=max((word["ms"] for word in words), default=0.0),
        command_ms=(returned - called) / 1e6,
        last_new_ms=(load.last_new(called, ended) - called) / 1e6,
        new_afterwards=sum(1 for _ in load.of("new", returned, ended)),
    )


def _is_well(fleet: Fleet) -> bool:
    """Whether every replica hears Redis and Unleash."""
    found = [fleet.ask(number, "/api/v1/status") for number in range(fleet.size)]
    return all(
        each["fleet"]["state"] in ("ok", "slow") and each["provider"]["connection"] == "ok"
        for each in found
    )


def _is_calm(fleet: Fleet) -> bool:
    """Whether, besides, nothing is rolled back and all are seen by all."""
    return (
        _is_well(fleet)
        and not any(fleet.is_held())
        and all(_shares(fleet, number) for number in range(fleet.size))
    )


def _shares(fleet: Fleet, number: int) -> bool:
    live = [r for r in fleet.ask(number, "/api/v1/status")["replicas"] if r["live"]]
    return len(live) == fleet.size


class _Disk:
    """Where the replicas keep their state, and how it is filled up."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.folder = folder
        self._mounted = mounted
        self._ballast = folder / "ballast"

    @property
    def how(self) -> str:
        """How it is made full, for the reader."""
        if self._mounted:
            return f"a tmpfs of {_DISK_BYTES // 2**20} MiB with the state of all replicas, filled"
        return "RLIMIT_FSIZE 0 for all supervisors (no file system could be mounted here)"

    def fill(self, fleet: Fleet) -> None:
        """Not a byte more goes on it."""
        if not self._mounted:
            self._limit(fleet, 0)
            return
        with self._ballast.open("wb", buffering=0) as file:
            for size in (65536, 512, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError as problem:
                    if problem.errno != errno.ENOSPC:
                        raise

    def free(self, fleet: Fleet) -> None:
        """There is room again."""
        if not self._mounted:
            self._limit(fleet, resource.RLIM_INFINITY)
            return
        self._ballast.unlink()

    @staticmethod
    def _limit(fleet: Fleet, most: int) -> None:
        for replica in fleet.replicas:
            resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@contextmanager
def _small_disk(folder: Path) -> Iterator[_Disk]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "figway-bench", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield _Disk(folder, mounted=mounted)
    finally:
        if mounted:
            done = subprocess.run(["umount", str(folder)], capture_output=True, check=False)
            if done.returncode != 0:
                raise HarnessError(f"umount {folder}: {done.stderr.decode()}")


def describe_outage(outages: Sequence[Outage], how: str) -> RowResult:
    """Every outage as a row."""
    return RowResult(
        name="outage",
        title=f"Outages under load: {REPLICAS} replicas, {RATE} requests/s, a rollback in each",
        header=(
            *("outage", "requests", "failed", "moved by it", "confirmed", "slowest replica"),
            *("whole command", "call to last request on new", "new after return"),
        ),
        lines=tuple(
            (
                each.name,
                f"{each.requests:,}",
                f"{each.failed}",
                f"{each.moved}",
                f"{each.confirmed} of {REPLICAS}",
                f"{each.slowest_ms:.1f} ms",
                f"{each.command_ms:.0f} ms",
                f"{each.last_new_ms:.0f} ms",
                f"{each.new_afterwards}",
            )
            for each in outages
        ),
        targets=(
            Target(what="failed requests", value=sum(o.failed for o in outages), bound=0),
            Target(
                what="requests that an outage alone moved",
                value=sum(each.moved for each in outages),
                bound=0,
            ),
            Target(
                what="replicas that did not confirm a rollback",
                value=sum(REPLICAS - each.confirmed for each in outages),
                bound=0,
            ),
            Target(
                what="requests sent after the command's return and answered by the new side",
                value=sum(each.new_afterwards for each in outages),
                bound=0,
            ),
        ),
        notes=(
            "The command is `figway rollback --all --wait`; with Redis dead it asks every replica "
            "by itself. Most of its time is the start of its interpreter.",
            "slowest replica: from the moment it, or the one that was asked, began, to its "
            "workers' word. Recovery and resume are under load too.",
            f"Full disk: {how}.",
            f"{sum(each.unsent for each in outages)} requests were due and not sent: more than "
            f"{MOST_OPEN} were unanswered.",
        ),
        figures={
            each.name: {
                "requests": each.requests,
                "failed_requests": each.failed,
                "unsent_requests": each.unsent,
                "moved": each.moved,
                "confirmed": each.confirmed,
                "slowest_ms": each.slowest_ms,
                "command_ms": each.command_ms,
                "last_new_ms": each.last_new_ms,
                "new_afterwards": each.new_afterwards,
            }
            for each in outages
        },
    )
