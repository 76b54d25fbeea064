"""The observer process: everything wired together, and its end of the link to the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from typing import Final

from proxy.link import (
    Answer,
    Applied,
    Apply,
    Ask,
    Collect,
    Counters,
    Drain,
    Drained,
    Link,
    Message,
    Ready,
    Start,
    Stop,
    open_link,
)
from proxy.observer.carry import Carry
from proxy.observer.comparer import Comparer
from proxy.observer.counts import Counts
from proxy.observer.dispatch import Dispatch
from proxy.observer.intake import Intake, is_alive
from proxy.observer.lag import LoopLag
from proxy.observer.metrics import snapshot
from proxy.observer.priority import step_back
from proxy.observer.questions import Questions
from proxy.observer.replay import Replay
from proxy.observer.reprobe import Reprobe
from proxy.observer.store import EvidenceStore
from proxy.observer.telling import Telling
from proxy.observer.terms import Terms
from proxy.observer.upstreams import Upstreams
from proxy.settings import Settings
from proxy.tally import TallySnapshot

_TICK: Final = 0.25
# A boot that the store knows of, and that has not come to this observer by then, is over: a worker
# tries again at least every two seconds.
_STRANGERS_AFTER: Final = 10.0
# Workers have ended before this is told to: what they wrote last is in the kernel already.
_LAST_WORDS: Final = 1.0
# How long the store may take to write what waits.
_FLUSH: Final = 5.0
# Without a supervisor: what is in hand gets its deadline and a little more (seconds).
_ORPHANED_GRACE: Final = 2.0


class Observer:
    """The parts, for one life of the process. Made by the supervisor's Start."""

    def __init__(
        self, settings: Settings, listener: socket.socket, store: EvidenceStore, tell: Telling
    ) -> None:
        self.settings = settings
        self.store = store
        self.terms = Terms(time.time)
        self.upstreams = Upstreams(settings)
        self.comparer = Comparer()
        self.counts = Counts()
        self.lag = LoopLag()
        self.reprobe = Reprobe(
            terms=self.terms,
            upstreams=self.upstreams,
            comparer=self.comparer,
            counts=self.counts,
            chance=random.random,
        )
        self.dispatch = Dispatch(
            terms=self.terms,
            upstreams=self.upstreams,
            carry=Carry(
                terms=self.terms,
                upstreams=self.upstreams,
                comparer=self.comparer,
                reprobe=self.reprobe,
                store=store,
                counts=self.counts,
                wall=time.time,
            ),
            store=store,
            counts=self.counts,
            lag=self.lag,
            wall=time.time,
            tell=tell,
        )
        self.intake = Intake(listener, self.dispatch, tell)
        self.dispatch.on_room = self.intake.go_on
        self.questions = Questions(
            terms=self.terms,
            store=store,
            comparer=self.comparer,
            replay=Replay(terms=self.terms, upstreams=self.upstreams, comparer=self.comparer),
            snapshot=self.snapshot,
            tell=tell,
        )
        self._tell = tell
        self._ticker: asyncio.Task[None] | None = None
        self._applied = False

    @property
    def started(self) -> bool:
        """Whether workers are heard."""
        return self._ticker is not None

    def apply(self, message: Apply) -> None:
        """Use a state from now on; with the first one, begin to hear the workers."""
        self.terms.apply(message)
        if message.routes is not None:
            try:
                self.upstreams.use(message.routes)
            except OSError as error:
                # A bundle of certificates that cannot be read: what worked before goes on.
                self._tell("error", "upstreams_refused", error=str(error))
            self.store.use(self.terms.for_store(), self.terms.policy)
        self.upstreams.set_unhealthy(message.unhealthy)
        if self.terms.paused:
            self.dispatch.shed_queue("paused")
            self.intake.go_on()
        if self._ticker is None:
            self.upstreams.start()
            self.lag.start()
            self.intake.start()
            self._ticker = asyncio.get_running_loop().create_task(self._tick(), name="tick")

    async def _tick(self) -> None:
        began = time.monotonic()
        strangers_told = False
        while True:
            await asyncio.sleep(_TICK)
            self.dispatch.tick()
            if self.terms.take_news():
                self.store.use(self.terms.for_store(), self.terms.policy)
            connected = self.intake.boots()
            for boot, pid in tuple(self.dispatch.workers.items()):
                if boot in connected:
                    del self.dispatch.workers[boot]
                elif not is_alive(pid):
                    del self.dispatch.workers[boot]
                    self._bury(boot)
            if not strangers_told and time.monotonic() - began > _STRANGERS_AFTER:
                strangers_told = True
                known = connected | self.dispatch.workers.keys()
                for boot in {each.boot for each in self.store.balances()} - known:
                    self.store.end_boot(boot, self.dispatch.waiting(boot), with_observer=True)

    def _bury(self, boot: str) -> None:
        self.store.end_boot(boot, self.dispatch.waiting(boot))

    def snapshot(self) -> TallySnapshot:
        """Everything counted since the start."""
        return snapshot(
            counts=self.counts,
            dispatch=self.dispatch,
            upstreams=self.upstreams,
            lag=self.lag,
            store=self.store,
        )

    async def drain(self, seconds: float, workers: float = _LAST_WORDS) -> bool:
        """Hear the workers out, finish what is in hand within `seconds`, write it down.

        `workers` is how long their connections may take to end.
        """
        self.intake.stop()
        self.dispatch.leave()
        await self.intake.all_left(workers)
        finished = await self.dispatch.drain(seconds)
        self.close()
        for boot, pid in self.dispatch.workers.items():
            if not is_alive(pid):
                self._bury(boot)
        if not finished:
            self._tell("warning", "exchanges_cut_short", seconds=seconds)
        await asyncio.to_thread(self.store.flush, _FLUSH)
        return finished

    def close(self) -> None:
        """Ask and hear nobody any more."""
        if self._ticker is not None:
            self._ticker.cancel()
            self.intake.stop()
        self.lag.stop()
        self.intake.close()
        self.dispatch.close()
        self.upstreams.close()
        self.comparer.close()


class ObserverProcess:
    """The observer as the supervisor's child: what the link says is done, and answered."""

    def __init__(
        self, listener: socket.socket, link: socket.socket, store: EvidenceStore, tell: Telling
    ) -> None:
        self._listener = listener
        self._socket = link
        self._store = store
        self._tell = tell
        self._link: Link | None = None
        self._observer: Observer | None = None
        self._ended = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._questions: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Observe until told to stop, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        # The supervisor decides when this ends; a Ctrl-C in a terminal reaches both.
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, lambda: None)
        self._link = await open_link(self._socket, on_message=self._told, on_closed=self._orphaned)
        await self._ended.wait()
        for task in tuple(self._questions):
            task.cancel()
        if self._observer is not None:
            self._observer.close()
            await self._observer.comparer.ended()

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)

    def _told(self, message: Message) -> None:
        match message:
            case Start():
                self._observer = Observer(message.settings, self._listener, self._store, self._tell)
            case Apply() if self._observer is not None:
                self._apply(self._observer, message)
            case Collect() if self._observer is not None:
                self._send(Counters(id=message.id, tally=self._observer.snapshot()))
            case Ask() if self._observer is not None:
                task = asyncio.get_running_loop().create_task(self._answer(message))
                self._questions.add(task)
                task.add_done_callback(self._questions.discard)
            case Drain():
                self._begin_drain(message.seconds)
            case Stop():
                self._ended.set()
            case _:
                pass

    def _apply(self, observer: Observer, message: Apply) -> None:
        first = not observer.started
        observer.apply(message)
        if first:
            # Not before: on a full machine it would take minutes to come up.
            self._tell("info", "observer_stepped_back", priority=step_back())
            self._send(Ready(worker=0, pid=os.getpid()))
        self._send(
            Applied(
                revision=message.revision,
                config_revision=observer.terms.revision,
                routes_revision=message.revision,
            )
        )

    async def _answer(self, asked: Ask) -> None:
        assert self._observer is not None
        status, body = await self._observer.questions.answer(asked.what, asked.params)
        self._send(Answer(id=asked.id, status=status, body=body))

    def _begin_drain(self, seconds: float, workers: float = _LAST_WORDS) -> None:
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(
                self._drain(seconds, workers), name="drain"
            )

    async def _drain(self, seconds: float, workers: float) -> None:
        if self._observer is not None:
            await self._observer.drain(seconds, workers)
        self._send(Drained())
        await asyncio.sleep(0)
        if self._link is not None:
            self._link.close()
        self._ended.set()

    def _orphaned(self, _error: Exception | None) -> None:
        # Without a supervisor the workers drain and end; what they still hand over is finished.
        seconds = workers = 0.0
        if self._observer is not None:
            seconds = self._observer.terms.policy.deadline + _ORPHANED_GRACE
            workers = self._observer.settings.deadlines.drain + _ORPHANED_GRACE
        with contextlib.suppress(RuntimeError):  # the loop is closing
            self._begin_drain(seconds, workers)
