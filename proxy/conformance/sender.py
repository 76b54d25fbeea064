"""Sends requests and collects whole answers, through the connections that traffic uses.

Not aiohttp: it drops a bare `?`, adds fields of its own and accepts what the proxy would answer
with 502. What is collected here is what a client behind Figway gets, byte for byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from proxy.errors import (
    BrokenResponse,
    ConnectFailed,
    ConnectTimeout,
    ProxyError,
    UpstreamClosed,
    UpstreamError,
)
from proxy.exchange import Answer, Header
from proxy.http1.fields import STRIDE, Fields
from proxy.http1.pool import UpstreamPool
from proxy.http1.request import Request
from proxy.http1.response_head import ResponseHead
from proxy.http1.upstream_side import Asker, UpstreamConnection
from proxy.http1.wire import Answerer, Wire
from proxy.routing.route import Timeouts, Upstream
from proxy.settings import Settings
from proxy.stages import Side

# Of one response body. The comparison has a limit of its own below it.
MAX_BODY: Final = 64 * 1024 * 1024

_SENTENCES: Final[Mapping[type[ProxyError], str]] = {
    UpstreamClosed: "the connection ended before the answer was whole",
    BrokenResponse: "the answer is not HTTP/1.1 that a proxy can relay safely",
}
# The patience of the connections themselves: a run has one deadline, which comes first.
_LONG: Final = 86_400.0


class Unreachable(Exception):
    """Nobody listens at the address of a side: no case can be run. The text says who and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """A request ready to be sent to one side. `Host` is among the headers."""

    side: Side
    upstream: Upstream
    method: str
    target: bytes
    headers: tuple[Header, ...]
    body: bytes = b""

    def head(self) -> bytes:
        """The head as it goes on the wire; each request has a connection of its own."""
        lines = [b"%b %b HTTP/1.1\r\n" % (self.method.encode("ascii"), self.target)]
        lines += [b"%b: %b\r\n" % header for header in self.headers]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(b"Content-Length: %d\r\n" % len(self.body))
        lines.append(b"Connection: close\r\n\r\n")
        return b"".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a request: an answer, or a sentence that says why there is none."""

    answer: Answer | None
    error: str = ""
    seconds: float = 0.0


class Sender:
    """Sends to any number of upstreams. Use it as an async context manager.

    `timeout` (seconds) is the patience with one whole answer, connecting included: an answer
    without end shall not hold a run up.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._wire = Wire(Settings(), _no_client)
        self._pools: dict[Upstream, UpstreamPool] = {}

    async def __aenter__(self) -> Self:
        """Start the clock of the deadlines."""
        self._wire.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every connection."""
        self._wire.stop()
        for pool in self._pools.values():
            pool.abandon()
            pool.retire()
        for connection in tuple(self._wire.upstreams):
            connection.close()
        while self._wire.upstreams:  # noqa: ASYNC110 -- an abort takes a turn of the loop
            await asyncio.sleep(0)

    async def send(self, request: PlannedRequest) -> Sent:
        """Send one request and wait for the whole answer. Raises Unreachable."""
        pool = self._pool(request.upstream)
        collector = _Collector(request)
        started = time.perf_counter()
        pool.choose().ask_later(collector)
        error: type[ProxyError] | str | None
        try:
            async with asyncio.timeout(self._timeout):
                error = await collector.ended
        except TimeoutError:
            error = collector.what_is_late(self._timeout)
        finally:
            collector.leave()
        seconds = time.perf_counter() - started
        if error in (ConnectFailed, ConnectTimeout):
            url = request.upstream.urls[0]
            why = "refused, or no such name"
            if url.startswith("https:"):
                why += ", or a certificate that is not trusted (SSL_CERT_FILE, tls.ca)"
            if error is ConnectTimeout:
                why = "no answer in time"
            raise Unreachable(
                f"cannot connect to the {request.side} side at {url} ({why}): start it, or name"
                f" another with --{request.side} URL or --routes FILE"
            )
        if error is None:
            answer = Answer(
                status=collector.status, headers=collector.headers, body=b"".join(collector.body)
            )
            return Sent(answer=answer, seconds=seconds)
        sentence = error if isinstance(error, str) else _SENTENCES.get(error, error.cause)
        return Sent(answer=None, error=sentence, seconds=seconds)

    def _pool(self, upstream: Upstream) -> UpstreamPool:
        pool = self._pools.get(upstream)
        if pool is None:
            timeouts = Timeouts(
                connect=_LONG, first_byte=_LONG, idle=_LONG, queue=_LONG, write=_LONG
            )
            pool = UpstreamPool(self._wire, replace(upstream, timeouts=timeouts))
            self._pools[upstream] = pool
        return pool


class _Collector(Asker):
    """Collects one answer. `ended` comes to None, or to what went wrong."""

    __slots__ = ("_connection", "_received", "_request", "body", "ended", "headers", "status")

    def __init__(self, request: PlannedRequest) -> None:
        self._request = request
        self._connection: UpstreamConnection | None = None
        self._received = 0
        self.status = 0
        self.headers: tuple[Header, ...] = ()
        self.body: list[bytes] = []
        self.ended: asyncio.Future[type[ProxyError] | str | None] = (
            asyncio.get_running_loop().create_future()
        )

    def connected(self, connection: UpstreamConnection) -> bool:
        """Send the request."""
        if self.ended.done():
            return False
        self._connection = connection
        head_only = self._request.method == "HEAD"
        connection.ask(self, self._request.head(), head_only=head_only, switching=False)
        if self._request.body:
            connection.send(self._request.body)
        connection.request_sent()
        return True

    def not_connected(self, error: type[ProxyError]) -> None:
        """Learn that nothing was sent."""
        self._end(error)

    def interim(self, head: ResponseHead) -> None:
        """Ignore a 1xx."""

    def response_head(self, head: ResponseHead) -> None:
        """Keep status and fields."""
        self.status = head.status
        self.headers = _pairs(head.without_chunked())

    def response_body(self, chunk: bytes) -> None:
        """Keep a piece."""
        self._received += len(chunk)
        if self._received > MAX_BODY:
            self.body.clear()
            self._end(f"the body has more than {MAX_BODY // 1024 // 1024} MiB")
            return
        self.body.append(chunk)

    def flush(self) -> None:
        """Everything is kept until the end."""

    def response_complete(self) -> None:
        """The answer is whole; the connection is not ours any more."""
        self._connection = None
        self._end(None)

    def switched(self, connection: UpstreamConnection, early: bytes) -> None:
        """Cannot be: no request asks for it."""
        connection.close()
        self._end(BrokenResponse)

    def upstream_failed(self, error: type[UpstreamError], *, reused: bool, answered: bool) -> None:
        """Learn that no answer will come."""
        self._connection = None
        self._end(error)

    def upstream_stopped_reading(self) -> None:
        """The body waits in the buffer; the deadlines watch over it."""

    def upstream_reads_again(self) -> None:
        """Nothing was held back."""

    def what_is_late(self, timeout: float) -> type[ProxyError] | str:
        """What is missing when time is up."""
        if self._connection is None:
            return ConnectTimeout
        if not self.status:
            return f"no answer within {timeout:g}s"
        return f"the answer is not whole after {timeout:g}s ({self._received} bytes came)"

    def leave(self) -> None:
        """Give up a connection that is still ours."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave()

    def _end(self, error: type[ProxyError] | str | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


def _pairs(fields: Fields) -> tuple[Header, ...]:
    return tuple((fields[i], fields[i + 2]) for i in range(0, len(fields), STRIDE))


def _no_client(_client: object, _request: Request) -> Answerer:
    raise AssertionError("nobody listens here")
