"""One eligible request while it is under way: what it refers to, and its one end."""

from __future__ import annotations

from asyncio import get_running_loop
from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.evidence.outcome import Outcome
from proxy.handover.frames import EXCHANGE, FRAME, WHOLE
from proxy.handover.writing import closed_front, ended_frame, opened_front, pack_whole

if TYPE_CHECKING:
    from proxy.http1.response_head import ResponseHead
    from proxy.journey import Journey
    from proxy.tee.tee import Branch

_EXCHANGE_BYTES: Final = EXCHANGE.size
_FRAME_BYTES: Final = FRAME.size


class Longer:
    """What a copy has beyond the plain case: no request body, and a response in one turn."""

    __slots__ = ("connection", "held", "id", "request_body", "request_size")

    def __init__(self) -> None:
        self.request_body: list[bytes] = []
        self.request_size = 0
        # Bytes counted in `Outlet.held`.
        self.held = 0
        # On which connection it was opened, under which id; 0: on none.
        self.connection = 0
        self.id = 0


class Copy:
    """Refers to the bytes of a request and its response; nothing is copied before the socket.

    A journey tells it the steps it goes through. It ends once: handed over whole, or counted with
    the reason why not. It then takes itself off the journey.
    """

    __slots__ = ("_longer", "_response_head", "asked", "branch", "chunks")

    # The head that the primary was sent; the journey sets it.
    asked: bytes
    _response_head: bytes

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self._longer: Longer | None = None
        # Of the response's body; the journey adds them.
        self.chunks: list[bytes] = []

    # What the journey tells.

    def request_body(self, journey: Journey, chunk: bytes) -> None:
        """Take a piece of the request's body."""
        try:
            longer = self._become_longer()
            longer.request_body.append(chunk)
            longer.request_size += len(chunk)
            if longer.request_size > self.branch.max_body:
                self.give_up(journey, Outcome.SHED, "oversize")
            else:
                self._hold(journey, longer)
        except Exception as error:  # noqa: BLE001 -- our defect is not the client's
            self._broken(journey, error)

    def request_whole(self, journey: Journey) -> None:
        """Announce the request; asked where the branch is `concurrent`."""
        try:
            self._open(journey)
        except Exception as error:  # noqa: BLE001 -- our defect is not the client's
            self._broken(journey, error)

    def response_head(
        self, journey: Journey, head: ResponseHead, parts: list[bytes], joined: bytes
    ) -> None:
        """Take the response's head; the client gets `joined`, made of `parts`."""
        try:
            if (
                head.length > self.branch.max_body
                and journey.request.method != "HEAD"
                and head.status not in (204, 304)
            ):
                self.give_up(journey, Outcome.SHED, "oversize")
            elif len(parts) == len(head.fields) + 2 and parts[-1] == b"\r\n":
                # The client gets what the upstream sent, field by field: the join serves both.
                self._response_head = joined
            else:
                self._response_head = b"".join((head.status_line(), *head.fields, b"\r\n"))
        except Exception as error:  # noqa: BLE001 -- our defect is not the client's
            self._broken(journey, error)

    def turn_ended(self, journey: Journey) -> None:
        """Take note that the response goes on in a later turn of the loop."""
        try:
            if journey.sent_bytes > self.branch.max_body:
                self.give_up(journey, Outcome.SHED, "oversize")
                return
            self._hold(journey, self._become_longer())
            if journey.copy is not None and self.branch.on_response and journey.request.complete:
                self._open(journey)
        except Exception as error:  # noqa: BLE001 -- our defect is not the client's
            self._broken(journey, error)

    def end(self, journey: Journey) -> None:
        """Hand over, or say why not: the journey is over."""
        try:
            error, request, size = journey.error, journey.request, journey.sent_bytes
            if error is not None:
                self.give_up(journey, Outcome.ABORTED, error.cause)
            elif not request.complete:
                # The upstream answered before it had the whole request; the rest never came.
                self.give_up(journey, Outcome.ABORTED, "early_response")
            elif size > self.branch.max_body:
                self.give_up(journey, Outcome.SHED, "oversize")
            elif self._longer is not None and self._longer.connection:
                self._close(journey, self._longer)
            else:
                outlet, journey.copy = self.branch.outlet, None
                whole = outlet.whole
                if not whole:
                    outlet.pack_soon()
                whole.append((self, journey, perf_counter()))
        except Exception as error:  # noqa: BLE001 -- our defect is not the client's
            self._broken(journey, error)

    def give_up(self, journey: Journey, outcome: Outcome, detail: str) -> None:
        """End without an exchange to compare."""
        outlet, longer = self.branch.outlet, self._longer
        if longer is None or not longer.connection:
            self.branch.books.end(outcome, detail)
        elif longer.connection == outlet.connection:
            # It is in the observer's books. The frame is small and there is at most one of it for
            # every request under way, so it needs no room of its own.
            outlet.put(ended_frame(longer.id, outcome, detail))
        # else: whoever took it over is gone, and the ledger tells.
        self._let_go(journey)

    def _broken(self, journey: Journey, error: Exception) -> None:
        """End for a defect of ours: told and counted, and nothing of it reaches the client."""
        get_running_loop().call_exception_handler(
            {"message": f"{self!r} is broken", "exception": error}
        )
        longer, journey.copy = self._longer, None
        if longer is not None:
            self.branch.outlet.held -= longer.held
        if longer is None or not longer.connection:
            self.branch.books.end(Outcome.SHED, "internal")

    # Handing over.

    def hand_over(self, journey: Journey, ended_at: float) -> None:
        """Pack the whole exchange of a journey that was over at `ended_at`, if there is room."""
        try:
            self._pack(journey, ended_at)
        except Exception as error:  # noqa: BLE001 -- our defect is not the client's
            self._broken(journey, error)

    def _pack(self, journey: Journey, ended_at: float) -> None:
        branch, longer, request = self.branch, self._longer, journey.request
        size = journey.sent_bytes
        outlet, asked, head = branch.outlet, self.asked, self._response_head
        request_size = 0 if longer is None else longer.request_size
        target = b"" if journey.target is request.target else request.target
        length = _EXCHANGE_BYTES + len(target) + len(asked) + request_size + len(head) + size
        # A name may have to be written first, and writing may find that nobody is there any more.
        number = branch.number or outlet.name(branch)
        waiting = outlet.waiting + _FRAME_BYTES + length
        if waiting > outlet.room:
            self._find_no_room(journey)
            return
        exchange = outlet.exchanges = outlet.exchanges + 1
        started = request.started
        front = pack_whole(
            length,
            WHOLE,
            exchange,
            number,
            started + outlet.epoch,
            len(target),
            len(asked),
            request_size,
            journey.first_byte_at - started,
            ended_at - started,
            journey.status,
            len(head),
            size,
        )
        parts = outlet.parts
        if longer is None and not target:
            parts += (front, asked, head)
        else:
            body = () if longer is None else longer.request_body
            parts += (front, target, asked, *body, head)
        parts += self.chunks
        outlet.waiting = waiting
        books = branch.books
        books.handed += 1
        books.changed = True
        if longer is not None:
            outlet.held -= longer.held

    def _open(self, journey: Journey) -> None:
        longer = self._become_longer()
        if longer.connection:
            return
        branch, request, asked = self.branch, journey.request, self.asked
        outlet = branch.outlet
        target = b"" if journey.target is request.target else request.target
        length = len(target) + len(asked) + longer.request_size
        number = branch.number or outlet.name(branch)
        if outlet.waiting + length > outlet.room:
            self._find_no_room(journey)
            return
        longer.id = outlet.exchanges = outlet.exchanges + 1
        longer.connection = outlet.connection
        front = opened_front(
            longer.id,
            number,
            request.started + outlet.epoch,
            len(target),
            len(asked),
            longer.request_size,
        )
        outlet.add((front, target, asked, *longer.request_body), len(front) + length)
        branch.books.handed += 1
        branch.books.changed = True
        outlet.held -= longer.request_size
        longer.held -= longer.request_size
        longer.request_body = []
        longer.request_size = 0

    def _close(self, journey: Journey, longer: Longer) -> None:
        outlet = self.branch.outlet
        head, size = self._response_head, journey.sent_bytes
        if longer.connection != outlet.connection:
            self._let_go(journey)
        elif outlet.waiting + len(head) + size > outlet.room:
            self.give_up(journey, Outcome.SHED, "queue")
        else:
            started = journey.request.started
            front = closed_front(
                longer.id,
                journey.first_byte_at - started,
                perf_counter() - started,
                journey.status,
                len(head),
                size,
            )
            outlet.add((front, head, *self.chunks), len(front) + len(head) + size)
            self._let_go(journey)

    def _find_no_room(self, journey: Journey) -> None:
        # The newest goes: what waits has been handed over already.
        down = not self.branch.outlet.connection
        self.give_up(journey, Outcome.SHED, "observer_down" if down else "queue")

    # Bounds.

    def _become_longer(self) -> Longer:
        longer = self._longer
        if longer is None:
            longer = self._longer = Longer()
        return longer

    def _hold(self, journey: Journey, longer: Longer) -> None:
        """Count what outlives this turn against what all copies may hold."""
        outlet = self.branch.outlet
        held = longer.request_size + journey.sent_bytes
        outlet.held += held - longer.held
        longer.held = held
        if outlet.held > outlet.held_limit:
            self.give_up(journey, Outcome.SHED, "queue")

    def _let_go(self, journey: Journey) -> None:
        if self._longer is not None:
            self.branch.outlet.held -= self._longer.held
        journey.copy = None

    def __repr__(self) -> str:
        longer = self._longer
        opened = longer is not None and longer.connection
        state = f"opened as {longer.id}" if longer is not None and opened else "under way"
        return f"<Copy for {self.branch.decided.route} [{state}]>"
