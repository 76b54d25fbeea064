"""Asking: one request to one upstream over the proxy's own connections, and what came of it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from proxy.errors import (
    BrokenResponse,
    ConnectTimeout,
    FirstByteTimeout,
    PoolExhausted,
    ProxyError,
    ResponseIdleTimeout,
    UpstreamError,
)
from proxy.evidence.outcome import Outcome
from proxy.exchange import Answer, Exchange, Header
from proxy.http1.fields import STRIDE
from proxy.http1.pool import Endpoint, UpstreamPool
from proxy.http1.response_head import ResponseHead
from proxy.http1.upstream_side import Asker, UpstreamConnection
from proxy.observer.shadow_request import ShadowRequest

# Causes beside those of proxy/errors.py.
TIMEOUT: Final = "timeout"
OVERSIZE: Final = "oversize"
_TIMEOUTS: Final = frozenset(
    {TIMEOUT, ConnectTimeout.cause, FirstByteTimeout.cause, ResponseIdleTimeout.cause}
)


def outcome_without_answer(error: str) -> Outcome:
    """The outcome of a request that the shadow side gave no answer to, by the cause of that."""
    if error == OVERSIZE:
        return Outcome.INCOMPARABLE
    return Outcome.SHADOW_TIMEOUT if error in _TIMEOUTS else Outcome.SHADOW_ERROR


class Asking(Asker):
    """Sends a request and gathers the response. Redirects are answers, cookies are forgotten.

    A body that is declared, or grows, beyond `max_body` ends it with the cause `oversize`: the
    primary's was smaller, so the rest could not make them equal.
    """

    __slots__ = (
        "_asked_at",
        "_began",
        "_body",
        "_connection",
        "_endpoint",
        "_first_byte",
        "_fresh",
        "_head",
        "_max_body",
        "_pool",
        "_request",
        "_result",
        "received",
    )

    def __init__(self, pool: UpstreamPool, request: ShadowRequest, *, max_body: int) -> None:
        self._pool = pool
        self._request = request
        self._max_body = max_body
        self._endpoint: Endpoint | None = None
        self._connection: UpstreamConnection | None = None
        self._fresh = False
        self._head: tuple[int, tuple[Header, ...]] | None = None
        self._body: list[bytes] = []
        # Bytes of the body so far.
        self.received = 0
        self._asked_at = self._began = self._first_byte = 0.0
        self._result: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()

    async def ask(self, seconds: float) -> Exchange:
        """Ask and wait, for at most so long. Leaves no connection behind, however it ends."""
        self._asked_at = time.time()
        self._began = time.perf_counter()
        try:
            self._dispatch()
            return await asyncio.wait_for(self._result, seconds)
        except TimeoutError:
            return self._exchange(None, TIMEOUT)
        finally:
            self._leave()

    def _dispatch(self, avoid: Endpoint | None = None) -> None:
        endpoint = self._endpoint = self._pool.choose(avoid)
        connection = None if self._fresh else self._pool.take(endpoint)
        if connection is not None:
            self._send(connection)
            return
        try:
            endpoint.ask_later(self)
        except PoolExhausted:
            self.not_connected(PoolExhausted)

    def connected(self, connection: UpstreamConnection) -> bool:
        """Send what was to be sent, if anybody still waits for it."""
        if self._result.done():
            return False
        self._send(connection)
        return True

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        request = self._request
        connection.ask(self, request.head, head_only=request.method == "HEAD", switching=False)
        if request.body:
            connection.send(request.body)
        connection.request_sent()

    def not_connected(self, error: type[ProxyError]) -> None:
        """Nothing was sent."""
        self._endpoint = None
        self._end(self._exchange(None, error.cause))

    # What the upstream says.

    def interim(self, head: ResponseHead) -> None:
        """A 1xx is no answer."""

    def response_head(self, head: ResponseHead) -> None:
        """Keep the head: status and fields as they came."""
        self._first_byte = time.perf_counter() - self._began
        fields = head.fields
        self._head = (
            head.status,
            tuple((fields[at], fields[at + 2]) for at in range(0, len(fields), STRIDE)),
        )
        connection = self._connection
        if connection is not None and not connection.bodyless and head.length > self._max_body:
            self._end(self._exchange(None, OVERSIZE))

    def response_body(self, chunk: bytes) -> None:
        """Keep a piece of the body, while there is room."""
        self.received += len(chunk)
        if self.received <= self._max_body:
            self._body.append(chunk)
        else:
            self._body.clear()
            self._end(self._exchange(None, OVERSIZE))

    def flush(self) -> None:
        """Let go of a response that has become too large; not in the middle of its parsing."""
        if self._result.done():
            self._leave()

    def response_complete(self) -> None:
        """The answer is whole."""
        self._connection = self._endpoint = None
        assert self._head is not None
        status, headers = self._head
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._end(self._exchange(Answer(status=status, headers=headers, body=body), ""))

    def switched(self, connection: UpstreamConnection, early: bytes) -> None:
        """Nobody asked for that."""
        self._connection = self._endpoint = None
        connection.leave()
        self._end(self._exchange(None, BrokenResponse.cause))

    def upstream_failed(self, error: type[UpstreamError], *, reused: bool, answered: bool) -> None:
        """Ask once more where an idle connection was closed just as it was used."""
        self._connection = None
        failed, self._endpoint = self._endpoint, None
        if reused and not answered and self._request.is_safe and not self._result.done():
            self._fresh = True
            self._dispatch(avoid=failed)
            return
        self._end(self._exchange(None, error.cause))

    def upstream_stopped_reading(self) -> None:
        """The whole request is in the buffers already."""

    def upstream_reads_again(self) -> None:
        """See above."""

    # The end.

    def _exchange(self, answer: Answer | None, error: str) -> Exchange:
        return Exchange(
            side=self._request.side,
            upstream=self._request.upstream,
            answer=answer,
            error=error,
            asked_at=self._asked_at,
            first_byte=self._first_byte,
            elapsed=time.perf_counter() - self._began,
        )

    def _end(self, exchange: Exchange) -> None:
        if not self._result.done():
            self._result.set_result(exchange)

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        endpoint, self._endpoint = self._endpoint, None
        if connection is not None:
            connection.leave()
        elif endpoint is not None:
            endpoint.forget(self)
