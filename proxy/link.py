"""The unix socket between supervisor and worker or observer: messages, their frames, and `Link`.

A frame is a 4-byte big-endian length and a JSON object with a `type`. A message
that may be large (a route table, the counters of ten thousand routes) travels as many small frames,
and each end encodes or decodes one frame per turn of its loop: a worker serves in between.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast, get_args

from pydantic import Field, TypeAdapter, ValidationError

from flags.rule import NO_RULES, Rule
from flags.snapshot import FlagSnapshot
from proxy.errors import ProxyError
from proxy.routing.route import Route, RouteFile
from proxy.settings import MIB, Settings
from proxy.tally import HistogramSeries, Series, TallySnapshot

# One frame. Parts are far smaller; a longer one means that the other end speaks something else.
MAX_FRAME_BYTES = 16 * MIB
# Messages waiting for an end that does not read. Beyond it the link is given up: the other end is
# stuck, and a state that waits that long is no longer the state.
MAX_WAITING = 1024
# Routes and series per frame: below a millisecond to encode or decode.
PART_ITEMS = 128
PART_RULES = 16

_LENGTH = struct.Struct(">I")


class LinkBroken(ProxyError):
    """The other end sent something that is no message, or stopped reading."""

    cause = "link"


# Down: supervisor to worker.


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first message: who the worker is, and its settings for life."""

    worker: int
    settings: Settings
    # The unix socket where a worker hands exchanges over; empty: nobody takes them.
    observer: str = ""
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """The whole state at one revision; `Applied` answers once no request can see an older one."""

    revision: int
    flags: FlagSnapshot
    # None: the routes of the last Apply stay.
    routes: RouteFile | None = None
    # Endpoints that fail their health check, as "upstream|url".
    unhealthy: tuple[str, ...] = ()
    type: Literal["apply"] = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The supervisor is alive and the last state is still the current one. Every second."""

    type: Literal["heartbeat"] = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Asks for `Counters` with the same id."""

    id: int
    type: Literal["collect"] = "collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Stop accepting, finish what was begun within `seconds`, say `Drained`, exit 0."""

    seconds: float
    type: Literal["drain"] = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Exit now; what is in flight is cut off."""

    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question to the observer; `Answer` with the same id follows. `params` is a JSON object."""

    id: int
    what: str
    params: str = "{}"
    type: Literal["ask"] = "ask"


# Up: worker or observer to supervisor.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The worker accepts connections."""

    worker: int
    pid: int
    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Every request that this worker decides from now on sees these revisions or later ones.

    Flags never wait for a route table that is still being compiled, so there are two: `revision` is
    the newest Apply whose flags are in use, `routes_revision` the newest whose routes are.
    """

    revision: int
    config_revision: str
    routes_revision: int = 0
    type: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Everything the worker has counted since it started."""

    id: int
    tally: TallySnapshot
    type: Literal["counters"] = "counters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """Nothing is in flight any more; the worker is about to exit."""

    type: Literal["drained"] = "drained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the observer says to an `Ask`: a status as in HTTP, and JSON (`detail` if not 200)."""

    id: int
    status: int
    body: str
    type: Literal["answer"] = "answer"


# Parts: what comes before an Apply or Counters whose lists were too long for one frame.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Routes:
    routes: tuple[Route, ...]
    type: Literal["part_routes"] = "part_routes"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """Rules of flags, by scope. They change far less often than flags, so they stay until then."""

    rules: dict[str, Rule]
    # They take the place of all that came before.
    anew: bool = False
    type: Literal["part_rules"] = "part_rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    series: tuple[Series, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()
    type: Literal["part_tally"] = "part_tally"


Down = Start | Apply | Heartbeat | Collect | Drain | Stop | Ask
Up = Ready | Applied | Counters | Drained | Answer
Message = Down | Up
_Part = _Routes | _Rules | _Tally
_Frame = Message | _Part

_DOOR: TypeAdapter[_Frame] = TypeAdapter(Annotated[_Frame, Field(discriminator="type")])
_WRITERS: dict[type, TypeAdapter[_Frame]] = {kind: TypeAdapter(kind) for kind in get_args(_Frame)}


def encode(frame: _Frame) -> bytes:
    """One frame with its length. What equals its default is left out, as most of a route does."""
    if isinstance(frame, Apply):
        frame = replace(frame, flags=_plain(frame.flags))
    body = _WRITERS[type(frame)].dump_json(frame, exclude_defaults=True)
    # `type` equals its default by nature, so it is put back by hand.
    text = b'{"type":"%b"%b' % (frame.type.encode(), b"}" if body == b"{}" else b"," + body[1:])
    return _LENGTH.pack(len(text)) + text


def _plain(flags: FlagSnapshot) -> FlagSnapshot:
    # pydantic reads into any Mapping but writes dictionaries only.
    return replace(
        flags,
        group_basis_points=dict(flags.group_basis_points),
        route_basis_points=dict(flags.route_basis_points),
        # Apart, in parts: see `parts`.
        rules={},
    )


def decode(text: bytes) -> _Frame:
    """The frame in `text` (length not included). Raises LinkBroken."""
    try:
        return _DOOR.validate_json(text)
    except ValidationError as error:
        raise LinkBroken(f"not a message of this link: {error.errors()[0]['msg']}") from error


def parts(message: Message, known: Mapping[str, Rule] | None = None) -> Iterator[_Frame]:
    """The message as frames that are each quick to encode and decode; its own frame comes last.

    `known` are the rules that the other end has; None: that is not known.
    """
    if isinstance(message, Apply) and message.flags.rules != known:
        rules = list(message.flags.rules.items())
        for start in range(0, max(1, len(rules)), PART_RULES):
            yield _Rules(rules=dict(rules[start : start + PART_RULES]), anew=start == 0)
    match message:
        case Apply(routes=RouteFile() as file) if len(file.routes) > PART_ITEMS:
            for start in range(0, len(file.routes), PART_ITEMS):
                yield _Routes(routes=file.routes[start : start + PART_ITEMS])
            yield replace(message, routes=replace(file, routes=()))
        case Counters(tally=tally):
            series, histograms = tally.series, tally.histograms
            for start in range(0, len(series), PART_ITEMS):
                yield _Tally(series=series[start : start + PART_ITEMS])
            for start in range(0, len(histograms), PART_ITEMS):
                yield _Tally(histograms=histograms[start : start + PART_ITEMS])
            yield replace(message, tally=TallySnapshot())
        case _:
            yield message


class Assembler:
    """Joins the parts of a message again. One per direction of a link."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._rules: dict[str, Rule] = {}
        self._series: list[Series] = []
        self._histograms: list[HistogramSeries] = []

    def add(self, frame: _Frame) -> Message | None:
        """Return the message that `frame` completes, if it does."""
        match frame:
            case _Routes(routes=routes):
                self._routes.extend(routes)
                return None
            case _Rules(rules=rules, anew=anew):
                self._rules = {**({} if anew else self._rules), **rules}
                return None
            case _Tally(series=series, histograms=histograms):
                self._series.extend(series)
                self._histograms.extend(histograms)
                return None
            case Apply():
                return self._whole(frame)
            case Counters():
                tally = TallySnapshot(
                    series=tuple(self._series), histograms=tuple(self._histograms)
                )
                self._series.clear()
                self._histograms.clear()
                return replace(frame, tally=tally)
            case _:
                return frame

    def _whole(self, frame: Apply) -> Apply:
        if self._rules:
            frame = replace(frame, flags=replace(frame.flags, rules=self._rules))
        if frame.routes is not None and self._routes:
            frame = replace(frame, routes=replace(frame.routes, routes=tuple(self._routes)))
            self._routes.clear()
        return frame


class Link(asyncio.Protocol):
    """One end of the socket. Messages arrive whole, in order, one per turn of the loop.

    `on_message` gets each message; `on_closed` is called once, with None after an orderly end.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[Message], None],
        on_closed: Callable[[Exception | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._assembler = Assembler()
        self._reading_scheduled = False
        # The rules that were sent last.
        self._rules: Mapping[str, Rule] = NO_RULES
        self._outgoing: deque[Iterator[_Frame]] = deque()
        self._writing_scheduled = False
        self._writable = True
        self._fault: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message: Message) -> None:
        """Send, at once if nothing waits. On a closed link it does nothing: `on_closed` said so.

        An end that does not read gets no heartbeats (they would only pile up); when too many other
        messages wait for it, the link is closed with LinkBroken.
        """
        if not self.is_open:
            return
        if isinstance(message, Heartbeat) and (self._outgoing or not self._writable):
            return
        if len(self._outgoing) >= MAX_WAITING:
            self._break(LinkBroken(f"{MAX_WAITING} messages wait and the other end does not read"))
            return
        self._outgoing.append(parts(message, self._rules))
        if isinstance(message, Apply):
            self._rules = message.flags.rules
        if not self._writing_scheduled:
            self._write()

    def close(self) -> None:
        """Close after what was already written has been sent."""
        if self._transport is not None:
            self._transport.close()

    # Writing: one frame per turn.

    def _write(self) -> None:
        self._writing_scheduled = False
        if not self._writable or not self._outgoing or not self.is_open:
            return
        assert self._transport is not None
        frame = next(self._outgoing[0], None)
        if frame is None:
            self._outgoing.popleft()
        else:
            self._transport.write(encode(frame))
            if not isinstance(frame, _Part):
                self._outgoing.popleft()
        if self._outgoing and self._writable:
            self._writing_scheduled = True
            self._loop.call_soon(self._write)

    def pause_writing(self) -> None:
        """The other end does not keep up."""
        self._writable = False

    def resume_writing(self) -> None:
        """The other end reads again."""
        self._writable = True
        if not self._writing_scheduled:
            self._write()

    # Reading: one frame per turn.

    def data_received(self, data: bytes) -> None:
        """Take bytes; while whole frames wait, no more are read."""
        self._received += data
        if not self._reading_scheduled:
            self._read()

    def _read(self) -> None:
        self._reading_scheduled = False
        frame = self._next_frame()
        if frame is not None:
            try:
                message = self._assembler.add(decode(frame))
            except LinkBroken as error:
                self._break(error)
                return
            if message is not None:
                self._on_message(message)
        if not self.is_open:
            return
        assert self._transport is not None
        if self._holds_frame():
            self._reading_scheduled = True
            self._loop.call_soon(self._read)
            self._transport.pause_reading()
        elif not self._transport.is_reading():
            self._transport.resume_reading()

    def _holds_frame(self) -> bool:
        if len(self._received) < _LENGTH.size:
            return False
        (length,) = _LENGTH.unpack_from(self._received)
        if length > MAX_FRAME_BYTES:
            self._break(LinkBroken(f"a frame of {length} bytes"))
            return False
        complete: int = _LENGTH.size + length
        return len(self._received) >= complete

    def _next_frame(self) -> bytes | None:
        if not self._holds_frame():
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        end = _LENGTH.size + length
        text = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        return text

    # Life.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def eof_received(self) -> bool:
        """The other end is gone: close, after the messages that came before."""
        while (frame := self._next_frame()) is not None:
            try:
                message = self._assembler.add(decode(frame))
            except LinkBroken as error:
                self._break(error)
                break
            if message is not None:
                self._on_message(message)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._outgoing.clear()
        self._on_closed(self._fault or exc)

    def _break(self, fault: LinkBroken) -> None:
        self._fault = fault
        if self._transport is not None:
            self._transport.abort()


async def open_link(
    end: socket.socket,
    *,
    on_message: Callable[[Message], None],
    on_closed: Callable[[Exception | None], None],
) -> Link:
    """Open a Link over one end of a socket pair, which it owns from now on."""
    end.setblocking(False)
    _, link = await asyncio.get_running_loop().create_unix_connection(
        lambda: Link(on_message=on_message, on_closed=on_closed), sock=end
    )
    return link
