"""A storm of flips under load: what a client got, what the log says and what was copied agree.

A store of its own writes a rollback of everything and its end, 100 times a second, the way a
replica does. Every request has an address of its own, so that it is found in the answers that
clients got, in the access logs of the replicas and in those of both origins. Half of the routes are
live, half are canaries at 50 %; all are shadowed whole, so a decision shows in three places: which
side answered, the line that tells side and reason, and which side got a copy, if any may have one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import Fleet
from bench.fleet_load import MOST_OPEN, FleetLoad, running_load
from bench.machine import on_all_cores
from bench.nginx import PREAMBLE, http_block, start_nginx
from bench.origin import DOCUMENT
from bench.ports import free_ports, wait_until_answering
from bench.priority import ahead, put_ahead
from bench.processes import HarnessError
from bench.row import RowResult, Run, Target
from bench.servers import Redis, wait_for
from bench.table import TableFiles
from flags.redis.settings import RedisSettings
from flags.redis.store import RedisStore
from flags.redis.url import parse_redis_url
from flags.shared import AckView, SharedChange, SharedState, StoreHealth

REPLICAS = 3
RATE = 240
PER_SECOND = 100
SECONDS, QUICK_SECONDS = 30, 5
# How long the load goes on after the last flip.
AFTER_SECONDS = 1.5
CONVERGENCE_MS = 1000
_ROUTES = 19
_LIVE = 10
_PATIENCE = 5.0
# Which side a reason answers from, and whether the other one may get a copy.
SIDE_OF: Mapping[str, tuple[str, bool]] = {
    "live": ("new", True),
    "bucket_in": ("new", False),
    "bucket_out": ("legacy", True),
    "rollback_all": ("legacy", False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a replica's log says of one request."""

    replica: int
    side: str
    reason: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an origin was asked: addresses of primaries and of copies, each time."""

    primaries: Counter[str]
    copies: Counter[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """The flips: how many in how many seconds, and how long the last one took to be everywhere."""

    flips: int
    seconds: float
    # From the store's word that it has the last flip to the last worker's, as its writer knew both.
    converged_ms: float
    # Monotonic nanoseconds.
    last_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Every request, judged."""

    requests: int
    copies: int
    reasons: Mapping[str, int]
    # Answers, lines and origins that do not say the same, by what disagrees.
    faults: Mapping[str, int]
    # Revisions of flags that requests were decided with, over all replicas.
    revisions: int


def measure_flip_storm(run: Run) -> RowResult:
    """Let it storm over three replicas, then compare what everybody noted."""
    folder = run.folder / "flip_storm"
    folder.mkdir()
    with on_all_cores(run.cores), ExitStack() as stack:
        legacy_port, new_port = free_ports(2)
        origin = stack.enter_context(
            start_nginx("origin", folder / "origin", _origins(legacy_port, new_port), None)
        )
        wait_until_answering(origin, legacy_port)
        put_ahead(origin.pid)
        redis = stack.enter_context(Redis(folder / "redis"))
        fleet = stack.enter_context(
            Fleet(
                folder,
                write_storm_table(folder / "table", legacy_port, new_port),
                size=REPLICAS,
                redis_url=redis.url,
                options=("--access-log", "all"),
                environ={"FIGWAY_LOG_QUEUE": "100000"},
            )
        )
        with running_load(folder, fleet.ports, RATE) as load:
            time.sleep(0.5)
            flips = PER_SECOND * (QUICK_SECONDS if run.quick else SECONDS)
            with ahead():
                storm = asyncio.run(_storm(redis.url, flips))
            time.sleep(AFTER_SECONDS)
        wait_for("no copy is on its way", lambda: not fleet.metric("figway_shadow_pending"))
        unaccounted = fleet.metric("figway_shadow_unaccounted")
        logs = [replica.folder / "log" for replica in fleet.replicas]
        wait_for(
            "every line is written", lambda: len(_lines(logs)) >= len(load.asked) - load.failed
        )
        seen = {side: _seen(folder / "origin" / f"{side}.log") for side in ("legacy", "new")}
    agreement = judge(load, _lines(logs), seen)
    return describe_flip_storm(storm, agreement, load, unaccounted)


def _origins(legacy_port: int, new_port: int) -> str:
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000;"
        f" default_type application/json; access_log {side}.log seen;"
        f" add_header X-Origin {side}; location / {{ return 200 '{DOCUMENT}'; }} }}\n"
        for side, port in (("legacy", legacy_port), ("new", new_port))
    )
    return PREAMBLE + http_block(
        f"log_format seen '$request_uri $http_x_figway_shadow';\n{servers}"
    )


def write_storm_table(folder: Path, legacy_port: int, new_port: int) -> TableFiles:
    """The routes of the load: the first ones live, the others canaries at 50 %; all shadowed."""
    folder.mkdir(parents=True)
    # Nothing is copied twice to find out about noise: each request has one copy or none.
    shadow = "shadow: {sample: 100%, aa: {rate: 0%, on_mismatch: false}}"
    lines = [
        "version: 1",
        "upstreams:",
        f'  legacy: {{role: legacy, urls: ["http://127.0.0.1:{legacy_port}"]}}',
        f'  new: {{urls: ["http://127.0.0.1:{new_port}"]}}',
        "routes:",
        *(
            f'- {{id: s{number}, match: {{path: {{template: "/s{number}/{{i}}"}}}}, new: new,'
            f" stage: {'live' if number < _LIVE else 'canary'}, {shadow}}}"
            for number in range(_ROUTES)
        ),
        "- {id: rest, match: {path: {prefix: /}}}",
    ]
    flags = ["routes:", *(f"  s{number}: {{percent: 50}}" for number in range(_LIVE, _ROUTES))]
    files = TableFiles(
        routes=folder / "routes.yaml", flags=folder / "flags.yaml", canaries=_ROUTES - _LIVE
    )
    files.routes.write_text("\n".join(lines) + "\n")
    files.flags.write_text("\n".join(flags) + "\n")
    return files


class _Writer:
    """A listener of a store that only writes, and waits for the last acks."""

    def __init__(self) -> None:
        self.acks: dict[str, tuple[int, float]] = {}
        self.heard = asyncio.Event()

    def on_state(self, state: SharedState) -> None: ...

    def on_part(self, state: SharedState) -> None: ...

    def on_health(self, health: StoreHealth) -> None: ...

    def on_nudge(self, what: str) -> None: ...

    def on_ack(self, ack: AckView) -> None:
        """Keep the newest of each replica."""
        if ack.revision > self.acks.get(ack.boot, (0, 0.0))[0]:
            self.acks[ack.boot] = (ack.revision, time.monotonic())
            self.heard.set()


async def _storm(redis_url: str, flips: int) -> Storm:
    """Flip at a fixed pace; everything is rolled back in the end."""
    url = parse_redis_url(redis_url)
    store = RedisStore(RedisSettings(url=url, replica="storm", boot="storm"))
    writer = _Writer()
    store.start(writer)
    state = SharedState()
    began = time.monotonic()
    for number in range(flips):
        await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        on = number % 2 == 0 or number == flips - 1
        change = SharedChange(
            id=f"storm-{number}", scope="all", rollback=on, revision=0, reason="storm", actor="b"
        )
        state = await store.write(change, _PATIENCE)
    written = time.monotonic()
    revision = state.marks["all"].revision
    try:
        async with asyncio.timeout(10):
            while sum(ack >= revision for ack, _ in writer.acks.values()) < REPLICAS:
                writer.heard.clear()
                await writer.heard.wait()
    except TimeoutError:
        raise HarnessError(f"the last flip of a storm is not everywhere: {writer.acks}") from None
    finally:
        await store.close()
    last = max(at for _, at in writer.acks.values())
    return Storm(
        flips=flips,
        seconds=written - began,
        converged_ms=max(0.0, last - written) * 1e3,
        last_written=int(written * 1e9),
    )


def _lines(logs: Sequence[Path]) -> dict[str, list[Line]]:
    """What the logs say of every request, by its address."""
    found: dict[str, list[Line]] = defaultdict(list)
    for replica, log in enumerate(logs):
        with log.open() as lines:
            for text in lines:
                if '"request_served"' in text and text.endswith("\n"):
                    told = json.loads(text)
                    line = Line(
                        replica=replica,
                        side=told["side"],
                        reason=told["reason"],
                        revision=told["flag_revision"],
                    )
                    found[told["path"]].append(line)
    return found


def _seen(log: Path) -> Seen:
    asked = [line.split(" ") for line in log.read_text().splitlines()]
    return Seen(
        primaries=Counter(path for path, mark in asked if mark == "-"),
        copies=Counter(path for path, mark in asked if mark != "-"),
    )


def judge(
    load: FleetLoad, lines: Mapping[str, Sequence[Line]], seen: Mapping[str, Seen]
) -> Agreement:
    """Compare every answer with the log and with what both origins were asked."""
    reasons: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    words: dict[tuple[int, int], set[bool]] = defaultdict(set)
    copies = 0
    for each in load.asked:
        path = each.path
        told = lines.get(path, ())
        if len(told) != 1:
            faults["requests without exactly one line"] += 1
            continue
        (line,) = told
        reasons[line.reason] += 1
        side, copied = SIDE_OF.get(line.reason, ("", False))
        if not each.side == line.side == side:
            faults["answers of another side than their line"] += 1
        other = "new" if side == "legacy" else "legacy"
        asked = [seen[name].primaries[path] for name in (side, other) if name in seen]
        if asked != [1, 0]:
            faults["origins asked otherwise than the line says"] += 1
        beside = [seen[name].copies[path] for name in (side, other) if name in seen]
        if beside[0] or beside[1] > copied:
            faults["copies that the decision does not allow"] += 1
        copies += beside[1]
        words[line.replica, line.revision].add(line.reason == "rollback_all")
    faults["revisions with two words on the rollback"] = sum(len(w) > 1 for w in words.values())
    return Agreement(
        requests=len(load.asked),
        copies=copies,
        reasons=reasons,
        faults={what: count for what, count in faults.items() if count},
        revisions=len(words),
    )


def describe_flip_storm(
    storm: Storm, agreement: Agreement, load: FleetLoad, unaccounted: float
) -> RowResult:
    """The storm as a row."""
    rate = storm.flips / storm.seconds
    late = _late(load.last_new(storm.last_written, 2**63), storm)
    reasons = sorted(agreement.reasons.items())
    return RowResult(
        name="flip_storm",
        title=f"{storm.flips:,} flips in {storm.seconds:.1f} s under load, {REPLICAS} replicas",
        header=(
            *("flips/s", "requests", "failed", "decided by", "copies", "revisions met"),
            *("disagreements", "last flip to last worker", "to last request on new"),
        ),
        lines=(
            (
                f"{rate:.0f}",
                f"{agreement.requests:,}",
                f"{load.failed}",
                ", ".join(f"{reason} {count:,}" for reason, count in reasons),
                f"{agreement.copies:,}",
                f"{agreement.revisions:,}",
                f"{sum(agreement.faults.values())}",
                f"{storm.converged_ms:.1f} ms",
                f"{late:.1f} ms",
            ),
        ),
        targets=(
            Target(
                what="requests whose answer, log line and copy do not agree on one decision",
                value=sum(agreement.faults.values()),
                bound=0,
            ),
            Target(
                what="the last flip to the last worker",
                value=max(storm.converged_ms, late),
                bound=CONVERGENCE_MS,
                unit="ms",
            ),
            Target(what="failed requests", value=load.failed, bound=0),
            Target(what="copies without a recorded outcome", value=unaccounted, bound=0),
            Target(
                what="milliseconds per flip",
                value=1e3 / rate,
                bound=1.05e3 / PER_SECOND,
                unit="ms",
            ),
        ),
        notes=(
            *(f"{what}: {count}" for what, count in agreement.faults.items()),
            f"{load.unsent} requests were due and not sent: more than {MOST_OPEN} were unanswered.",
            "Every request is looked up in the answers, the access logs (all) and the logs of both "
            "origins; requests under one revision of the flags must agree on the rollback.",
            "Flips are written to Redis as a replica writes them; the last one rolls back.",
        ),
        figures={
            "flips": storm.flips,
            "seconds": storm.seconds,
            "converged_ms": storm.converged_ms,
            "last_new_request_ms": late,
            "requests": agreement.requests,
            "failed_requests": load.failed,
            "unsent_requests": load.unsent,
            "reasons": dict(reasons),
            "copies": agreement.copies,
            "revisions": agreement.revisions,
            "faults": dict(agreement.faults),
            "unaccounted_copies": unaccounted,
        },
    )


def _late(last_new: int, storm: Storm) -> float:
    return (last_new - storm.last_written) / 1e6
