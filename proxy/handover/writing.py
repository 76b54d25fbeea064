"""Writing frames: fronts for the worker's hot path, and `Packer` for values."""

from __future__ import annotations

import json
from struct import Struct
from typing import Final

from proxy.evidence.outcome import Outcome
from proxy.handover.frames import (
    CLOSED,
    DECIDED,
    ENDED,
    EXCHANGE,
    FRAME,
    HELLO,
    ID,
    LEDGER,
    NUMBER,
    OPENED,
    PROTOCOL,
    REQUEST,
    RESPONSE,
    WHOLE,
    Closed,
    Decided,
    Ended,
    Frame,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    TakenRequest,
    Whole,
    target_of,
)

_OPENED_HEADER: Final = Struct("<IBQIdHII")
_CLOSED_HEADER: Final = Struct("<IBQddHII")
_WHOLE_HEADER: Final = Struct("<IBQIdHIIddHII")


# A front is followed by the parts that the layout names.


def hello_frame(hello: Hello) -> bytes:
    """The first frame of a connection."""
    about = {"boot": hello.boot, "worker": hello.worker, "pid": hello.pid}
    return _text_frame(HELLO, json.dumps({"protocol": PROTOCOL, **about}).encode())


def decided_frame(number: int, decided: Decided) -> bytes:
    """Name a decision on this connection."""
    content = {
        "route": decided.route,
        "stage": decided.stage.value,
        "side": decided.side.value,
        "upstream": decided.upstream,
        "shadow": decided.shadow.value,
        "reason": decided.reason.value,
        "config_revision": decided.config_revision,
        "flag_revision": decided.flag_revision,
    }
    return _text_frame(DECIDED, NUMBER.pack(number) + json.dumps(content).encode())


def ended_frame(exchange: int, outcome: Outcome, detail: str) -> bytes:
    """A whole ENDED frame."""
    return _text_frame(ENDED, ID.pack(exchange) + f"{outcome}/{detail}".encode())


def ledger_frame(rows: tuple[LedgerRow, ...]) -> bytes:
    """A whole LEDGER frame."""
    content = [
        (
            row.route,
            row.eligible,
            row.handed,
            {f"{outcome}/{detail}": count for (outcome, detail), count in row.ended.items()},
            dict(row.ineligible),
        )
        for row in rows
    ]
    return _text_frame(LEDGER, json.dumps(content, separators=(",", ":")).encode())


def opened_front(
    exchange: int, number: int, started: float, target: int, head: int, body: int
) -> bytes:
    """The front of OPENED; `target`, `head` and `body` are lengths."""
    return _OPENED_HEADER.pack(
        REQUEST.size + target + head + body, OPENED, exchange, number, started, target, head, body
    )


def closed_front(
    exchange: int, first_byte: float, elapsed: float, status: int, head: int, body: int
) -> bytes:
    """The front of CLOSED; `head` and `body` are lengths."""
    length = ID.size + RESPONSE.size + head + body
    return _CLOSED_HEADER.pack(length, CLOSED, exchange, first_byte, elapsed, status, head, body)


# The front of WHOLE, without a call in between for the hot path: pack_whole(length, WHOLE, id,
# number of the DECIDED, started, length of target, head and body, first byte, elapsed, status,
# length of head and body). `length` is EXCHANGE.size and all five lengths.
pack_whole: Final = _WHOLE_HEADER.pack


def _text_frame(kind: int, content: bytes) -> bytes:
    return FRAME.pack(len(content), kind) + content


class Packer:
    """Writes frames from values, for one connection. The worker's hot path does without it."""

    def __init__(self) -> None:
        self._numbers: dict[Decided, int] = {}

    def pack(self, frame: Frame) -> bytes:
        """The frame's bytes, after a DECIDED if it needs one that was not written yet."""
        match frame:
            case Hello():
                return hello_frame(frame)
            case Ledger(rows=rows):
                return ledger_frame(rows)
            case Ended(id=exchange, outcome=outcome, detail=detail):
                return ended_frame(exchange, outcome, detail)
            case Closed(id=exchange, response=response):
                front = closed_front(
                    exchange,
                    response.first_byte,
                    response.elapsed,
                    response.status,
                    len(response.head),
                    len(response.body),
                )
                return front + response.head + response.body
            case Opened(request=request):
                decided, number, target = self._named(request)
                front = opened_front(
                    request.id,
                    number,
                    request.started,
                    len(target),
                    len(request.head),
                    len(request.body),
                )
                return b"".join((decided, front, target, request.head, request.body))
            case Whole(request=request, response=response):
                decided, number, target = self._named(request)
                parts = (target, request.head, request.body, response.head, response.body)
                front = pack_whole(
                    EXCHANGE.size + sum(map(len, parts)),
                    WHOLE,
                    request.id,
                    number,
                    request.started,
                    len(target),
                    len(request.head),
                    len(request.body),
                    response.first_byte,
                    response.elapsed,
                    response.status,
                    len(response.head),
                    len(response.body),
                )
                return b"".join((decided, front, *parts))

    def _named(self, request: TakenRequest) -> tuple[bytes, int, bytes]:
        target = b"" if request.target == target_of(request.head) else request.target
        number = self._numbers.get(request.decided)
        if number is not None:
            return b"", number, target
        number = self._numbers[request.decided] = len(self._numbers) + 1
        return decided_frame(number, request.decided), number, target
