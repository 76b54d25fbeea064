"""The observer's place: filled once a route can be shadowed, refilled when the process dies.

Nothing here is ever a reason for the proxy to fail: an observer that cannot be started is a state
that `figway status` shows, and workers count what they could not hand over.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from proxy.link import Answer, Apply, Ask, Collect, Counters, Drain, Heartbeat, Message, Start, Stop
from proxy.observer_tally import OBSERVER_CATALOGUE
from proxy.routing.route import RouteFile
from proxy.settings import Settings
from proxy.stages import Stage
from proxy.supervision.crew import BACKOFF_SECONDS, SETTLED_SECONDS, START_SECONDS
from proxy.supervision.observer_socket import ObserverSocket
from proxy.supervision.status import ObserverView
from proxy.supervision.worker_process import WorkerProcess, WorkerState
from proxy.tally import Kind, TallySnapshot, add, without_gauges

OBSERVER_COMMAND = ("-m", "proxy.observer")
HEARTBEAT_SECONDS = 1.0
COLLECT_SECONDS = 5.0
# How long a scrape waits for the observer's numbers before its last known ones are used.
COLLECT_PATIENCE = 1.0
# An observer that has not told its numbers for so long is stuck.
SILENT_SECONDS = 60.0
# How long a question may take: a replay asks two upstreams.
ASK_SECONDS = 30.0
# How long a question waits for an observer that is starting.
STARTING_SECONDS = 10.0
# Beyond its drain, what an observer may take to write down what it knows.
GRACE_SECONDS = 2.0
_GAUGES = {metric.name for metric in OBSERVER_CATALOGUE if metric.kind is Kind.GAUGE}
# Stages in which a request may be copied to the other side.
_SHADOWED = frozenset({Stage.SHADOW, Stage.CANARY, Stage.LIVE})


class Observer:
    """Starts, feeds, asks, replaces and ends the observer process.

    `socket` is None when it could not be opened; `why` says so then.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        socket: ObserverSocket | None,
        store: Path,
        log: FilteringBoundLogger,
        why: str = "",
        command: Sequence[str] = OBSERVER_COMMAND,
    ) -> None:
        self._settings = settings
        self._socket = socket
        self._store = store
        self._log = log
        self._command = command
        self._why = why or "no route is shadowed: give one a `shadow: {sample: ...}`"
        self._process: WorkerProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._state: Apply | None = None
        self._questions: dict[int, asyncio.Future[tuple[int, object]]] = {}
        self._collections: dict[int, asyncio.Event] = {}
        self._ids = itertools.count(1)
        self._departed = TallySnapshot()
        self._ending = False
        self._heard_at = 0.0
        self.restarts = 0

    @property
    def path(self) -> str:
        """Where workers hand their exchanges over; empty when there is no such place."""
        return "" if self._socket is None else str(self._socket.path)

    @property
    def process(self) -> WorkerProcess | None:
        """The observer that is alive."""
        process = self._process
        return process if process is not None and process.is_alive else None

    def view(self) -> ObserverView:
        """What `figway status` shows."""
        process = self.process
        if process is None:
            state = "off" if self._keeper is None and self._socket is not None else "down"
            return ObserverView(state=state, restarts=self.restarts, why=self._why)
        return ObserverView(
            state=process.state.value,
            pid=process.pid,
            uptime_seconds=round(process.uptime, 3),
            restarts=self.restarts,
            why="" if process.state is WorkerState.READY else self._why,
        )

    # Starting and replacing.

    def follow(self, state: Apply) -> None:
        """Take every publication: pass it on, and start the process with the first that needs it.

        An Apply without routes leaves those of the last one.
        """
        if self._state is None:
            assert state.routes is not None
            self._state = state
        else:
            self._state = replace(state, routes=state.routes or self._state.routes)
        process = self.process
        if process is not None:
            process.send(state)
        elif self._keeper is None and not self._ending and self._is_wanted():
            if self._socket is None:
                return
            self._keeper = asyncio.create_task(self._keep(self._socket), name="keep observer")

    def _is_wanted(self) -> bool:
        assert self._state is not None
        file = self._state.routes
        # Evidence that is there can be asked for, also after the last route was shadowed.
        return file is not None and (can_be_shadowed(file) or self._store.exists())

    async def _keep(self, socket: ObserverSocket) -> None:
        young_deaths = 0
        while not self._ending:
            self._why = "the observer is starting"
            try:
                process = await WorkerProcess.spawn(
                    0,
                    socket.listener,
                    on_message=self._heard,
                    command=(*self._command, "--store", str(self._store)),
                )
            except OSError as error:
                self._why = f"the observer could not be started: {error}"
                self._log.error("observer_not_started", error=str(error))
                young_deaths += 1
                await asyncio.sleep(_backoff(young_deaths))
                continue
            self._process = process
            self._heard_at = time.monotonic()
            process.send(Start(worker=0, settings=self._settings))
            assert self._state is not None
            process.send(self._state)
            if self._ending:  # while it was being started
                process.send(Stop())
            self._log.info("observer_started", pid=process.pid)
            watchers = (
                asyncio.create_task(self._beat(process)),
                asyncio.create_task(self._watch(process)),
                asyncio.create_task(self._end_without_link(process)),
            )
            code = await process.wait()
            for watcher in watchers:
                watcher.cancel()
            self._departed = add((self._departed, _totals(process.tally)))
            process.tally = TallySnapshot()
            self._forget_questions()
            if self._ending:
                self._log.info("observer_ended", pid=process.pid, code=code)
                return
            self.restarts += 1
            young_deaths = 1 if process.uptime > SETTLED_SECONDS else young_deaths + 1
            wait_seconds = _backoff(young_deaths)
            self._why = f"the observer died (exit code {code}); its log says why"
            self._log.error(
                "observer_died",
                pid=process.pid,
                code=code,
                uptime_seconds=round(process.uptime, 3),
                respawn_seconds=wait_seconds,
            )
            await asyncio.sleep(wait_seconds)

    async def _beat(self, process: WorkerProcess) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            process.send(Heartbeat())

    async def _watch(self, process: WorkerProcess) -> None:
        """Fetch its numbers, so that little is lost with it, and end it when it is stuck."""
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            await self.collect()
            patience = SILENT_SECONDS if process.ready.is_set() else START_SECONDS
            if time.monotonic() - self._heard_at > patience:
                self._log.error("observer_killed", pid=process.pid, cause="silent")
                process.kill()

    async def _end_without_link(self, process: WorkerProcess) -> None:
        fault = await process.link_lost
        if fault is not None:
            self._log.error("observer_link_lost", pid=process.pid, error=str(fault))
        await asyncio.sleep(self._patience() + GRACE_SECONDS)
        process.kill()

    def _heard(self, process: WorkerProcess, message: Message) -> None:
        self._heard_at = time.monotonic()
        match message:
            case Answer(id=number, status=status, body=body):
                question = self._questions.get(number)
                if question is not None and not question.done():
                    question.set_result((status, json.loads(body)))
            case Counters(id=number, tally=tally):
                if process.is_alive:
                    process.tally = tally
                if number in self._collections:
                    self._collections[number].set()
            case _:
                pass

    # Asking.

    async def until_started(self, seconds: float = STARTING_SECONDS) -> None:
        """Wait, no longer than this, while the observer is starting."""
        process = self.process
        if process is None or process.ready.is_set():
            return
        ends = [asyncio.create_task(each.wait()) for each in (process.ready, process.ended)]
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()

    async def ask(
        self, what: str, params: Mapping[str, object], *, patience: float = ASK_SECONDS
    ) -> tuple[int, object]:
        """Ask the observer; return a status (200, 400, 404, 409, 503) and the JSON of its answer.

        Whatever is not 200 has `detail` in it. Never raises: no answer is 503.
        """
        process = self.process
        if process is None or not process.ready.is_set():
            return _unavailable(self._why)
        number = next(self._ids)
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        try:
            process.send(Ask(id=number, what=what, params=json.dumps(dict(params))))
            return await asyncio.wait_for(answer, patience)
        except TimeoutError:
            return _unavailable(f"the observer did not answer within {patience:g} seconds")
        finally:
            del self._questions[number]

    def _forget_questions(self) -> None:
        for question in self._questions.values():
            if not question.done():
                question.set_result(_unavailable("the observer ended: ask again"))

    async def collect(self) -> TallySnapshot:
        """Everything that observers have counted since the start; a dead one's totals included."""
        process = self.process
        if process is not None and process.ready.is_set():
            number = next(self._ids)
            done = self._collections[number] = asyncio.Event()
            process.send(Collect(id=number))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), COLLECT_PATIENCE)
            del self._collections[number]
        return add((self._departed, *((process.tally,) if process is not None else ())))

    # Ending.

    def _patience(self) -> float:
        file = None if self._state is None else self._state.routes
        return GRACE_SECONDS + (0.0 if file is None else file.shadow.deadline)

    async def drain(self, seconds: float) -> bool:
        """Let it finish what it holds, once no worker is left; tell whether it did."""
        self._ending = True
        process = self.process
        if process is None:
            return True
        process.state = WorkerState.DRAINING
        seconds = min(seconds, self._patience())
        process.send(Drain(seconds=seconds))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.ended.wait(), seconds + GRACE_SECONDS)
        return not process.is_alive

    async def close(self) -> None:
        """End what is left."""
        self._ending = True
        process = self.process
        if process is not None:
            process.kill()
            await process.ended.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()


def can_be_shadowed(file: RouteFile) -> bool:
    """Tell whether any route may have its requests copied."""
    return any(
        route.new and route.stage in _SHADOWED and route.shadow.sample > 0 for route in file.routes
    )


def _totals(tally: TallySnapshot) -> TallySnapshot:
    tally = without_gauges(tally)
    return replace(tally, series=tuple(s for s in tally.series if s.metric not in _GAUGES))


def _unavailable(why: str) -> tuple[int, object]:
    return 503, {"detail": why}


def _backoff(young_deaths: int) -> float:
    return BACKOFF_SECONDS[min(young_deaths, len(BACKOFF_SECONDS)) - 1]
