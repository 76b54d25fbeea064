"""Rollbacks of a whole fleet under load: from the store's word to the last worker of the last one.

Every replica has one worker; all share this machine's cores, the Redis and the origin. Load, Redis
and origin stand for other machines and run before everything else, where that is allowed. Each
rollback is asked of another replica. That one begins to count at the command, knows when Redis had
it (PUBLISH has returned), and when each replica's word came that its worker uses it. The difference
is what is measured: it contains the way of the ack back.

Pub/sub is cut in two ways. `silent`: Redis takes no PUBLISH any more, subscriptions stay as alive
as before, and no message ever comes. `killed`: all subscriptions are ended, five times a second.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import Change, Fleet
from bench.fleet_load import MOST_OPEN, FleetLoad, running_load
from bench.flippers import Flipper, running_envoy, running_nginx
from bench.machine import on_all_cores
from bench.open_loop import nearest_rank
from bench.origin import start_origin
from bench.ports import free_ports, wait_until_answering
from bench.priority import put_ahead
from bench.processes import HarnessError
from bench.row import Figure, RowResult, Run, Target
from bench.servers import Redis, Unleash, wait_for
from bench.table import TableFiles, write_table
from bench.visit import request
from deploy.unleash.seed import EVENTS, hook

SMALL, LARGE = 3, 20
RATES = {SMALL: 300, LARGE: 200, 1: 300}
FLIPS = {SMALL: 50, LARGE: 20}
QUICK_FLIPS = 5
CLICKS = 10
PEER_FLIPS = 20
# How long the load is watched after each flip, and after each return.
WATCH_SECONDS = 0.15
IDLE_SECONDS = 3.0
WITH_PUBSUB, SILENT, KILLED = "pub/sub", "pub/sub silent", "pub/sub killed"
BOUND_MS, CUT_BOUND_MS, CLICK_BOUND_MS, AIM_MS = 100, 250, 1500, 20
_KILLS_PER_SECOND = 5
_WEBHOOK_TOKEN = "what-unleash-shows-at-the-door"
_KILL_SWITCH = "figway-rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One rollback, and what clients saw of it. Milliseconds after the call."""

    spread_ms: float | None
    whole_ms: float | None
    returned_ms: float
    # The last request that the new side answered was sent then; 0.0: none after the call.
    last_new_ms: float
    # The last of all hosts answered from legacy then, for the first time.
    everywhere_ms: float
    # Requests sent after the return, and answered by the new side.
    new_afterwards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """All flips of one way to roll back."""

    way: str
    hosts: int
    flips: Sequence[Flip]

    def values(self, figure: Callable[[Flip], float | None]) -> list[float]:
        """One figure, ascending; empty where it is not known."""
        return sorted(value for value in map(figure, self.flips) if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A way to roll back: its flips, and the load that ran meanwhile."""

    flips: Flips
    requests: int
    failed: int
    # Due, and not sent: too many were unanswered.
    unsent: int = 0


def measure_fleet_flip(run: Run) -> RowResult:
    """Flip both fleets in every way, and two peers beside them."""
    folder = run.folder / "fleet_flip"
    folder.mkdir()
    watched: list[Watched] = []
    idle: dict[int, float] = {}
    with on_all_cores(run.cores), ExitStack() as stack:
        legacy_port, new_port = free_ports(2)
        origin = stack.enter_context(start_origin(folder / "origin", legacy_port, new_port, None))
        wait_until_answering(origin, legacy_port)
        put_ahead(origin.pid)
        files = write_table(
            folder / "table", routes=20, legacy_port=legacy_port, new_port=new_port, percent=100
        )
        for size in (SMALL, LARGE):
            place = folder / f"{size}"
            with (
                Redis(place / "redis") as redis,
                Fleet(place, files, size=size, redis_url=redis.url) as fleet,
            ):
                idle[size] = _idle_cpu(fleet)
                flips = QUICK_FLIPS if run.quick else FLIPS[size]
                watched += _flip_fleet(place, fleet, redis, flips)
        watched.append(_click(folder / "unleash", files, QUICK_FLIPS if run.quick else CLICKS))
        for start in (running_envoy, running_nginx):
            place = folder / f"{start.__name__}"
            with start(place, legacy_port, new_port) as flipper:
                flips = QUICK_FLIPS if run.quick else PEER_FLIPS
                watched.append(_flip_peer(place, flipper, flips))
    return describe_fleet_flip(watched, idle)


def _idle_cpu(fleet: Fleet) -> float:
    """Share of one core that a replica takes while nobody asks anything of it."""
    before, began = fleet.cpu_seconds(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (fleet.cpu_seconds() - before) / (time.monotonic() - began) / fleet.size


def _flip_fleet(folder: Path, fleet: Fleet, redis: Redis, flips: int) -> Iterator[Watched]:
    ways: dict[str, AbstractContextManager[None]] = {
        WITH_PUBSUB: nullcontext(),
        SILENT: _silent(redis),
        KILLED: _killed(redis),
    }
    for way, condition in ways.items():
        changes: list[tuple[Change, int]] = []
        with running_load(folder, fleet.ports, RATES[fleet.size]) as load, condition:
            for number in range(flips):
                time.sleep(WATCH_SECONDS)
                change = fleet.change(number, "rollback")
                time.sleep(WATCH_SECONDS)
                ended = time.monotonic_ns()
                fleet.change(number + 1, "resume")
                changes.append((change, ended))
        yield _watched(
            way,
            load,
            [
                _flip(
                    load,
                    fleet.size,
                    each.called,
                    each.returned,
                    ended,
                    spread_ms=each.spread_ms,
                    whole_ms=each.whole_ms,
                )
                for each, ended in changes
            ],
            fleet.size,
        )


@contextmanager
def _silent(redis: Redis) -> Iterator[None]:
    """No message comes, and nothing tells: scripts may PUBLISH no more, subscriptions stay."""
    redis.command("ACL", "SETUSER", "default", "-publish")
    try:
        yield
    finally:
        redis.command("ACL", "SETUSER", "default", "+publish")


@contextmanager
def _killed(redis: Redis) -> Iterator[None]:
    """End all subscriptions again and again."""
    stopped = threading.Event()
    # One connection: a redis-cli each time would cost more than what it does.
    line = socket.create_connection(("127.0.0.1", redis.port), timeout=10)

    def kill() -> None:
        while not stopped.wait(1 / _KILLS_PER_SECOND):
            line.sendall(b"CLIENT KILL TYPE pubsub\r\n")
            line.recv(100)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        line.close()


def _click(folder: Path, files: TableFiles, clicks: int) -> Watched:
    """Switch the kill switch on in Unleash, again and again."""
    folder.mkdir()
    ports = free_ports(2 * SMALL)
    with (
        Redis(folder / "redis") as redis,
        Unleash(folder / "server") as unleash,
    ):
        admin = unleash.admin
        for port in ports[SMALL:]:
            admin.add_webhook(
                hook(f"http://127.0.0.1:{port}"),
                authorization=f"Bearer {_WEBHOOK_TOKEN}",
                events=EVENTS,
            )
        admin.create_flag(_KILL_SWITCH, kind="kill-switch")
        admin.turn_on(_KILL_SWITCH)
        admin.turn_off(_KILL_SWITCH)
        # Unleash keeps whom to tell for a minute: started anew it knows them.
        unleash.kill()
        unleash.start()
        environ = {
            "FIGWAY_UNLEASH_URL": unleash.server.api,
            "FIGWAY_UNLEASH_TOKEN": unleash.server.client_token,
            "FIGWAY_UNLEASH_WEBHOOK_TOKEN": _WEBHOOK_TOKEN,
        }
        moments: list[tuple[int, int, int]] = []
        with (
            Fleet(
                folder, files, size=SMALL, redis_url=redis.url, environ=environ, ports=ports
            ) as fleet,
            running_load(folder, fleet.ports, RATES[SMALL]) as load,
        ):
            for number in range(clicks):
                # Not always at the same place between two ticks of Unleash's clock.
                time.sleep(WATCH_SECONDS + number % 5 * 0.2)
                called = time.monotonic_ns()
                admin.turn_on(_KILL_SWITCH)
                wait_for("the click is everywhere", lambda: _all_answer(fleet.ports, "legacy"))
                returned = time.monotonic_ns()
                time.sleep(WATCH_SECONDS)
                moments.append((called, returned, time.monotonic_ns()))
                admin.turn_off(_KILL_SWITCH)
                wait_for("its end is everywhere", lambda: _all_answer(fleet.ports, "new"))
    found = [_flip(load, SMALL, called, back, ended) for called, back, ended in moments]
    return _watched("Unleash, admin API", load, found, SMALL)


def _flip_peer(folder: Path, flipper: Flipper, flips: int) -> Watched:
    moments: list[tuple[int, int, int]] = []
    with running_load(folder, (flipper.port,), RATES[1]) as load:
        for _ in range(flips):
            time.sleep(WATCH_SECONDS)
            called = time.monotonic_ns()
            flipper.flip(True)
            returned = time.monotonic_ns()
            time.sleep(3 * WATCH_SECONDS)
            moments.append((called, returned, time.monotonic_ns()))
            flipper.flip(False)
            wait_for("it is flipped back", lambda: _all_answer((flipper.port,), "new"))
    found = [_flip(load, 1, called, back, ended) for called, back, ended in moments]
    return _watched(flipper.name, load, found, 1)


def _all_answer(ports: Sequence[int], side: str) -> bool:
    return all(_side(port) == side for port in ports)


def _side(port: int) -> str:
    """Which side answers on a port, "" when nobody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(request(1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            head = b""
            while b"\r\n\r\n" not in head and (piece := line.recv(4096)):
                head += piece
    except OSError:
        return ""
    for side in ("new", "legacy"):
        if f"x-origin: {side}".encode() in head.lower():
            return side
    return ""


def _flip(
    load: FleetLoad,
    hosts: int,
    called: int,
    returned: int,
    ended: int,
    *,
    spread_ms: float | None = None,
    whole_ms: float | None = None,
) -> Flip:
    """A flip as clients saw it, from the call until it was ended."""
    first: dict[int, int] = {}
    for each in load.of("legacy", called, ended):
        first[each.port] = min(first.get(each.port, ended), each.answered)
    if len(first) < hosts:
        raise HarnessError(f"only {len(first)} of {hosts} hosts answered from legacy after a flip")
    return Flip(
        spread_ms=spread_ms,
        whole_ms=whole_ms,
        returned_ms=(returned - called) / 1e6,
        last_new_ms=(load.last_new(called, ended) - called) / 1e6,
        everywhere_ms=(max(first.values()) - called) / 1e6,
        new_afterwards=sum(1 for _ in load.of("new", returned, ended)),
    )


def _watched(way: str, load: FleetLoad, flips: Sequence[Flip], hosts: int) -> Watched:
    return Watched(
        flips=Flips(way=way, hosts=hosts, flips=flips),
        requests=len(load.asked),
        failed=load.failed,
        unsent=load.unsent,
    )


def describe_fleet_flip(watched: Sequence[Watched], idle: Mapping[int, float]) -> RowResult:
    """Every way to flip, with the peers' among them, as a row."""
    ours = [each for each in watched if each.flips.hosts > 1]
    spread = [each for each in ours if each.flips.values(lambda flip: flip.spread_ms)]
    clicks = [each for each in ours if each not in spread]
    return RowResult(
        name="fleet_flip",
        title=f"Rollback of a fleet under load: {sum(len(e.flips.flips) for e in ours)} flips of "
        f"{SMALL} and of {LARGE} replicas",
        header=(
            *("way", "hosts", "flips", "PUBLISH to last worker, p50", "p90", "p99"),
            *("command to last worker, p50", "p99", "call to last request on new, p50", "highest"),
            *("requests", "failed", "new after return"),
        ),
        lines=tuple(map(_line, watched)),
        targets=(
            *(_bound(each) for each in spread),
            *(
                Target(
                    what="switched in Unleash: slowest click to the last worker",
                    value=max(each.flips.values(lambda flip: flip.everywhere_ms)),
                    bound=CLICK_BOUND_MS,
                    unit="ms",
                )
                for each in clicks
            ),
            Target(
                what="failed requests through Figway", value=sum(e.failed for e in ours), bound=0
            ),
            Target(
                what="requests sent after the last ack and answered by the new side",
                value=sum(flip.new_afterwards for each in ours for flip in each.flips.flips),
                bound=0,
            ),
        ),
        notes=(
            "PUBLISH to last worker: from Redis's word that it has the rollback to the last ack, "
            "both as the replica that was asked knew of them; so with the ack's way back.",
            "silent: subscriptions live and no message comes; killed: subscriptions are ended "
            f"{_KILLS_PER_SECOND} times a second. What is left is the poll, each 100 ms.",
            "The last request on new is one of the load: with few requests a second it may be "
            "earlier than the last worker. Unleash and the peers know no acks; for a click the "
            "target is when the last replica first answered from legacy.",
            f"{sum(each.unsent for each in watched)} requests were due and not sent: more than "
            f"{MOST_OPEN} were unanswered.",
            "All replicas share this machine's cores, before its other work where that is allowed; "
            "an idle one took "
            + ", ".join(f"{share:.1%} of a core with {size}" for size, share in idle.items())
            + ".",
        ),
        figures={
            **{f"{each.flips.way}, {each.flips.hosts}": _figures(each) for each in watched},
            "idle_share_of_a_core": {f"{size}": share for size, share in idle.items()},
        },
    )


def _bound(each: Watched) -> Target:
    cut = each.flips.way != WITH_PUBSUB
    values = each.flips.values(lambda flip: flip.spread_ms)
    return Target(
        what=f"{each.flips.hosts} replicas, {each.flips.way}: PUBLISH to last worker, p99",
        value=nearest_rank(values, 99),
        bound=CUT_BOUND_MS if cut else BOUND_MS,
        unit="ms",
        aim=None if cut else AIM_MS,
    )


def _line(each: Watched) -> tuple[str, ...]:
    spread = each.flips.values(lambda flip: flip.spread_ms)
    whole = each.flips.values(lambda flip: flip.whole_ms)
    last = each.flips.values(lambda flip: flip.last_new_ms)
    return (
        each.flips.way,
        f"{each.flips.hosts}",
        f"{len(each.flips.flips)}",
        *(_milliseconds(spread, rank) for rank in (50, 90, 99)),
        *(_milliseconds(whole, rank) for rank in (50, 99)),
        *(_milliseconds(last, rank) for rank in (50, 100)),
        f"{each.requests:,}",
        f"{each.failed}",
        f"{sum(flip.new_afterwards for flip in each.flips.flips)}",
    )


def _milliseconds(values: Sequence[float], rank: float) -> str:
    return f"{nearest_rank(values, rank):.1f} ms" if values else "-"


def _figures(each: Watched) -> Mapping[str, Figure]:
    flips = each.flips.flips
    return {
        "publish_to_last_worker_ms": [flip.spread_ms for flip in flips],
        "command_to_last_worker_ms": [flip.whole_ms for flip in flips],
        "call_to_return_ms": [flip.returned_ms for flip in flips],
        "call_to_last_new_request_ms": [flip.last_new_ms for flip in flips],
        "call_to_legacy_everywhere_ms": [flip.everywhere_ms for flip in flips],
        "new_after_return": [flip.new_afterwards for flip in flips],
        "requests": each.requests,
        "failed_requests": each.failed,
        "unsent_requests": each.unsent,
    }
