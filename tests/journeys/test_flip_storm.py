"""A storm of flips under load: response, log line and copy of a request agree on one decision."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flags.redis.settings import RedisSettings
from flags.redis.store import RedisStore
from flags.redis.url import parse_redis_url
from flags.shared import AckView, SharedChange, SharedState, StoreHealth
from tests.journeys.conftest import Shop
from tests.journeys.figway_process import FigwayProcess
from tests.journeys.fleet import Fleet
from tests.rigs.redis_server import RedisServer

ROUTES = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"]}}
  catalog: {{urls: ["{new}"]}}
routes:
  - id: live
    match: {{path: {{prefix: /live}}}}
    new: catalog
    stage: live
    shadow: {{sample: 100%, aa: {{rate: 0%, on_mismatch: false}}}}
  - id: canary
    match: {{path: {{prefix: /canary}}}}
    new: catalog
    stage: canary
    shadow: {{sample: 100%, aa: {{rate: 0%, on_mismatch: false}}}}
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""
FLAGS = "routes: {canary: {percent: 50}}\n"
FLIPS = 250
PER_SECOND = 100
CLIENTS = 2
# Which side a reason answers from, and whether the other one may get a copy.
SIDE_OF = {
    "live": ("new", True),
    "bucket_in": ("new", False),
    "bucket_out": ("legacy", True),
    "rollback_all": ("legacy", False),
}


class Deaf:
    """A listener of a store that only writes."""

    def on_state(self, state: SharedState) -> None: ...

    def on_part(self, state: SharedState) -> None: ...
    def on_health(self, health: StoreHealth) -> None: ...
    def on_ack(self, ack: AckView) -> None: ...
    def on_nudge(self, what: str) -> None: ...


async def storm(redis: RedisServer) -> None:
    """Flip the rollback of everything on and off; it is on in the end."""
    store = RedisStore(RedisSettings(url=parse_redis_url(redis.url), replica="storm", boot="storm"))
    store.start(Deaf())
    began = time.monotonic()
    for number in range(FLIPS):
        on = number % 2 == 0 or number == FLIPS - 1
        change = SharedChange(
            id=f"storm-{number}", scope="all", rollback=on, revision=0, reason="storm", actor="test"
        )
        await store.write(change, patience=5.0)
        await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
    await store.close()


class Crowd:
    """Clients that ask for one path after the other, each once, and note who answered."""

    def __init__(self, replicas: dict[int, FigwayProcess]) -> None:
        self._stop = threading.Event()
        self.answered: dict[str, str] = {}
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(replica.listen, f"{number}-{client}"))
            for number, replica in replicas.items()
            for client in range(CLIENTS)
        ]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, address: str, name: str) -> None:
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        number = 0
        while not self._stop.is_set():
            number += 1
            path = f"/{'live' if number % 2 else 'canary'}/{name}-{number}"
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{path}: {error!r}")
                connection.close()
                continue
            if answer.status != 200:
                self.failures.append(f"{path}: {answer.status}")
            self.answered[path] = answer.headers["x-origin"]
        connection.close()


def lines_of(fleet: Fleet, paths: set[str]) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """The log lines of these paths, with the replica that wrote them."""
    lines: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for number, replica in fleet.replicas.items():
        for line in replica.events("request_served"):
            if line["path"] in paths:
                lines[line["path"]].append((number, line))
    return lines


@pytest.fixture
def fleet(shop: Shop, redis_server: RedisServer) -> Iterator[Fleet]:
    shop.write_routes(ROUTES)
    shop.write_flags(FLAGS)
    told = {"FIGWAY_ACCESS_LOG": "all", "FIGWAY_LOG_QUEUE": "100000"}
    with Fleet(shop, redis_server, size=2, **told) as started:
        yield started


def test_every_request_of_a_storm_is_one_decision_and_the_last_flip_holds(
    fleet: Fleet, shop: Shop, redis_server: RedisServer
) -> None:
    crowd = Crowd(fleet.replicas)
    with crowd.asking():
        asyncio.run(storm(redis_server))
        fleet.wait_until(lambda: all(r.status()["holds"] for r in fleet.replicas.values()))
        settled = len(crowd.answered)
        fleet.wait_until(lambda: len(crowd.answered) >= settled + 50)
    assert crowd.failures == []
    paths = set(crowd.answered)
    fleet.wait_until(lambda: len(lines_of(fleet, paths)) == len(paths))
    # Copies that are on their way arrive, or are given up.
    fleet.wait_until(
        lambda: all(r.metric("figway_shadow_pending") == 0 for r in fleet.replicas.values())
    )
    seen = {
        "legacy": Counter(path for _, path, _ in shop.legacy.seen),
        "new": Counter(path for _, path, _ in shop.new.seen),
    }
    reasons: Counter[str] = Counter()
    by_revision: dict[tuple[int, int], set[str]] = defaultdict(set)
    copies = 0
    for path, found in lines_of(fleet, paths).items():
        [(replica, line)] = found
        side, copied = SIDE_OF[line["reason"]]
        other = "new" if side == "legacy" else "legacy"
        assert crowd.answered[path] == line["side"] == side, line
        assert seen[side][path] == 1, line
        assert seen[other][path] <= copied, line
        copies += seen[other][path]
        reasons[line["reason"]] += 1
        by_revision[replica, line["flag_revision"]].add(line["reason"] == "rollback_all")
    # One revision of the flags is one word on the rollback, whoever asks.
    assert all(len(words) == 1 for words in by_revision.values())
    assert set(reasons) == set(SIDE_OF), reasons
    assert len(by_revision) > FLIPS / 5, "so few flips reached the requests that nothing was tried"
    assert copies > 0
    assert sum(r.metric("figway_shadow_unaccounted") for r in fleet.replicas.values()) == 0
    assert fleet.sides("/live/after") == fleet.everywhere("legacy")
