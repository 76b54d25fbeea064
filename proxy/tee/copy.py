"""One eligible request while it is under way: what it refers to, and its one end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy.evidence.outcome import Outcome
from proxy.handover.writing import closed_front, ended_frame, opened_front, whole_front
from proxy.shadow_policy import DispatchAt

if TYPE_CHECKING:
    from proxy.http1.response_head import ResponseHead
    from proxy.journey import Journey
    from proxy.tee.tee import Branch, Tee


class Copy:
    """Refers to the bytes of a request and its response; nothing is copied before the socket.

    A journey tells it the steps it goes through. It ends once: handed over whole, or counted with
    the reason why not. It then takes itself off the journey.
    """

    __slots__ = (
        "_branch",
        "_connection",
        "_held",
        "_id",
        "_request_body",
        "_request_size",
        "_response_head",
        "_tee",
        "asked",
        "chunks",
    )

    def __init__(self, tee: Tee, branch: Branch) -> None:
        self._tee = tee
        self._branch = branch
        # The head that the primary was sent.
        self.asked = b""
        self._request_body: list[bytes] | None = None
        self._request_size = 0
        self._response_head = b""
        # Of the response's body.
        self.chunks: list[bytes] = []
        # Bytes counted in `Outlet.held`.
        self._held = 0
        # On which connection this was opened; 0: on none.
        self._connection = 0
        self._id = 0

    # What the journey tells.

    def request_body(self, journey: Journey, chunk: bytes) -> None:
        """Take a piece of the request's body."""
        if self._request_body is None:
            self._request_body = []
        self._request_body.append(chunk)
        self._request_size += len(chunk)
        if self._request_size > self._tee.max_body:
            self.give_up(journey, Outcome.SHED, "oversize")
        else:
            self._hold(journey)

    def request_whole(self, journey: Journey) -> None:
        """Announce the request if the route wants that."""
        if self._branch.dispatch is DispatchAt.CONCURRENT and not self._connection:
            self._open(journey)

    def response_head(
        self, journey: Journey, head: ResponseHead, parts: list[bytes], joined: bytes
    ) -> None:
        """Take the response's head; the client gets `joined`, made of `parts`."""
        if (
            head.length > self._tee.max_body
            and journey.request.method != "HEAD"
            and head.status not in (204, 304)
        ):
            self.give_up(journey, Outcome.SHED, "oversize")
        elif len(parts) == len(head.fields) + 2 and parts[-1] == b"\r\n":
            # The client gets what the upstream sent, field by field: the join serves both.
            self._response_head = joined
        else:
            self._response_head = b"".join((head.status_line(), *head.fields, b"\r\n"))

    def turn_ended(self, journey: Journey) -> None:
        """Take note that the response goes on in a later turn of the loop."""
        if journey.sent_bytes > self._tee.max_body:
            self.give_up(journey, Outcome.SHED, "oversize")
            return
        self._hold(journey)
        if (
            journey.copy is not None
            and self._branch.dispatch is DispatchAt.ON_RESPONSE
            and not self._connection
            and journey.request.complete
        ):
            self._open(journey)

    def end(self, journey: Journey) -> None:
        """Hand over, or say why not: the journey is over."""
        error = journey.error
        if error is not None:
            self.give_up(journey, Outcome.ABORTED, error.cause)
        elif not journey.request.complete:
            # The upstream answered before it had the whole request; the rest never came.
            self.give_up(journey, Outcome.ABORTED, "early_response")
        elif journey.sent_bytes > self._tee.max_body:
            self.give_up(journey, Outcome.SHED, "oversize")
        elif self._connection:
            self._close(journey)
        else:
            self._hand_over(journey)

    def give_up(self, journey: Journey, outcome: Outcome, detail: str) -> None:
        """End without an exchange to compare."""
        outlet = self._tee.outlet
        if not self._connection:
            self._branch.books.end(outcome, detail)
        elif self._connection == outlet.connection:
            # It is in the observer's books. The frame is small and there is at most one of it for
            # every request under way, so it needs no room of its own.
            outlet.put(ended_frame(self._id, outcome, detail))
        # else: whoever took it over is gone, and the ledger tells.
        self._let_go(journey)

    # Handing over.

    def _hand_over(self, journey: Journey) -> None:
        outlet, branch, request = self._tee.outlet, self._branch, journey.request
        asked, head, size = self.asked, self._response_head, journey.sent_bytes
        target = b"" if journey.target is request.target else request.target
        total = len(target) + len(asked) + self._request_size + len(head) + size
        if not self._has_room(journey, total):
            return
        outlet.exchanges += 1
        started = request.started
        front = whole_front(
            outlet.exchanges,
            branch.number or outlet.name(branch),
            started + outlet.epoch,
            len(target),
            len(asked),
            self._request_size,
            journey.first_byte_at - started,
            time.perf_counter() - started,
            journey.status,
            len(head),
            size,
        )
        if self._request_body is None and not target:
            outlet.parts += (front, asked, head, *self.chunks)
        else:
            outlet.parts += (front, target, asked, *(self._request_body or ()), head, *self.chunks)
        outlet.waiting += len(front) + total
        outlet.gather()
        branch.books.handed += 1
        branch.books.changed = True
        self._let_go(journey)

    def _open(self, journey: Journey) -> None:
        outlet, branch, request = self._tee.outlet, self._branch, journey.request
        target = b"" if journey.target is request.target else request.target
        total = len(target) + len(self.asked) + self._request_size
        if not self._has_room(journey, total):
            return
        outlet.exchanges += 1
        self._id = outlet.exchanges
        self._connection = outlet.connection
        front = opened_front(
            self._id,
            branch.number or outlet.name(branch),
            request.started + outlet.epoch,
            len(target),
            len(self.asked),
            self._request_size,
        )
        outlet.parts += (front, target, self.asked, *(self._request_body or ()))
        outlet.waiting += len(front) + total
        outlet.gather()
        self._request_body = None
        self._request_size = 0
        branch.books.handed += 1
        branch.books.changed = True

    def _close(self, journey: Journey) -> None:
        outlet = self._tee.outlet
        if self._connection != outlet.connection:
            self._let_go(journey)
            return
        head, size = self._response_head, journey.sent_bytes
        if outlet.waiting + len(head) + size > outlet.waiting_limit:
            self.give_up(journey, Outcome.SHED, "queue")
            return
        started = journey.request.started
        front = closed_front(
            self._id,
            journey.first_byte_at - started,
            time.perf_counter() - started,
            journey.status,
            len(head),
            size,
        )
        outlet.parts += (front, head, *self.chunks)
        outlet.waiting += len(front) + len(head) + size
        outlet.gather()
        self._let_go(journey)

    def _has_room(self, journey: Journey, size: int) -> bool:
        outlet = self._tee.outlet
        if not outlet.connection:
            self.give_up(journey, Outcome.SHED, "observer_down")
            return False
        if outlet.waiting + size > outlet.waiting_limit:
            # The newest goes: what waits has been handed over already.
            self.give_up(journey, Outcome.SHED, "queue")
            return False
        return True

    # Bounds.

    def _hold(self, journey: Journey) -> None:
        """Count what outlives this turn against what all copies may hold."""
        outlet = self._tee.outlet
        held = self._request_size + journey.sent_bytes
        outlet.held += held - self._held
        self._held = held
        if outlet.held > outlet.held_limit:
            self.give_up(journey, Outcome.SHED, "queue")

    def _let_go(self, journey: Journey) -> None:
        if self._held:
            self._tee.outlet.held -= self._held
            self._held = 0
        journey.copy = None

    def __repr__(self) -> str:
        state = f"opened as {self._id}" if self._connection else f"{self._held} bytes held"
        return f"<Copy for {self._branch.decided.route} [{state}]>"
