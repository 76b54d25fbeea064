"""The upstream's side: one connection to one endpoint, one exchange at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy.errors import (
    BrokenResponse,
    FirstByteTimeout,
    ProxyError,
    ResponseIdleTimeout,
    UpstreamClosed,
    UpstreamError,
)
from proxy.http1.patience import takes_nothing
from proxy.http1.response_head import UNTIL_CLOSE, ResponseHead

if TYPE_CHECKING:
    from proxy.http1.pool import Endpoint
    from proxy.http1.tunnel import Tunnel
    from proxy.http1.wire import Wire

# More interim responses than anybody sends on purpose.
_INTERIM_LIMIT: Final = 32
_BODYLESS: Final = frozenset({204, 304})


class Asker:
    """What an upstream connection tells whoever asked."""

    __slots__ = ()

    def connected(self, connection: UpstreamConnection) -> bool:
        """Take a connection that was waited for; False if it is not wanted any more."""
        raise NotImplementedError

    def not_connected(self, error: type[ProxyError]) -> None:
        """Learn that no connection is to be had; nothing was sent."""
        raise NotImplementedError

    def interim(self, head: ResponseHead) -> None:
        """Take a 1xx response other than 101."""
        raise NotImplementedError

    def response_head(self, head: ResponseHead) -> None:
        """Take the final head. Raises BrokenResponse when it cannot be relayed."""
        raise NotImplementedError

    def response_body(self, chunk: bytes) -> None:
        """Take a piece of the decoded body."""
        raise NotImplementedError

    def flush(self) -> None:
        """Pass on what the last piece of input gave."""
        raise NotImplementedError

    def response_complete(self) -> None:
        """Learn that the response is whole; the connection is no longer ours."""
        raise NotImplementedError

    def switched(self, connection: UpstreamConnection, early: bytes) -> None:
        """Learn of a 101 and the first bytes behind it."""
        raise NotImplementedError

    def upstream_failed(self, error: type[UpstreamError], *, reused: bool, answered: bool) -> None:
        """Learn that this connection will not answer.

        `reused` tells that it had served before, `answered` that a byte of a response had come.
        """
        raise NotImplementedError

    def upstream_stopped_reading(self) -> None:
        """Learn that the upstream's buffers are full."""
        raise NotImplementedError

    def upstream_reads_again(self) -> None:
        """Learn that the upstream's buffers have room."""
        raise NotImplementedError


class UpstreamConnection(asyncio.Protocol):
    """A connection to an endpoint: idle in its pool, or lent to an `Asker`."""

    __slots__ = (
        "_head_bytes",
        "_interims",
        "_loose",
        "_silent",
        "answered",
        "asker",
        "bodyless",
        "closed",
        "done",
        "ending",
        "endpoint",
        "head",
        "head_only",
        "idle_since",
        "parser",
        "read_at",
        "read_paused",
        "saw_eof",
        "sent_at",
        "switching",
        "transport",
        "tunnel",
        "unsent",
        "used",
        "wire",
        "write_paused_at",
    )

    transport: asyncio.Transport
    parser: HttpResponseParser

    def __init__(self, wire: Wire, endpoint: Endpoint) -> None:
        self.wire = wire
        self.endpoint = endpoint
        self.head = ResponseHead(wire.limits, self)
        self.parser = HttpResponseParser(self.head)
        self.asker: Asker | None = None
        self.tunnel: Tunnel | None = None
        self.used = 0
        self.idle_since = self.read_at = wire.now
        self.sent_at = 0.0
        self.write_paused_at = 0.0
        # What the peer had not taken when that was last looked at.
        self.unsent = -1
        self.read_paused = False
        self.closed = False
        # Closed, or about to be: of no use to a new request.
        self.ending = False
        self.saw_eof = False
        self._loose = False
        self.head_only = self.switching = False
        self.bodyless = self.answered = self.done = False
        self._interims = self._head_bytes = self._silent = 0

    # What the asker says.

    def ask(self, asker: Asker, head: bytes, *, head_only: bool, switching: bool) -> None:
        """Send a request head and report to `asker` from now on."""
        self.asker = asker
        self.head_only = head_only
        self.switching = switching
        self.bodyless = self.answered = self.done = self.head.whole = False
        self._interims = self._head_bytes = self._silent = 0
        self.read_at = self.wire.now
        self.sent_at = 0.0
        self.transport.write(head)

    def send(self, piece: bytes) -> None:
        """Send a piece of the body, framed already."""
        self.transport.write(piece)

    def request_sent(self) -> None:
        """Start to wait for the response."""
        self.sent_at = self.wire.now

    def leave(self) -> None:
        """Give the exchange up: nobody is told any more, and the connection ends."""
        self.asker = None
        self.close()

    def close(self) -> None:
        """End the connection."""
        if not self.closed:
            self.ending = True
            self.transport.abort()

    def never_mind(self) -> None:
        """End a connection that may not have been made yet: nobody waits for it any more.

        When a connect is cancelled, uvloop may have reported the connection already, and then
        closes it without a word.
        """
        if self in self.wire.upstreams:
            self.transport.abort()
            self.connection_lost(None)
        self.closed = self.ending = True

    def pause_reading(self) -> None:
        """Hold the upstream back."""
        if not self.read_paused and not self.closed:
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more from the upstream."""
        if self.read_paused and not self.closed:
            self.read_paused = False
            self.read_at = self.wire.now
            self.transport.resume_reading()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register for the sweep."""
        self.transport = cast(asyncio.Transport, transport)
        if self.closed:
            self.transport.abort()
            return
        self.wire.upstreams.add(self)
        self.endpoint.made()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the upstream."""
        if self.tunnel is not None:
            self.tunnel.from_upstream(data)
            return
        asker = self.asker
        if asker is None or self.done:
            # RFC 9112, 6.3 and 9.2: what nobody asked for must not be taken for a later response.
            self.close()
            return
        self.read_at = self.wire.now
        if not self.answered:
            self.answered = True
            self.head.plainly_11 = data.startswith(b"HTTP/1.1 ")
        # Chunk extensions and trailers are bytes without content: `on_body` sets it back.
        self._silent += len(data)
        if len(data) + self._head_bytes > self.wire.limits.response_header_bytes:
            self.head.suspect = True
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as stop:
            self._switch(data[stop.args[0] :])
            return
        except HttpParserError as error:
            self._parse_failed(error)
        if self.done:
            self._finish()
        elif self.asker is not None:
            if not self.head.whole:
                self._head_bytes += len(data)
                if self._head_bytes > self.wire.limits.response_head_bytes:
                    self._fail(BrokenResponse)
                    return
            elif self._silent > self.wire.limits.response_head_bytes:
                asker.flush()
                self._fail(BrokenResponse)
                return
            asker.flush()

    def eof_received(self) -> bool:
        """Note a clean end: for some responses it is the end of the body."""
        if self.tunnel is not None:
            return self.tunnel.upstream_ended()
        self.saw_eof = self.ending = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        if self.closed:
            return
        self.closed = self.ending = True
        self.wire.upstreams.discard(self)
        # The parser holds our bound methods: break the circle now instead of waiting for the
        # collector.
        del self.parser
        self.endpoint.lost(self)
        if self.tunnel is not None:
            self.tunnel.upstream_lost()
            return
        asker = self.asker
        if asker is None:
            return
        head = self.head
        if head.whole and head.length == UNTIL_CLOSE and self.saw_eof and exc is None:
            self.asker = None
            asker.response_complete()
        else:
            self._fail(UpstreamClosed)

    def pause_writing(self) -> None:
        """Hold the client back: the upstream does not read fast enough."""
        self.write_paused_at = self.wire.now
        if self.tunnel is not None:
            self.tunnel.upstream_full()
        elif self.asker is not None:
            self.asker.upstream_stopped_reading()

    def resume_writing(self) -> None:
        """Let the client go on."""
        self.write_paused_at = 0.0
        if self.tunnel is not None:
            self.tunnel.upstream_drained()
        elif self.asker is not None:
            self.asker.upstream_reads_again()

    # What the parser says.

    def on_message_begin(self) -> None:
        """Accept a response only where one is due."""
        if self.done:
            self._loose = True
            raise BrokenResponse("bytes after the response")
        if self._interims:
            self.head.plainly_11 = False
        self.head.begin()

    def on_headers_complete(self) -> None:
        """Judge the head and pass it on."""
        head = self.head
        head.finish(self.parser)
        asker = self.asker
        if asker is None:
            return
        status = head.status
        if status >= 200:
            self.bodyless = self.head_only or status in _BODYLESS
            asker.response_head(head)
            if self.bodyless:
                self.done = True
        elif status == 101:
            # RFC 9110, 7.8: a server switches only to what the client asked for.
            if not self.switching:
                raise BrokenResponse("101 that nobody asked for")
        else:
            self._interims += 1
            if self._interims > _INTERIM_LIMIT:
                raise BrokenResponse("interim responses without end")
            head.status_line()
            if status != 100:
                asker.interim(head)

    def on_body(self, chunk: bytes) -> None:
        """Pass a piece of the body on."""
        if self.bodyless:
            self._loose = True
            raise BrokenResponse("a body where none can be")
        self._silent = 0
        if self.asker is not None:
            self.asker.response_body(chunk)

    def on_message_complete(self) -> None:
        """Note the end of the final response."""
        if self.head.status >= 200:
            self.done = True
        else:
            self.head.whole = False

    # Endings.

    def _parse_failed(self, error: HttpParserError) -> None:
        cause = error.__context__
        if self.done:
            # The response was whole before these bytes: it stands, the connection does not.
            self._loose = True
        elif cause is None or isinstance(cause, UpstreamError | HttpParserError):
            self._fail(BrokenResponse)
        else:
            raise cause

    def _finish(self) -> None:
        asker, self.asker = self.asker, None
        if asker is None:
            self.close()
            return
        self.used += 1
        # A response that came before the whole request was sent leaves a connection nobody can use
        # again.
        if (
            self._loose
            or not (self.head.persistent if self.bodyless else self.head.keep_alive)
            or not self.sent_at
            or self.write_paused_at
            or self.ending
        ):
            self.close()
        else:
            if self.bodyless:
                # llhttp waits for the body that the head of a HEAD response announces.
                self.parser = HttpResponseParser(self.head)
            if self.read_paused:
                self.resume_reading()
            self.endpoint.release(self)
        asker.response_complete()

    def _switch(self, early: bytes) -> None:
        asker = self.asker
        if asker is None or self.head.status != 101:
            self._fail(BrokenResponse)
            return
        self.asker = None
        asker.switched(self, early)

    def _fail(self, error: type[UpstreamError]) -> None:
        asker, self.asker = self.asker, None
        self.close()
        if asker is not None:
            asker.upstream_failed(error, reused=self.used > 0, answered=self.answered)

    # Deadlines.

    def check(self, now: float) -> None:
        """Compare what this connection waits for with how long it may take."""
        upstream = self.endpoint.upstream
        if self.tunnel is not None:
            self.tunnel.check(now)
            return
        if self.asker is None:
            if now - self.idle_since > upstream.pool.idle_seconds:
                self.close()
            return
        timeouts = upstream.timeouts
        if self.write_paused_at and takes_nothing(self, timeouts.write, now):
            self._fail(FirstByteTimeout)
        elif self.head.whole:
            if not self.read_paused and now - self.read_at > timeouts.idle:
                self._fail(ResponseIdleTimeout)
        elif self.sent_at and now - self.sent_at > timeouts.first_byte:
            self._fail(FirstByteTimeout)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "busy" if self.asker is not None else "idle"
        return f"<UpstreamConnection {self.endpoint.url} [{state}, {self.used} served]>"
