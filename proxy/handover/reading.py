"""Reading frames: `Unpacker`, which takes any split and refuses garbage."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

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
    MAX_BODY,
    MAX_DECIDED,
    MAX_HEAD,
    MAX_TARGET,
    MAX_TEXT,
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
    HandoverBroken,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    TakenRequest,
    TakenResponse,
    Whole,
    target_of,
)
from proxy.stages import Reason, Side, Stage

_MAX_PARTS: Final = MAX_TARGET + 2 * (MAX_HEAD + MAX_BODY)
_BOUNDS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        HELLO: (2, MAX_TEXT),
        DECIDED: (NUMBER.size + 2, MAX_TEXT),
        OPENED: (REQUEST.size, REQUEST.size + _MAX_PARTS),
        CLOSED: (ID.size + RESPONSE.size, ID.size + RESPONSE.size + _MAX_PARTS),
        ENDED: (ID.size + 1, ID.size + 256),
        WHOLE: (EXCHANGE.size, EXCHANGE.size + _MAX_PARTS),
        LEDGER: (2, MAX_TEXT),
    }
)


class Unpacker:
    """Takes one connection's bytes in any pieces and gives its frames."""

    __slots__ = ("_broken", "_decided", "_pieces", "_size", "_wanted", "hello")

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self._decided: dict[int, Decided] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        # Bytes that have to be there before anything more can be read.
        self._wanted = FRAME.size
        self._broken = False

    @property
    def held(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return self._size

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give every frame that is whole now; to be iterated to its end before the next call.

        Raises HandoverBroken at the first byte that cannot belong to a frame, and ever after.
        """
        if self._broken:
            raise HandoverBroken("the connection was given up")
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return
        held = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        at, size = 0, self._size
        # Whoever stops in between, by an error or by not going on, cannot read on.
        self._broken = True
        while True:
            self._wanted = FRAME.size
            if size - at < FRAME.size:
                break
            length, kind = FRAME.unpack_from(held, at)
            self._check(kind, length)
            self._wanted = FRAME.size + length
            if size - at < self._wanted:
                break
            start = at + FRAME.size
            at = start + length
            frame = self._read(kind, held, start, at)
            if frame is not None:
                yield frame
        rest = held[at:]
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        self._broken = False

    def _check(self, kind: int, length: int) -> None:
        bounds = _BOUNDS.get(kind)
        if bounds is None:
            raise HandoverBroken(f"there is no frame of kind {kind}")
        if not bounds[0] <= length <= bounds[1]:
            raise HandoverBroken(f"a frame of kind {kind} cannot have {length} bytes")
        if (kind == HELLO) != (self.hello is None):
            raise HandoverBroken("a connection begins with one HELLO")

    def _read(self, kind: int, held: bytes, start: int, end: int) -> Frame | None:
        if kind == WHOLE:
            values = EXCHANGE.unpack_from(held, start)
            _add_up(start + EXCHANGE.size, end, *values[3:6], *values[9:11])
            request, at = self._request(held, start + EXCHANGE.size, values[:6])
            return Whole(request=request, response=_response(held, at, values[6:]))
        if kind == OPENED:
            values = REQUEST.unpack_from(held, start)
            _add_up(start + REQUEST.size, end, *values[3:])
            return Opened(request=self._request(held, start + REQUEST.size, values)[0])
        if kind == CLOSED:
            values = RESPONSE.unpack_from(held, start + ID.size)
            at = start + ID.size + RESPONSE.size
            _add_up(at, end, *values[3:])
            return Closed(id=ID.unpack_from(held, start)[0], response=_response(held, at, values))
        if kind == ENDED:
            outcome, detail = _outcome(_text(held[start + ID.size : end]))
            return Ended(id=ID.unpack_from(held, start)[0], outcome=outcome, detail=detail)
        if kind == LEDGER:
            return Ledger(rows=tuple(map(_row, _items(_json(held[start:end])))))
        if kind == DECIDED:
            self._name(NUMBER.unpack_from(held, start)[0], held[start + NUMBER.size : end])
            return None
        self.hello = _hello(held[start:end])
        return self.hello

    def _name(self, number: int, text: bytes) -> None:
        if number > MAX_DECIDED:
            raise HandoverBroken(f"{number} is no number of a decision")
        self._decided[number] = _decided(text)

    def _request(
        self, held: bytes, at: int, values: tuple[int, int, float, int, int, int]
    ) -> tuple[TakenRequest, int]:
        exchange, number, started, target_length, head_length, body_length = values
        decided = self._decided.get(number)
        if decided is None:
            raise HandoverBroken(f"decision {number} was not named")
        assert self.hello is not None
        head_at = at + target_length
        body_at = head_at + head_length
        end = body_at + body_length
        head = _head(held[head_at:body_at])
        request = TakenRequest(
            boot=self.hello.boot,
            id=exchange,
            decided=decided,
            started=_seconds(started),
            target=held[at:head_at] if target_length else target_of(head),
            head=head,
            body=held[body_at:end],
        )
        return request, end

    def __repr__(self) -> str:
        return f"<Unpacker of {self.hello} [{self._size} bytes held]>"


def _response(held: bytes, at: int, values: tuple[float, float, int, int, int]) -> TakenResponse:
    first_byte, elapsed, status, head_length, body_length = values
    if not 100 <= status <= 999:
        raise HandoverBroken(f"{status} is no status")
    body_at = at + head_length
    return TakenResponse(
        status=status,
        first_byte=_seconds(first_byte),
        elapsed=_seconds(elapsed),
        head=_head(held[at:body_at]),
        body=held[body_at : body_at + body_length],
    )


def _add_up(start: int, end: int, *lengths: int) -> None:
    *_, body = lengths
    if start + sum(lengths) != end:
        raise HandoverBroken("the parts of a frame do not add up to it")
    if max(lengths) > MAX_BODY:
        raise HandoverBroken(f"a body of {body} bytes")


def _seconds(value: float) -> float:
    if not 0.0 <= value < math.inf:
        raise HandoverBroken(f"{value} is no time")
    return value


def _head(head: bytes) -> bytes:
    if not head.endswith(b"\r\n\r\n") or len(head) > MAX_HEAD:
        raise HandoverBroken("a head does not end with an empty line")
    return head


def _text(text: bytes) -> str:
    try:
        return text.decode("ascii")
    except UnicodeDecodeError as error:
        raise HandoverBroken("not ASCII") from error


def _json(text: bytes) -> object:
    try:
        value: object = json.loads(_text(text))
    except (ValueError, RecursionError) as error:
        raise HandoverBroken(f"not JSON: {error}") from error
    return value


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise HandoverBroken("not a list")
    return value


def _fields(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise HandoverBroken("not an object")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise HandoverBroken(f"not text: {value!r}")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise HandoverBroken(f"not a count: {value!r}")
    return value


def _hello(text: bytes) -> Hello:
    about = _fields(_json(text))
    if about.get("protocol") != PROTOCOL:
        raise HandoverBroken(f"protocol {about.get('protocol')!r}, {PROTOCOL} is spoken here")
    boot, worker, pid = about.get("boot"), about.get("worker"), about.get("pid")
    return Hello(boot=_string(boot), worker=_count(worker), pid=_count(pid))


_Word = TypeVar("_Word", bound=StrEnum)


def _word(words: type[_Word], value: object) -> _Word:
    try:
        return words(_string(value))
    except ValueError as error:
        raise HandoverBroken(str(error)) from error


def _decided(text: bytes) -> Decided:
    content = _fields(_json(text))
    return Decided(
        route=_string(content.get("route")),
        stage=_word(Stage, content.get("stage")),
        side=_word(Side, content.get("side")),
        upstream=_string(content.get("upstream")),
        shadow=_word(Side, content.get("shadow")),
        reason=_word(Reason, content.get("reason")),
        config_revision=_string(content.get("config_revision")),
        flag_revision=_count(content.get("flag_revision")),
    )


def _outcome(text: str) -> tuple[Outcome, str]:
    outcome, slash, detail = text.partition("/")
    if not slash:
        raise HandoverBroken(f"not an outcome: {text!r}")
    return _word(Outcome, outcome), detail


def _row(value: object) -> LedgerRow:
    parts = _items(value)
    if len(parts) != 5:
        raise HandoverBroken("a ledger row has five parts")
    route, eligible, handed, ended, ineligible = parts
    return LedgerRow(
        route=_string(route),
        eligible=_count(eligible),
        handed=_count(handed),
        ended={_outcome(key): _count(count) for key, count in _fields(ended).items()},
        ineligible={reason: _count(count) for reason, count in _fields(ineligible).items()},
    )
