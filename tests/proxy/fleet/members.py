"""Replicas without processes: real switches, publisher and rollbacks, workers that confirm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from proxy.config.parse import parse_routes
from proxy.fleet.membership import Fleet
from proxy.fleet.replica import Facts
from proxy.link import Apply
from proxy.routing.route import RouteFile
from proxy.supervision.audit import Actor, Audit
from proxy.supervision.crew import Acknowledgement, Missing, Publication
from proxy.supervision.journal import Journal
from proxy.supervision.publisher import Publisher
from proxy.supervision.rollbacks import Rollbacks
from proxy.supervision.state_directory import StateDirectory
from proxy.supervision.switches import Switches
from tests.proxy.fleet.memory_store import MemoryStore, Sea

ANN = Actor(who="ann", via="api")
ROUTES = b"""\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://a:1"]}
  catalog: {urls: ["http://a:2"]}
groups: {purchase: {}}
routes:
  - {id: product, match: {path: {prefix: /p}}, new: catalog, stage: canary}
  - {id: cart, group: purchase, match: {path: {prefix: /c}}, new: catalog, stage: canary}
  - {id: monolith, match: {path: {prefix: /}}}
"""


class Workers:
    """Stands where the crew does: one worker, which confirms at once unless it hangs."""

    def __init__(self) -> None:
        self.hang = False
        self.told: list[Apply] = []
        self.woken = asyncio.Event()

    def publish(self, **state: object) -> Publication:
        self.told.append(Apply(revision=state["revision"], flags=state["flags"]))  # type: ignore[arg-type] # as the publisher gives it
        return Publication(self.told[-1].revision, (), has_routes=False)

    def expect(self, revision: int) -> Publication:
        return Publication(revision, (), has_routes=False)

    def abandon(self, publication: Publication) -> None:
        pass

    async def confirmed(self, publication: Publication, seconds: float) -> Acknowledgement:
        missing: tuple[Missing, ...] = ()
        if self.hang:
            self.woken.clear()
            try:
                await asyncio.wait_for(self.woken.wait(), seconds)
            except TimeoutError:
                missing = (Missing(worker=1, pid=7),)
        return Acknowledgement(revision=publication.revision, ms=1.0, workers=(), missing=missing)

    def wake(self) -> None:
        self.hang = False
        self.woken.set()


@dataclass
class Member:
    """One replica of a test."""

    name: str
    switches: Switches
    publisher: Publisher
    rollbacks: Rollbacks
    fleet: Fleet
    store: MemoryStore
    workers: Workers
    journal: Journal
    directory: StateDirectory
    config: str = "one"

    @property
    def rolled_back(self) -> bool:
        """What its worker was told last."""
        return bool(self.workers.told) and self.workers.told[-1].flags.rollback_all


def kept(one: Member) -> str:
    """The latch of a replica as it stands on disk."""
    path = one.directory.path / "rollback-latch.json"
    return path.read_text() if path.exists() else ""


@asynccontextmanager
async def member(
    folder: Path, sea: Sea, name: str, *, boot: str = "", cooldown: float = 0.0
) -> AsyncIterator[Member]:
    """A replica that runs until the end of the block."""
    directory = StateDirectory.open(folder / name)
    (directory.path / "flags.yaml").touch()
    (directory.path / "flags.yaml").write_text("rollback: false\n")
    log = structlog.get_logger()
    switches = Switches(directory.path / "flags.yaml", directory, replica=name)
    workers = Workers()
    publisher = Publisher(crew=workers, switches=switches, log=log)  # type: ignore[arg-type] # stands in
    journal = Journal(switches=switches, audit=Audit(directory.path / "audit.jsonl"), log=log)
    file: RouteFile = parse_routes(ROUTES, "routes.yaml")
    rollbacks = Rollbacks(
        switches=switches,
        publisher=publisher,
        journal=journal,
        file=lambda: file,
        sentinel=directory.path / "ROLLBACK",
        log=log,
        cooldown=cooldown,
    )
    store = MemoryStore(sea, name, boot or f"boot-{name}")

    def facts() -> Facts:
        return Facts(
            replica=name,
            boot=store.boot,
            admin=f"http://{name}:9900",
            config=found.config,
            applied=found.fleet.applied,
            holds=tuple(f"{hold.scope} by {hold.source}" for hold in switches.holds),
        )

    async def keep() -> None:
        await journal.keep_latch(5.0)

    fleet = Fleet(
        store=store,
        switches=switches,
        publisher=publisher,
        facts=facts,
        standing=rollbacks.standing,
        keep=keep,
        diverged_after=0.0,
        log=log,
    )
    found = Member(name, switches, publisher, rollbacks, fleet, store, workers, journal, directory)
    switches.now_us = store.now_us
    rollbacks.fleet = fleet
    fleet.connect()
    publisher.tell()
    fleet.start()
    try:
        yield found
    finally:
        await fleet.close()
        directory.close()


async def until(condition: object) -> None:
    """Let everything run until a condition holds."""
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what comes true is no event of the code
            await asyncio.sleep(0.002)
