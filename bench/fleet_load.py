"""A bounded open-loop load on several ports, which notes who answered each request, and when.

    python -m bench.fleet_load FILE PORT PORT ... --rate 300

Requests go round the ports at a fixed rate, whether or not answers keep up; a port with `MOST_OPEN`
unanswered ones gets no more, and what it was not asked is counted. SIGTERM ends it: answers
are waited for, then every request is written to FILE.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.priority import put_ahead
from bench.processes import HarnessError, OwnedProcess
from bench.servers import wait_for
from bench.visit import Visit

MOST_OPEN = 64
CANARIES = 19
# After this long without an answer a request has failed.
PATIENCE_SECONDS = 10.0
_READY = "asking"
_PR_SET_TIMERSLACK = 29


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: when it was sent and answered (monotonic nanoseconds), by whom, and how."""

    sent: int
    answered: int
    # Which of the ports, counting from 0.
    port: int
    # "new", "legacy", or "" where nobody answered.
    side: str
    # 0: no answer.
    status: int
    # Its place in the order of the load, and in its address.
    number: int

    @property
    def path(self) -> str:
        """What it asked for; no other request of the load did."""
        return f"/s{self.number % CANARIES}/item-{self.number}"

    @property
    def failed(self) -> bool:
        """Whether a client would have seen an error."""
        return self.status != 200


@dataclass(slots=True)
class FleetLoad:
    """What a load saw; filled in when it has ended."""

    asked: Sequence[Asked] = ()
    # Requests that were due and not sent, because too many were unanswered on their port.
    unsent: int = 0

    @property
    def failed(self) -> int:
        """Requests that a client saw fail."""
        return sum(each.failed for each in self.asked)

    def last_new(self, since: int, until: int) -> int:
        """When the last request was sent in this time that the new side answered, else `since`."""
        return max((each.sent for each in self.of("new", since, until)), default=since)

    def of(self, side: str, since: int, until: int) -> Iterator[Asked]:
        """The requests that were sent in this time and that this side answered."""
        return (each for each in self.asked if since < each.sent < until and each.side == side)


@contextmanager
def running_load(folder: Path, ports: Sequence[int], rate: int) -> Iterator[FleetLoad]:
    """Ask until the end of the block; the load is a process of its own, ahead of all others."""
    place = Path(tempfile.mkdtemp(prefix="load-", dir=folder))
    log, file = place / "log", place / "asked.json"
    command = [
        *(sys.executable, "-m", "bench.fleet_load", str(file), *map(str, ports)),
        *("--rate", str(rate)),
    ]
    root = Path(__file__).resolve().parents[1]
    load = FleetLoad()
    process = OwnedProcess("fleet_load", command, core=None, log=log, folder=root)
    try:
        wait_for("the load begins", lambda: _begun(process))
        yield load
    finally:
        process.stop(PATIENCE_SECONDS + 5)
    try:
        load.asked, load.unsent = read_load(file.read_text())
    except OSError as problem:
        raise HarnessError(f"the load wrote nothing:\n{process.log_tail()}") from problem


def read_load(text: str) -> tuple[tuple[Asked, ...], int]:
    """What the process wrote: every request in order, and how many were not sent."""
    found = json.loads(text)
    asked = (
        Asked(sent=sent, answered=answered, port=port, side=side, status=status, number=number)
        for sent, answered, port, side, status, number in found["asked"]
    )
    return tuple(sorted(asked, key=lambda each: each.sent)), found["unsent"]


def _begun(process: OwnedProcess) -> bool:
    process.check_alive()
    return _READY in process.log_tail()


class _Load:
    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._idle: list[list[Visit]] = [[] for _ in ports]
        self._open = [0] * len(ports)
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[tuple[int, int, int, str, int, int]] = []
        self.unsent = 0
        self.stopping = False

    async def run(self, rate: int) -> None:
        due, number = time.monotonic(), 0
        while not self.stopping:
            while due <= time.monotonic():
                self._send(number)
                number += 1
                due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*self._tasks)

    def _send(self, number: int) -> None:
        port = number % len(self._ports)
        if self._open[port] >= MOST_OPEN:
            self.unsent += 1
            return
        self._open[port] += 1
        task = asyncio.create_task(self._ask(port, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, port: int, number: int) -> None:
        status, side = 0, ""
        visit: Visit | None = None
        sent = time.monotonic_ns()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._idle[port] and (visit is None or visit.closed):
                    visit = self._idle[port].pop()
                if visit is None or visit.closed:
                    loop = asyncio.get_running_loop()
                    _, visit = await loop.create_connection(Visit, "127.0.0.1", self._ports[port])
                    sent = time.monotonic_ns()
                status = await visit.ask(_request(number))
                side = visit.side.decode()
        self.asked.append((sent, time.monotonic_ns(), port, side, status, number))
        self._open[port] -= 1
        if visit is not None and status:
            self._idle[port].append(visit)
        elif visit is not None:
            visit.close()


def _request(number: int) -> bytes:
    # One of the routes of write_table, an address that is asked for once, one of 1,000 clients.
    return (
        b"GET /s%d/item-%d HTTP/1.1\r\nHost: shop.example\r\n"
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        b"Accept: */*\r\nAccept-Language: en-GB,en;q=0.8\r\nCookie: figway_id=%032x\r\n\r\n"
        % (number % CANARIES, number, number % 1000)
    )


async def _run(ports: Sequence[int], rate: int) -> _Load:
    load = _Load(ports)

    def stop() -> None:
        load.stopping = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    print(_READY, flush=True)
    await load.run(rate)
    return load


def main() -> None:
    """Ask until SIGTERM, then write down every request."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet_load")
    parser.add_argument("file", type=Path)
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--rate", type=int, required=True)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    # It stands for other machines: what it asks is not late because replicas have both cores.
    put_ahead(os.getpid())
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(_run(options.ports, options.rate))
    options.file.write_text(json.dumps({"asked": load.asked, "unsent": load.unsent}))


if __name__ == "__main__":
    main()
