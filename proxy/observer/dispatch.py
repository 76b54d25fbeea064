"""The dispatch: what waits, what may be sent, and how every exchange gets its one outcome."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from proxy.evidence.books import LedgerRow as StoredRow
from proxy.evidence.outcome import Outcome
from proxy.evidence.settled import Settled
from proxy.handover import Ended, Hello, LedgerRow, TakenRequest, TakenResponse
from proxy.headers import SAFE_METHODS
from proxy.observer.budget import Budgets
from proxy.observer.carry import LATEST, Carry, Ending
from proxy.observer.counts import Counts
from proxy.observer.in_hand import InHand
from proxy.observer.lag import LoopLag
from proxy.observer.shares import Shares
from proxy.observer.store import EvidenceStore
from proxy.observer.telling import defect_of
from proxy.observer.terms import Terms
from proxy.observer.upstreams import Upstreams, clock
from proxy.routing.route import Route
from proxy.shadow_policy import ObserverPolicy, WriteMode
from proxy.stages import Side

# Bytes that all exchanges in hand may hold together, in bodies of the largest size.
_LARGEST_BODIES: Final = 64
# Exchanges whose shadow was asked and whose primary is not done may be so many queues.
_QUEUES_AT_WORK: Final = 4
# Defects that are told of in one life of the observer.
_DEFECTS: Final = 1000


class Dispatch:
    """Takes exchanges from the intake and gives each to `Carry` when its turn comes.

    A hand is in the queue or at work until it is settled: `waiting` counts those, and no others, so
    that one that got lost would show in the books.
    """

    def __init__(
        self,
        *,
        terms: Terms,
        upstreams: Upstreams,
        carry: Carry,
        store: EvidenceStore,
        counts: Counts,
        lag: LoopLag,
        wall: Callable[[], float],
        tell: Callable[..., None],
    ) -> None:
        """`wall` gives seconds since 1970, `tell` logs an event."""
        self._terms = terms
        self._upstreams = upstreams
        self._carry = carry
        self._store = store
        self._counts = counts
        self._lag = lag
        self._wall = wall
        self._tell = tell
        self._queue: deque[InHand] = deque()
        self._at_work: set[InHand] = set()
        self._budgets = Budgets()
        self._shares = Shares()
        # Defects that were told of, by route.
        self._defects: set[tuple[str, str]] = set()
        self._held = 0
        self._asking = 0
        self._closed = False
        self._leaving = False
        # Called when there is room for more.
        self.on_room: Callable[[], None] = _nobody
        self._idle = asyncio.Event()
        self._idle.set()
        # Workers by boot: process ids, for those whose connection has ended.
        self.workers: dict[str, int] = {}

    @property
    def queued(self) -> int:
        """Exchanges that wait for their turn."""
        return len(self._queue)

    @property
    def asking(self) -> int:
        """Shadow requests in flight."""
        return self._asking

    @property
    def at_work(self) -> int:
        """Exchanges whose turn has come and that are not settled yet."""
        return len(self._at_work)

    @property
    def held(self) -> int:
        """Bytes that the exchanges in hand hold."""
        return self._held

    # What the intake says.

    def is_full(self) -> bool:
        """Whether a burst had better wait in the buffers of the workers.

        Only for a queue that goes on by itself: where it waits for what workers have still to say,
        that has to be read.
        """
        policy = self._terms.policy
        return (
            len(self._queue) >= policy.queue
            and not self._leaving
            and not self._holds_too_much(policy)
            and len(self._at_work) < self._most_at_work(policy)
        )

    def take(self, request: TakenRequest, response: TakenResponse | None) -> InHand:
        """Take an exchange over; it is queued, or settled at once."""
        hand = InHand(request, response, arrived=clock() - self._age(request, response))
        route = request.decided.route
        self._counts.received[route] += 1
        self._shares.came(route, clock(), self._terms.policy.deadline)
        self._held += hand.size
        self._idle.clear()
        why = self._refusal(hand)
        if why:
            self._settle(hand, Ending(Outcome.SHED, why))
        else:
            self._queue.append(hand)
            self._start_more()
        return hand

    def closed(self, hand: InHand, response: TakenResponse) -> None:
        """The primary's response has come."""
        if not hand.settled:
            before = hand.size
            hand.close(response)
            self._held += hand.size - before

    def ended(self, hand: InHand, ended: Ended) -> None:
        """The primary's response will not come: the worker says what that makes of it."""
        if not hand.settled:
            self._settle(hand, Ending(ended.outcome, ended.detail))

    def ledger(self, boot: str, rows: tuple[LedgerRow, ...], *, recover: bool) -> None:
        """Balance a worker's books with what is settled and what is in hand at this moment."""
        self._store.enter([_stored(boot, row) for row in rows], self.waiting(boot), recover=recover)

    def gone(self, hello: Hello) -> None:
        """A worker's connection has ended; `bury` finds out whether it comes again."""
        self.workers[hello.boot] = hello.pid

    def waiting(self, boot: str) -> Counter[tuple[str, str]]:
        """How many exchanges of a boot are in hand, by (boot, route)."""
        return Counter(
            (boot, hand.request.decided.route)
            for hand in (*self._queue, *self._at_work)
            if hand.request.boot == boot and not hand.settled
        )

    def lost(self) -> int:
        """Exchanges taken over that are neither in hand nor settled. Never but by a defect."""
        settled = sum(self._counts.outcomes.values())
        in_hand = sum(not hand.settled for hand in (*self._queue, *self._at_work))
        return sum(self._counts.received.values()) - settled - in_hand

    # Admission.

    def _refusal(self, hand: InHand) -> str:
        """Why nothing will be sent for this exchange; empty when it may wait for its turn."""
        terms = self._terms
        policy = terms.policy
        if terms.stopped(hand.request.decided):
            return "paused"
        if policy.loop_lag_shed and self._lag.seconds > policy.loop_lag_shed:
            return "loop_lag"
        if len(self._queue) >= policy.queue:
            # Some of them may have ended while they waited.
            self._queue = deque(each for each in self._queue if not each.settled)
        if (
            len(self._queue) >= policy.queue
            or len(self._at_work) >= self._most_at_work(policy)
            or self._holds_too_much(policy)
        ):
            return "queue"
        decided = hand.request.decided
        if self._crowds(decided.route, policy):
            return "queue"
        route = terms.shadowed(decided.route, decided.shadow)
        if route is None:
            # Found out again when its turn comes, and told apart there.
            return ""
        upstream = self._destination(hand, route)
        now = clock()
        if upstream and self._upstreams.breaker(upstream).would_refuse(now):
            return "breaker"
        if upstream and not self._budgets.take(route.id, route.shadow.budget_rps, now):
            return "budget"
        return ""

    def _crowds(self, route: str, policy: ObserverPolicy) -> bool:
        """Whether a route that hangs has half of the queue, and the rest is for the others."""
        most = max(1, policy.queue // 2)
        return (
            len(self._queue) >= most
            and self._shares.is_stuck(route, policy.concurrency, clock())
            and sum(each.request.decided.route == route for each in self._queue) >= most
        )

    def _age(self, request: TakenRequest, response: TakenResponse | None) -> float:
        """How long an exchange has waited for its turn to be read, where that can be told."""
        if response is None:
            return 0.0
        waited = self._wall() - request.started - response.elapsed
        return min(max(waited, 0.0), self._terms.policy.deadline)

    def _holds_too_much(self, policy: ObserverPolicy) -> bool:
        return self._held > _LARGEST_BODIES * policy.max_body

    def _most_at_work(self, policy: ObserverPolicy) -> int:
        return policy.concurrency + _QUEUES_AT_WORK * policy.queue

    def _destination(self, hand: InHand, route: Route) -> str:
        """Who would be asked; empty when nobody will be."""
        if hand.request.decided.shadow is Side.LEGACY:
            return self._terms.legacy
        writes = route.shadow.writes
        if writes in (WriteMode.RECORD, WriteMode.SANDBOX):
            method = hand.request.head.partition(b" ")[0].decode("ascii", "replace")
            if method not in SAFE_METHODS:
                return "" if writes is WriteMode.RECORD else route.shadow.sandbox
        return route.new

    # Turns.

    def tick(self) -> None:
        """Settle what has waited too long to be sent; to be called a few times a second."""
        policy = self._terms.policy
        latest = clock() - policy.deadline * LATEST
        while self._queue and (self._queue[0].settled or self._queue[0].arrived < latest):
            self._settle(self._queue.popleft(), Ending(Outcome.SHED, "queue"))
        self._start_more()

    def _start_more(self) -> None:
        policy = self._terms.policy
        while not self._closed and self._queue and self._asking < policy.concurrency:
            if self._holds_too_much(policy):
                # Every answer would be held too: what is in hand has to end first.
                break
            hand = self._next(policy)
            if hand is None:
                break
            self._at_work.add(hand)
            self._asking += 1
            self._shares.begin(hand.request.decided.route, hand, clock())
            hand.task = asyncio.get_running_loop().create_task(self._work(hand))
        waiting = len(self._queue)
        if waiting <= policy.queue // 2 or (waiting >= policy.queue and not self.is_full()):
            self.on_room()

    def _next(self, policy: ObserverPolicy) -> InHand | None:
        """Whose turn it is: the first in the queue whose route has not got its share."""
        queue = self._queue
        while queue and queue[0].settled:
            queue.popleft()
        full = self._shares.full(policy.concurrency, clock())
        for at, hand in enumerate(queue):
            if not hand.settled and hand.request.decided.route not in full:
                del queue[at]
                return hand
        return None

    async def _work(self, hand: InHand) -> None:
        asking = True

        def asked(size: int = 0) -> None:
            """The upstream has answered so many bytes: the next one may have this place."""
            nonlocal asking
            if not hand.settled:
                hand.size += size
                self._held += size
            if asking:
                asking = False
                self._asking -= 1
                self._shares.end(hand.request.decided.route, hand)
                self._start_more()

        ending: Ending | Settled
        try:
            try:
                ending = await self._carry.carry(hand, asked)
            except Exception as error:  # noqa: BLE001 -- a defect costs this exchange, no other
                self._tell_defect(hand, defect_of(error))
                ending = Ending(Outcome.INCOMPARABLE, "internal")
            else:
                if ending.outcome is Outcome.INCOMPARABLE and ending.detail == "internal":
                    self._tell_defect(hand, "the comparison failed")
            self._settle(hand, ending)
        finally:
            self._at_work.discard(hand)
            asked()
            self._start_more()
            self._look_idle()

    def _tell_defect(self, hand: InHand, what: str) -> None:
        """Log a defect once for each route: what one request met, thousands may meet."""
        key = hand.request.decided.route, what
        if key not in self._defects and len(self._defects) < _DEFECTS:
            self._defects.add(key)
            self._tell("error", "exchange_failed", route=key[0], error=what)

    def _settle(self, hand: InHand, ending: Ending | Settled) -> None:
        """Give an exchange its outcome: the first one counts, and it lets go of its bytes."""
        if hand.settled:
            return
        hand.settled = True
        request = hand.request
        settled = (
            ending
            if isinstance(ending, Settled)
            else Settled(
                boot=request.boot,
                route=request.decided.route,
                epoch=None,
                outcome=ending.outcome,
                detail=ending.detail,
                at=self._wall(),
                exemplar=None,
            )
        )
        self._held -= hand.size
        hand.let_go()
        self._counts.settled(settled.route, settled.outcome, settled.detail)
        self._store.settle((settled,))
        if hand.task is not None and hand.task is not asyncio.current_task():
            hand.task.cancel()
        self._look_idle()

    # The end.

    def _look_idle(self) -> None:
        if not self._at_work and not any(not hand.settled for hand in self._queue):
            self._idle.set()

    def leave(self) -> None:
        """Hold nothing back any more: what workers wrote is to be known before the end."""
        self._leaving = True
        self.on_room()

    async def drain(self, seconds: float) -> bool:
        """Wait until everything in hand is settled; then settle the rest as lost."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            for hand in (*self._queue, *self._at_work):
                self._settle(hand, Ending(Outcome.SHED, "observer_lost"))
            return False
        return True

    def close(self) -> None:
        """Work on nothing any more; what is in hand is left as it is."""
        self._closed = self._leaving = True
        for hand in self._at_work:
            if hand.task is not None:
                hand.task.cancel()

    def shed_queue(self, why: str) -> None:
        """Settle what waits: it may not be sent any more."""
        for hand in self._queue:
            self._settle(hand, Ending(Outcome.SHED, why))
        self._queue.clear()


def _nobody() -> None:
    """Take the place of an intake that is not there yet."""


def _stored(boot: str, row: LedgerRow) -> StoredRow:
    ineligible = dict(row.ineligible)
    unsampled = ineligible.pop("unsampled", 0)
    return StoredRow(
        boot=boot,
        route=row.route,
        eligible=row.eligible,
        own=tuple((outcome, detail, count) for (outcome, detail), count in row.ended.items()),
        in_worker=row.eligible - row.handed - sum(row.ended.values()),
        ineligible=tuple(ineligible.items()),
        unsampled=unsampled,
    )
