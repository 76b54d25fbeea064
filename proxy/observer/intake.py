"""The intake: workers' connections, their frames, and what a connection that ends leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol, cast

from proxy.evidence.outcome import Outcome
from proxy.handover import (
    Closed,
    Ended,
    Frame,
    HandoverBroken,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    TakenRequest,
    TakenResponse,
    Unpacker,
    Whole,
)
from proxy.observer.in_hand import InHand

# struct ucred of socket(7): pid, uid, gid.
_PEER: Final = struct.Struct("3i")
# A process lets go of its sockets a little before it is seen to be gone (seconds).
_DYING: Final = 0.25
_ACCEPTS_PER_TURN: Final = 16

Tell = Callable[..., None]


class Receiver(Protocol):
    """Who gets what the workers say."""

    def is_full(self) -> bool:
        """Whether the next exchange had better wait where it is, in the socket."""

    def take(self, request: TakenRequest, response: TakenResponse | None) -> InHand:
        """A request was handed over, perhaps with its response."""

    def closed(self, hand: InHand, response: TakenResponse) -> None:
        """The primary's response to an open exchange."""

    def ended(self, hand: InHand, ended: Ended) -> None:
        """The primary's response to an open exchange will not come."""

    def ledger(self, boot: str, rows: tuple[LedgerRow, ...], *, recover: bool) -> None:
        """A worker tells its books; `recover` when frames may have been lost before it."""

    def gone(self, hello: Hello) -> None:
        """A worker's connection has ended; whether it comes again is not known."""


class HandoverConnection(asyncio.Protocol):
    """One worker's connection. What it sends is read, never answered."""

    def __init__(
        self,
        receiver: Receiver,
        connections: set[HandoverConnection],
        tell: Tell,
        left: asyncio.Event,
    ) -> None:
        self._receiver = receiver
        self._connections = connections
        # Set when this connection is in `connections` no more.
        self._left = left
        self._tell = tell
        self._unpacker = Unpacker()
        self._open: dict[int, InHand] = {}
        # Routes whose books came on this connection already.
        self._told: set[str] = set()
        # What is still to be taken of the bytes that were read last, while the receiver is full.
        self._held_back: Iterator[Frame] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def hello(self) -> Hello | None:
        """Who is at the other end; None before its first frame."""
        return self._unpacker.hello

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what came; garbage ends the connection, and with it nothing else."""
        self._take_all(self._unpacker.feed(data))

    def _take_all(self, frames: Iterator[Frame], *, whatever_comes: bool = False) -> None:
        """Take frame by frame, as long as there is room; the worker's buffers hold the rest."""
        try:
            while whatever_comes or not self._receiver.is_full():
                frame = next(frames, None)
                if frame is None:
                    return
                self._take(frame)
        except HandoverBroken as error:
            self._tell("error", "handover_broken", error=str(error))
            self.abort()
            return
        self._held_back = frames
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    @property
    def is_held_back(self) -> bool:
        """Whether something waits here for room."""
        return self._held_back is not None

    def go_on(self) -> None:
        """Take more: there is room again."""
        frames, self._held_back = self._held_back, None
        if frames is None:
            return
        self._take_all(frames)
        transport = self._transport
        if self._held_back is None and transport is not None and not transport.is_closing():
            transport.resume_reading()

    def _take(self, frame: Frame) -> None:
        match frame:
            case Whole(request=request, response=response):
                self._receiver.take(request, response)
            case Opened(request=request):
                self._open[request.id] = self._receiver.take(request, None)
            case Closed(id=number, response=response):
                self._receiver.closed(self._known(number), response)
            case Ended(id=number):
                self._receiver.ended(self._known(number), frame)
            case Ledger(rows=rows):
                self._enter(rows)
            case Hello():
                self._tell("info", "worker_connected", worker=frame.worker, pid=frame.pid)

    def _known(self, number: int) -> InHand:
        hand = self._open.pop(number, None)
        if hand is None:
            raise HandoverBroken(f"exchange {number} is not open")
        return hand

    def _enter(self, rows: tuple[LedgerRow, ...]) -> None:
        assert self.hello is not None
        first = tuple(row for row in rows if row.route not in self._told)
        again = tuple(row for row in rows if row.route in self._told)
        self._told.update(row.route for row in first)
        if first:
            self._receiver.ledger(self.hello.boot, first, recover=True)
        if again:
            self._receiver.ledger(self.hello.boot, again, recover=False)

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle, in a moment, what nobody will hear of any more."""
        frames, self._held_back = self._held_back, None
        if frames is not None:
            self._take_all(frames, whatever_comes=True)
        self._connections.discard(self)
        self._left.set()
        if self.hello is not None:
            asyncio.get_running_loop().call_later(_DYING, self._bury, self.hello)

    def _bury(self, hello: Hello) -> None:
        lost, self._open = self._open, {}
        # A worker that closes in good order has closed every exchange before.
        outcome, detail = (
            (Outcome.SHED, "observer_lost")
            if is_alive(hello.pid)
            else (Outcome.ABORTED, "worker_lost")
        )
        for number, hand in lost.items():
            self._receiver.ended(hand, Ended(id=number, outcome=outcome, detail=detail))
        self._receiver.gone(hello)


class Intake:
    """Accepts workers on the inherited socket; only processes of this user are heard."""

    def __init__(self, listener: socket.socket, receiver: Receiver, tell: Tell) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._receiver = receiver
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: set[HandoverConnection] = set()
        self._left = asyncio.Event()
        self._going_on = False

    def start(self) -> None:
        """Begin to accept. Needs a running loop."""
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more; the socket stays open, it is the supervisor's."""
        asyncio.get_running_loop().remove_reader(self._listener.fileno())

    async def all_left(self, seconds: float) -> None:
        """Wait, no longer than this, until every worker has closed its connection.

        What workers wrote before they ended is read first, also by those not accepted yet.
        """
        self._accept()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections or self._tasks:
                    self._left.clear()
                    await self._left.wait()

    def go_on(self) -> None:
        """Take more of what was held back, in the next turn of the loop."""
        if not self._going_on and any(each.is_held_back for each in self.connections):
            self._going_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._going_on = False
        for connection in tuple(self.connections):
            connection.go_on()

    def boots(self) -> frozenset[str]:
        """Boots that are connected now."""
        return frozenset(c.hello.boot for c in self.connections if c.hello is not None)

    def close(self) -> None:
        """End every connection."""
        for connection in tuple(self.connections):
            connection.abort()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                peer, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._tell("error", "accept_failed", error=str(error))
                return
            pid, uid, _ = _PEER.unpack(
                peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            )
            if uid not in (os.geteuid(), 0):
                self._tell("error", "stranger_refused", pid=pid, uid=uid)
                peer.close()
                continue
            task = asyncio.get_running_loop().create_task(self._adopt(peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _adopt(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: HandoverConnection(self._receiver, self.connections, self._tell, self._left),
            peer,
        )


def is_alive(pid: int) -> bool:
    """Tell whether a process exists that may still write."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # A zombie writes nothing any more (proc(5)).
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
