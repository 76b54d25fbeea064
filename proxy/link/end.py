"""One end of the unix socket between supervisor and worker or observer.

It encodes or decodes one frame per turn of its loop: a worker serves in between.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

from flags.rule import NO_RULES, Rule
from proxy.link.frames import LENGTH, Assembler, Frame, Part, decode, encode, parts
from proxy.link.messages import Apply, Heartbeat, LinkBroken, Message
from proxy.settings import MIB

# One frame. Parts are far smaller; a longer one means that the other end speaks something else.
MAX_FRAME_BYTES: Final = 16 * MIB
# Messages waiting for an end that does not read. Beyond it the link is given up: the other end is
# stuck, and a state that waits that long is no longer the state.
MAX_WAITING: Final = 1024


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
        self._outgoing: deque[Iterator[Frame]] = deque()
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
            if not isinstance(frame, Part):
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
        if len(self._received) < LENGTH.size:
            return False
        (length,) = LENGTH.unpack_from(self._received)
        if length > MAX_FRAME_BYTES:
            self._break(LinkBroken(f"a frame of {length} bytes"))
            return False
        complete: int = LENGTH.size + length
        return len(self._received) >= complete

    def _next_frame(self) -> bytes | None:
        if not self._holds_frame():
            return None
        (length,) = LENGTH.unpack_from(self._received)
        end = LENGTH.size + length
        text = bytes(self._received[LENGTH.size : end])
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
