"""`figway rollback --all` under load: nothing fails, nothing reaches the new side afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.figway import Figway
from bench.origin import start_origin
from bench.ports import free_ports, wait_until_answering
from bench.processes import HarnessError, OwnedProcess
from bench.rounds import Spread
from bench.row import Figure, RowResult, Run, Target
from bench.table import write_table
from bench.visit import Visit, request

WORKERS = 2
CLIENTS = 32
PAUSE_SECONDS = 0.015
# How long the load is watched before and after each flip.
WATCH_SECONDS = 0.4
RETURN_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request of the load: when it was sent, and who answered what. Monotonic nanoseconds."""

    sent: int
    side: bytes
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One rollback: when it was called, when it returned, and what was seen afterwards."""

    called: int
    returned: int
    # The last request the new origin got, 0 when it got none at all.
    last_arrival: int
    arrivals_afterwards: int
    asked_afterwards_and_answered_by_new: int

    @property
    def took(self) -> float:
        """Seconds from the call to its return."""
        return (self.returned - self.called) / 1e9

    @property
    def last_new(self) -> float:
        """Seconds from the call to the last request the new origin got."""
        return max(0.0, (self.last_arrival - self.called) / 1e9)


class Load:
    """Visitors that keep asking through Figway, each on one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: list[Answer] = []
        self._stopping = False

    async def run(self) -> None:
        """Ask until told to stop."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._visit(number))

    def stop(self) -> None:
        """End after the requests in flight."""
        self._stopping = True

    async def _visit(self, number: int) -> None:
        visit: Visit | None = None
        loop = asyncio.get_running_loop()
        turn = number
        while not self._stopping:
            sent = time.monotonic_ns()
            status, side = 0, b""
            try:
                if visit is None:
                    _, visit = await loop.create_connection(Visit, "127.0.0.1", self._port)
                sent = time.monotonic_ns()
                status = await visit.ask(request(turn))
                side = visit.side
            except OSError:
                # Counted as a failed request: a visitor would have seen an error page.
                visit = None
            self.answers.append(Answer(sent=sent, side=side, status=status))
            turn += CLIENTS
            await asyncio.sleep(PAUSE_SECONDS)
        if visit is not None:
            visit.close()


def measure_flip(run: Run) -> RowResult:
    """Flip again and again, by the command and by the admin API, with a resume in between."""
    folder = run.folder / "flip"
    folder.mkdir()
    flips = 5 if run.quick else 25
    legacy_port, unused_port, new_port = free_ports(3)
    root = Path(__file__).resolve().parents[2]
    with ExitStack() as stack:
        stack.enter_context(
            start_origin(folder / "origin", legacy_port, unused_port, run.cores.load)
        )
        witness = stack.enter_context(
            OwnedProcess(
                "witness",
                [sys.executable, "-m", "bench.witness", "--port", str(new_port)],
                core=run.cores.load,
                log=folder / "witness.log",
                folder=root,
            )
        )
        wait_until_answering(witness, new_port, "/witness/0")
        files = write_table(
            folder / "table", routes=20, legacy_port=legacy_port, new_port=new_port, percent=100
        )
        figway = stack.enter_context(
            Figway(folder / "figway", files, core=run.cores.proxy, workers=WORKERS)
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            load, by_command, by_api = runner.run(_flip_all(figway, new_port, flips))
    return describe_flips(load.answers, {"figway rollback --all": by_command, "admin API": by_api})


async def _flip_all(
    figway: Figway, new_port: int, flips: int
) -> tuple[Load, list[Flip], list[Flip]]:
    load = Load(figway.port)
    running = asyncio.create_task(load.run(), name="load")
    token = figway.token()

    def roll_back_by_command() -> None:
        figway.run_command("rollback", "--all", "--reason", "bench")

    def roll_back_by_api() -> None:
        call_admin(figway, token, "rollback", {"scope": "all", "reason": "bench"})

    try:
        by_command = [
            await _flip(figway, load, new_port, roll_back_by_command) for _ in range(flips)
        ]
        by_api = [await _flip(figway, load, new_port, roll_back_by_api) for _ in range(flips)]
    finally:
        load.stop()
        await running
    return load, by_command, by_api


async def _flip(figway: Figway, load: Load, new_port: int, roll_back: Callable[[], None]) -> Flip:
    """One rollback under load, then the resume that undoes it."""
    await _wait_for_new(load)
    await asyncio.sleep(WATCH_SECONDS)
    first = len(load.answers)

    def call() -> tuple[int, int]:
        called = time.monotonic_ns()
        roll_back()
        return called, time.monotonic_ns()

    # In a thread: the load goes on meanwhile.
    called, returned = await asyncio.to_thread(call)
    await asyncio.sleep(WATCH_SECONDS)
    arrivals = await asyncio.to_thread(_arrivals, new_port, called - int(WATCH_SECONDS * 1e9))
    flip = Flip(
        called=called,
        returned=returned,
        last_arrival=max(arrivals, default=0),
        arrivals_afterwards=sum(moment > returned for moment in arrivals),
        asked_afterwards_and_answered_by_new=sum(
            answer.sent > returned and answer.side == b"new" for answer in load.answers[first:]
        ),
    )
    await asyncio.to_thread(figway.run_command, "resume", "--all", "--reason", "bench")
    return flip


async def _wait_for_new(load: Load) -> None:
    """Wait until the new side answers everything again."""
    deadline = time.monotonic() + RETURN_SECONDS
    while time.monotonic() < deadline:
        last = load.answers[-CLIENTS:]
        if len(last) == CLIENTS and all(answer.side == b"new" for answer in last):
            return
        await asyncio.sleep(0.02)
    raise HarnessError(f"after a resume the new side got no traffic for {RETURN_SECONDS:.0f} s")


def _arrivals(new_port: int, since: int) -> list[int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{new_port}/witness/{since}", timeout=10) as got:
        moments: list[int] = json.load(got)
        return moments


def call_admin(figway: Figway, token: str, action: str, body: dict[str, str]) -> None:
    """POST to the admin API of a running Figway."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{figway.admin_port}/api/v1/{action}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            answer.read()
    except OSError as problem:
        raise HarnessError(f"the admin API refused {action}: {problem}") from problem


def describe_flips(answers: list[Answer], ways: dict[str, list[Flip]]) -> RowResult:
    """The flips of every way to roll back, and the load around them, as a row."""
    failed = sum(answer.status != 200 for answer in answers)
    every = [flip for flips in ways.values() for flip in flips]
    figures: dict[str, Figure] = {
        way: {
            "seconds_to_return": [flip.took for flip in flips],
            "seconds_to_last_new_request": [flip.last_new for flip in flips],
            "arrivals_afterwards": [flip.arrivals_afterwards for flip in flips],
        }
        for way, flips in ways.items()
    }
    figures["requests"] = len(answers)
    figures["failed_requests"] = failed
    return RowResult(
        name="flip",
        title=f"Rollback under load: {len(every)} flips, {len(answers):,} requests, "
        f"{WORKERS} workers",
        header=(
            "way",
            "flips",
            "call to return, median",
            "highest",
            "call to last request on new, median",
            "highest",
            "on new after return",
        ),
        lines=tuple(
            (
                way,
                f"{len(flips)}",
                f"{(took := Spread.of([flip.took * 1e3 for flip in flips])).median:.1f} ms",
                f"{took.high:.1f} ms",
                f"{(last := Spread.of([flip.last_new * 1e3 for flip in flips])).median:.1f} ms",
                f"{last.high:.1f} ms",
                f"{sum(flip.arrivals_afterwards for flip in flips)}",
            )
            for way, flips in ways.items()
        ),
        targets=(
            Target(what="failed requests", value=failed, bound=0),
            Target(
                what="requests that reached the new origin after the return",
                value=sum(flip.arrivals_afterwards for flip in every),
                bound=0,
            ),
            Target(
                what="requests sent after the return and answered by the new side",
                value=sum(flip.asked_afterwards_and_answered_by_new for flip in every),
                bound=0,
            ),
            Target(
                what="slowest return through the admin API",
                value=max(flip.took * 1e3 for flip in ways["admin API"]),
                bound=100,
                unit="ms",
                aim=20,
            ),
        ),
        notes=(
            "The command starts a Python interpreter, which is most of its time; the flip itself "
            "is what the admin API shows.",
            "The new origin notes each arrival itself, on the clock that times the call.",
        ),
        figures=figures,
    )
