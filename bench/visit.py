"""One client connection that asks again and again, and the request it sends."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

import httptools


class Visit(asyncio.Protocol):
    """One client connection that can ask again and again."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        # Which side gave the last answer: the origins of the benchmark say so in X-Origin.
        self.side = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are not asyncio's classes, they only act like them.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request that still waits."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        """Read an answer."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header field of an answer."""
        if name.lower() == b"x-origin":
            self.side = value

    def on_message_complete(self) -> None:
        """httptools: the answer is whole."""
        # An answer that nobody waits for any longer came too late to count.
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())

    @property
    def closed(self) -> bool:
        """Whether the other side has ended the connection."""
        return self._transport is None

    async def ask(self, request: bytes) -> int:
        """Send a request, return the status of its answer. Raises ConnectionError when closed."""
        if self._transport is None:
            raise ConnectionError("closed while idle")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Reset the connection.

        A crowd that closes in good form leaves its ports in TIME_WAIT for a minute: after a few
        proxies the kernel searches so long for a free one that the next proxy looks slow.
        """
        if self._transport is not None:
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()


def request(number: int) -> bytes:
    """A browser-like request of one visitor."""
    return (
        b"GET /s%d/item-%d HTTP/1.1\r\nHost: shop.example\r\n"
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        b"Accept: */*\r\nAccept-Language: en-GB,en;q=0.8\r\nCookie: figway_id=%032x\r\n\r\n"
        % (number % 19, number, number)
    )
