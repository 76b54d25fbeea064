"""The crew: N workers on one socket, replaced when they die, always on the current state."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from structlog.typing import FilteringBoundLogger

from flags.snapshot import FlagSnapshot
from proxy.link import Applied, Apply, Collect, Counters, Drain, Heartbeat, Message, Start, Stop
from proxy.routing.route import RouteFile
from proxy.settings import Settings
from proxy.supervision.worker_process import WORKER_COMMAND, WorkerProcess, WorkerState
from proxy.tally import TallySnapshot, add, without_gauges

HEARTBEAT_SECONDS = 1.0
# How often every worker's numbers are fetched, so that little is lost when one is killed.
COLLECT_SECONDS = 5.0
# How long a worker may take to tell its numbers before its last known ones are used.
COLLECT_PATIENCE = 1.0
# A worker that lived this long did not die of its start.
SETTLED_SECONDS = 5.0
# Waits before a worker is replaced that died young, one for each time in a row.
BACKOFF_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
# How long a worker may take from its start to its first accept, on a machine under load.
START_SECONDS = 30.0
# Beyond its drain, what a worker whose link is gone may live.
LINKLESS_GRACE = 2.0
# Deaths in a row, of workers that were never ready, after which a start is given up.
HOPELESS = 6


class CrewError(Exception):
    """The workers cannot be started; the message says what to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """One worker's word that it uses a revision, and how long that took from the first send."""

    worker: int
    pid: int
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A live worker that did not confirm in time."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Who uses a revision by now. Complete when nobody is missing."""

    revision: int
    ms: float
    workers: tuple[Ack, ...]
    missing: tuple[Missing, ...] = ()


class Publication:
    """A state that was sent to every worker, and who has confirmed it."""

    def __init__(
        self, revision: int, workers: Sequence[WorkerProcess], *, has_routes: bool
    ) -> None:
        self.revision = revision
        self._has_routes = has_routes
        self.began = time.perf_counter()
        self.open = {worker.pid: worker.number for worker in workers}
        self.acks: list[Ack] = []
        self.done = asyncio.Event()
        self._settle()

    def confirm(self, worker: WorkerProcess) -> None:
        applied = worker.routes_revision if self._has_routes else worker.applied_revision
        if worker.pid in self.open and applied >= self.revision:
            del self.open[worker.pid]
            ms = (time.perf_counter() - self.began) * 1000
            self.acks.append(Ack(worker=worker.number, pid=worker.pid, ms=round(ms, 3)))
            self._settle()

    def forget(self, worker: WorkerProcess) -> None:
        """A worker that has died decides nothing any more; its successor starts up to date."""
        self.open.pop(worker.pid, None)
        self._settle()

    def _settle(self) -> None:
        if not self.open:
            self.done.set()


class Crew:
    """Starts, feeds, counts, replaces and ends the workers."""

    def __init__(
        self,
        *,
        settings: Settings,
        listener: socket.socket,
        log: FilteringBoundLogger,
        command: Sequence[str] = WORKER_COMMAND,
        observer: str = "",
    ) -> None:
        # The socket where workers hand exchanges over; empty: there is none.
        self._observer = observer
        # Told of every state that workers are told of.
        self.on_publish: Callable[[Apply], None] = _nobody
        # Told every few seconds of what all workers have counted.
        self.on_collected: Callable[[TallySnapshot], None] = _no_reader
        # Waited for before workers, who sent traffic to legacy meanwhile, hear from this process
        # again after it was stopped for long.
        self.catch_up: Callable[[], Awaitable[None]] = _at_once
        self._settings = settings
        self._listener = listener
        self._log = log
        self._command = command
        self._workers: dict[int, WorkerProcess] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._beats: list[asyncio.Task[None]] = []
        self._apply = Apply(revision=0, flags=FlagSnapshot())
        self._waits: list[Publication] = []
        self._collections: dict[int, tuple[set[int], asyncio.Event]] = {}
        self._collection_ids = itertools.count(1)
        self._departed = TallySnapshot()
        self._ending = False
        self._hopeless: asyncio.Future[str] | None = None
        self.restarts = 0

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """Every worker that is alive, by number."""
        return tuple(w for _, w in sorted(self._workers.items()) if w.is_alive)

    @property
    def revision(self) -> int:
        """The revision of the state that was published last."""
        return self._apply.revision

    # Starting and replacing.

    async def start(self, state: Apply) -> None:
        """Start all workers on a whole state and wait until all are ready. Raises CrewError."""
        assert state.routes is not None
        self._apply = state
        self.on_publish(state)
        self._hopeless = asyncio.get_running_loop().create_future()
        first = [asyncio.Event() for _ in range(self._settings.workers)]
        for number, ready in enumerate(first, start=1):
            self._keepers.append(asyncio.create_task(self._keep(number, ready)))
        self._beats.append(asyncio.create_task(self._beat()))
        self._beats.append(asyncio.create_task(self._collect_regularly()))
        all_ready = asyncio.create_task(_all(first))
        ends: set[asyncio.Future[None] | asyncio.Future[str]] = {all_ready, self._hopeless}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            all_ready.cancel()
        if self._hopeless.done():
            raise CrewError(self._hopeless.result())

    async def _keep(self, number: int, ready: asyncio.Event) -> None:
        """Keep one place filled for as long as the crew lives."""
        young_deaths = 0
        while not self._ending:
            try:
                worker = await WorkerProcess.spawn(
                    number, self._listener, on_message=self._heard, command=self._command
                )
            except OSError as error:
                # Out of processes, descriptors or memory: that passes, or the others carry on.
                self._log.error("worker_not_started", worker=number, error=str(error))
                young_deaths += 1
                if young_deaths >= HOPELESS and not ready.is_set():
                    self._give_up(f"worker {number} could not be started: {error}")
                await asyncio.sleep(_backoff(young_deaths))
                continue
            self._workers[number] = worker
            worker.send(Start(worker=number, settings=self._settings, observer=self._observer))
            worker.send(self._apply)
            if self._ending:  # while it was being started
                worker.send(Stop())
            self._log.info("worker_started", worker=number, pid=worker.pid)
            watchers = (
                asyncio.create_task(_relay(worker.ready, ready)),
                asyncio.create_task(self._end_without_link(worker)),
                asyncio.create_task(self._end_unready(worker)),
            )
            code = await worker.wait()
            for watcher in watchers:
                watcher.cancel()
            self._departed = add((self._departed, without_gauges(worker.tally)))
            worker.tally = TallySnapshot()
            for wait in tuple(self._waits):
                wait.forget(worker)
            for asked, done in self._collections.values():
                asked.discard(worker.pid)
                if not asked:
                    done.set()
            if self._ending:
                self._log.info("worker_ended", worker=number, pid=worker.pid, **_how(code))
                return
            self.restarts += 1
            young_deaths = 1 if worker.uptime > SETTLED_SECONDS else young_deaths + 1
            wait_seconds = _backoff(young_deaths)
            self._log.error(
                "worker_died",
                worker=number,
                pid=worker.pid,
                uptime_seconds=round(worker.uptime, 3),
                respawn_seconds=wait_seconds,
                **_how(code),
            )
            if young_deaths >= HOPELESS and not ready.is_set():
                self._give_up(
                    f"worker {number} died {HOPELESS} times before it was ready"
                    f" (last exit code {code}): its own words stand above this line"
                )
            await asyncio.sleep(wait_seconds)

    async def _end_unready(self, worker: WorkerProcess) -> None:
        """A worker that does not become ready serves nobody and confirms nothing: try another."""
        try:
            await asyncio.wait_for(worker.ready.wait(), START_SECONDS)
        except TimeoutError:
            self._log.error("worker_killed", worker=worker.number, pid=worker.pid, cause="unready")
            worker.kill()

    async def _end_without_link(self, worker: WorkerProcess) -> None:
        """A worker that cannot be told anything may not go on deciding: it gets its drain."""
        fault = await worker.link_lost
        if fault is not None:
            self._log.error("link_lost", worker=worker.number, pid=worker.pid, error=str(fault))
        await asyncio.sleep(self._settings.deadlines.drain + LINKLESS_GRACE)
        self._log.error("worker_killed", worker=worker.number, pid=worker.pid, cause="link_lost")
        worker.kill()

    def _give_up(self, why: str) -> None:
        if self._hopeless is not None and not self._hopeless.done():
            self._hopeless.set_result(why)

    def _heard(self, worker: WorkerProcess, message: Message) -> None:
        match message:
            case Applied():
                worker.applied_revision = message.revision
                worker.routes_revision = message.routes_revision
                worker.config_revision = message.config_revision
                for wait in tuple(self._waits):
                    wait.confirm(worker)
            case Counters(id=number, tally=tally):
                if worker.is_alive:
                    worker.tally = tally
                asked, done = self._collections.get(number, (set(), asyncio.Event()))
                asked.discard(worker.pid)
                if not asked:
                    done.set()
            case _:
                pass

    # State.

    def publish(
        self,
        *,
        revision: int,
        flags: FlagSnapshot,
        routes: RouteFile | None = None,
        unhealthy: tuple[str, ...] | None = None,
    ) -> Publication:
        """Send a state to every live worker, at once; wait for it with `confirmed`."""
        state = self._apply
        self._apply = Apply(
            revision=revision,
            flags=flags,
            routes=state.routes if routes is None else routes,
            unhealthy=state.unhealthy if unhealthy is None else unhealthy,
        )
        wait = Publication(revision, self.workers, has_routes=routes is not None)
        self._waits.append(wait)
        message = replace(self._apply, routes=routes)
        for worker in self.workers:
            worker.send(message)
        self.on_publish(message)
        return wait

    async def confirmed(self, wait: Publication, seconds: float) -> Acknowledgement:
        """Wait until every worker that was alive confirms, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wait.done.wait(), seconds)
        self._waits.remove(wait)
        ms = max((ack.ms for ack in wait.acks), default=0.0)
        if wait.open:
            ms = (time.perf_counter() - wait.began) * 1000
        return Acknowledgement(
            revision=wait.revision,
            ms=round(ms, 3),
            workers=tuple(sorted(wait.acks, key=lambda ack: ack.worker)),
            missing=tuple(Missing(worker=n, pid=pid) for pid, n in wait.open.items()),
        )

    def expect(self, revision: int) -> Publication:
        """Wait, with `confirmed`, until every live worker uses this revision or a later one."""
        wait = Publication(revision, self.workers, has_routes=False)
        self._waits.append(wait)
        for worker in self.workers:
            wait.confirm(worker)
        return wait

    def abandon(self, publication: Publication) -> None:
        """Nobody waits for these confirmations."""
        self._waits.remove(publication)

    async def _beat(self) -> None:
        limit = self._settings.state_max_age
        while True:
            last = time.monotonic()
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if limit and time.monotonic() - last > limit:
                await self.catch_up()
            for worker in self.workers:
                worker.send(Heartbeat())

    # Numbers.

    async def collect(self) -> TallySnapshot:
        """Sum what all workers, dead ones included, have counted.

        A worker that does not answer in time counts with its last known numbers, so that no
        counter ever runs backwards.
        """
        number = next(self._collection_ids)
        asked = {worker.pid for worker in self.workers if worker.state is not WorkerState.STARTING}
        done = asyncio.Event()
        if asked:
            self._collections[number] = (asked, done)
            for worker in self.workers:
                if worker.pid in asked:
                    worker.send(Collect(id=number))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), COLLECT_PATIENCE)
            del self._collections[number]
        return add((self._departed, *(worker.tally for worker in self.workers)))

    async def _collect_regularly(self) -> None:
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            self.on_collected(await self.collect())

    # Ending.

    def drain(self, seconds: float) -> None:
        """Ask every worker to finish what was begun and end."""
        self._ending = True
        for worker in self.workers:
            worker.state = WorkerState.DRAINING
            worker.send(Drain(seconds=seconds))

    def stop(self) -> None:
        """Ask every worker to end at once."""
        self._ending = True
        for worker in self.workers:
            worker.send(Stop())

    def kill(self) -> None:
        """End every worker that is still there."""
        self._ending = True
        for worker in self.workers:
            worker.kill()

    async def ended(self) -> None:
        """Wait until no worker is left."""
        await asyncio.gather(*(worker.ended.wait() for worker in self._workers.values()))

    async def close(self) -> None:
        """End what is left, workers and tasks."""
        self.kill()
        await self.ended()
        tasks = [*self._beats, *self._keepers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _nobody(_: Apply) -> None:
    """Take the place of a follower that is not there."""


def _no_reader(_: TallySnapshot) -> None:
    """Take the place of whoever reads the numbers and is not there yet."""


async def _at_once() -> None:
    """Take the place of whoever knows what was decided meanwhile."""


async def _all(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


async def _relay(inner: asyncio.Event, outer: asyncio.Event) -> None:
    await inner.wait()
    outer.set()


def _backoff(young_deaths: int) -> float:
    return BACKOFF_SECONDS[min(young_deaths, len(BACKOFF_SECONDS)) - 1]


def _how(code: int) -> dict[str, int | str]:
    if code >= 0:
        return {"exit_code": code}
    try:
        return {"signal": signal.Signals(-code).name}
    except ValueError:
        return {"signal": str(-code)}
