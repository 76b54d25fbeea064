"""The client's side of a connection: parse, refuse, keep order, and know when to stop waiting."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from proxy.errors import (
    BadRequest,
    BodyTooLarge,
    ClientError,
    HeadersTooLarge,
    ProxyError,
)
from proxy.http1 import patience
from proxy.http1.diagnosis import why_malformed, why_no_method
from proxy.http1.phase import Phase
from proxy.http1.refusal import CONTINUE, refusal
from proxy.http1.request import CHUNKED, Request
from proxy.http1.request_head import HeadReader

if TYPE_CHECKING:
    from proxy.http1.tunnel import Tunnel
    from proxy.http1.wire import Answerer, Wire

# Held body bytes beyond which the client has to wait (the request has no upstream connection yet).
HOLD_BYTES: Final = 64 * 1024
# Phases in which reading is not held back any more.
_ENDING: Final = frozenset({Phase.LINGER, Phase.CLOSING, Phase.CLOSED})
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class ClientConnection(asyncio.Protocol):
    """One connection from a client. Requests are served one at a time, in order."""

    __slots__ = (
        "_serving_loop",
        "answerer",
        "half_closed",
        "head",
        "head_since",
        "last",
        "linger_until",
        "parser",
        "peer",
        "phase",
        "queue",
        "read_at",
        "read_paused",
        "refused_with",
        "request",
        "served",
        "serving",
        "silent",
        "since",
        "tail",
        "tls",
        "transport",
        "tunnel",
        "unsent",
        "wire",
        "write_paused_at",
    )

    transport: asyncio.Transport
    parser: HttpRequestParser

    def __init__(self, wire: Wire, *, tls: bool = False) -> None:
        self.wire = wire
        self.tls = tls
        self.phase = Phase.OPEN
        self.head = HeadReader(wire, self, tls=tls)
        self.parser = HttpRequestParser(self.head)
        # The message being parsed, once its head is whole; None before and between.
        self.request: Request | None = None
        self.serving: Request | None = None
        self.answerer: Answerer | None = None
        # Requests and refusals that wait for their turn; made when a client pipelines.
        self.queue: deque[Request | type[ClientError]] | None = None
        self._serving_loop = False
        self.refused_with: type[ClientError] | None = None
        self.served = 0
        # No request may follow the one that was parsed last.
        self.last = False
        # Bytes of a chunked body since its last content: extensions and trailers.
        self.silent = 0
        self.since = self.read_at = wire.now
        self.head_since = 0.0
        self.linger_until = 0.0
        self.write_paused_at = 0.0
        # What the peer had not taken when that was last looked at.
        self.unsent = -1
        self.read_paused = False
        self.half_closed = False
        # Bytes behind an upgrade request whose outcome is open.
        self.tail: bytes | None = None
        self.tunnel: Tunnel | None = None

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who the client is."""
        self.transport = cast(asyncio.Transport, transport)
        wire = self.wire
        peername = transport.get_extra_info("peername")
        peer = peername[0] if isinstance(peername, tuple) and peername else "127.0.0.1"
        self.peer = peer.removeprefix("::ffff:") if "." in peer else peer.partition("%")[0]
        self.head.know_peer(self.peer)
        wire.clients.add(self)
        wire.accepted += 1
        allowed = wire.limits.connections_per_address
        if allowed:
            count = wire.per_address[self.peer] = wire.per_address.get(self.peer, 0) + 1
            if count > allowed:
                refused = wire.connections_refused
                refused["per_address"] = refused.get("per_address", 0) + 1
                self.phase = Phase.DEAF
                self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        self.read_at = self.wire.now
        if self.phase is not Phase.OPEN:
            if self.tunnel is not None:
                self.tunnel.from_client(data)
            return
        if self.tail is not None:
            self.tail += data
            self.pause_reading()
        elif self.answerer is None and self._is_between():
            request = None if self.last else self.head.recall(data)
            if request is None:
                if not self.last:
                    self._feed(data)
                return
            request.started = time.perf_counter()
            self.serving = request
            answerer = self.answerer = self.wire.begin(self, request)
            answerer.begin()
        elif not self.last or self.request is not None:
            self._feed(data)

    def _is_between(self) -> bool:
        return (
            self.request is None
            and self.serving is None
            and not self.head.begun
            and not self.write_paused_at
        )

    def eof_received(self) -> bool:
        """Finish what was asked for even though the client will send no more (RFC 9112, 9.6)."""
        if self.tunnel is not None:
            return self.tunnel.client_ended()
        self.half_closed = True
        if self.phase is Phase.OPEN:
            self.phase = Phase.DEAF
            if self.request is not None or self.head.begun:
                self.broken(BadRequest)
        return self.phase < Phase.LINGER and not self._is_idle() and not self.tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        wire = self.wire
        self.phase = Phase.CLOSED
        wire.clients.discard(self)
        if wire.limits.connections_per_address:
            count = wire.per_address.get(self.peer, 0) - 1
            if count > 0:
                wire.per_address[self.peer] = count
            else:
                wire.per_address.pop(self.peer, None)
        if self.tunnel is not None:
            self.tunnel.client_lost()
        if self.queue is not None:
            self.queue.clear()
        answerer, self.answerer = self.answerer, None
        if answerer is not None:
            answerer.client_gone()
        self.request = self.serving = None
        # The parser holds our bound methods: break the circle now instead of waiting for the
        # collector.
        del self.parser, self.head
        wire.on_client_gone()

    def pause_writing(self) -> None:
        """Hold the upstream back: the client does not read fast enough."""
        self.write_paused_at = self.wire.now
        if self.tunnel is not None:
            self.tunnel.client_full()
        elif self.answerer is not None:
            self.answerer.client_stopped_reading()

    def resume_writing(self) -> None:
        """Let the upstream go on."""
        self.write_paused_at = 0.0
        if self.tunnel is not None:
            self.tunnel.client_drained()
        elif self.answerer is not None:
            self.answerer.client_reads_again()
        elif self.phase < Phase.LINGER:
            self._go_on()

    # What the parser says.

    def on_headers_complete(self) -> None:
        """Accept the head, or raise the ClientError that refuses it."""
        head = self.head
        request = head.finish(self.parser)
        if request is None:  # the head that was made up to go on after a declined upgrade
            return
        request.started = time.perf_counter()
        request.measured_from = self.wire.now
        self.request = request
        if not request.keep_alive:
            self.last = True
        if self.answerer is None and self.serving is None:
            self.serving = request
        else:
            if self.queue is None:
                self.queue = deque()
            self.queue.append(request)

    def on_body(self, chunk: bytes) -> None:
        """Pass a piece of the body on, or keep it until its turn."""
        request = self.request
        if request is None:
            # A second on_message_complete cannot happen; a body without a head cannot either.
            raise BadRequest
        size = len(chunk)
        request.received += size
        self.wire.received_bytes += size
        if request.received > self.wire.limits.body_bytes:
            raise BodyTooLarge
        answerer = self.answerer
        if answerer is not None and request is self.serving:
            answerer.request_body(chunk)
        else:
            request.hold(chunk)

    def on_message_complete(self) -> None:
        """Close the body, unless llhttp only means the head of an upgrade."""
        request = self.request
        if request is None or self.head.upgrade_pending:
            return
        request.complete = True
        self.request = None
        if request is self.serving and self.answerer is not None:
            self.answerer.request_complete()

    # Parsing.

    def _feed(self, data: bytes) -> None:
        head = self.head
        head.data = data
        request = self.request
        received = request.received if request is not None else 0
        rest: bytes | None = None
        try:
            self.parser.feed_data(data)
            begun = self.serving
            if begun is not None and begun.complete and self.answerer is None and not self.queue:
                head.remember(begun, data)
        except HttpParserUpgrade as stop:
            rest = data[stop.args[0] :]
        except HttpParserError as error:
            self._parse_failed(error)
        head.end_of_data(behind_body=request is not None)
        if rest is not None:
            # Not inside the handler: an error in `rest` must not carry this one as its context.
            self._upgrade_asked(rest)
        if head.begun:
            if self.head_since == 0.0:
                self.head_since = self.wire.now
            too_large = head.over_limit()
            if too_large is not None:
                self.broken(too_large)
        else:
            self.head_since = 0.0
            if request is not None and request is self.request and request.length == CHUNKED:
                self._check_silence(request, received, len(data))
        if self.answerer is None:
            self._serve()
        if self.read_paused:
            return
        if self.queue or (self.write_paused_at and self.answerer is None):
            self.pause_reading()

    def _check_silence(self, request: Request, received: int, size: int) -> None:
        self.silent = 0 if request.received > received else self.silent + size
        if self.silent > self.wire.limits.head_bytes or self.head.trailers_over_limit():
            self.broken(HeadersTooLarge)

    def _parse_failed(self, error: HttpParserError) -> None:
        cause = error.__context__
        if isinstance(cause, ClientError):
            self.broken(type(cause))
        elif self.last and self.request is None and not self.head.begun:
            return  # bytes after a request that said `Connection: close`
        elif isinstance(error, HttpParserInvalidMethodError):
            line, whole = self.head.first_line()
            self.broken(why_no_method(line, whole=whole))
        elif cause is not None and not isinstance(cause, HttpParserError):
            raise cause
        else:
            self.broken(self._why_malformed())

    def _why_malformed(self) -> type[ClientError]:
        if self.head.fields:
            return BadRequest
        line, whole = self.head.first_line()
        return why_malformed(line, whole=whole)

    def _upgrade_asked(self, rest: bytes) -> None:
        head = self.head
        head.upgrade_pending = False
        request = self.request
        if request is None:
            return
        if request.upgrade:
            request.complete = True
            self.request = None
            self.tail = rest
            return
        # Declined: llhttp reads on behind the head as if there were no body, so a fresh parser is
        # given a head that frames the same body without the upgrade.
        self.parser = HttpRequestParser(self.head)
        head.skip_next = True
        self.parser.feed_data(head.framing_of(request))
        if rest:
            self._feed(rest)

    def broken(self, error: type[ClientError]) -> None:
        """Stop listening; refuse the message at hand once those before it are answered."""
        self.phase = Phase.DEAF
        self.head.begun = False
        self.head_since = 0.0
        self.wire.refuse(error, self.peer)
        request, self.request = self.request, None
        if request is not None and request is self.serving:
            if self.answerer is not None:
                self.answerer.request_broken(error)
                return
            self.serving = None
        elif request is not None and self.queue:
            self.queue.pop()
        if self.answerer is None and self.serving is None and not self.queue:
            self.end_with(error)
        else:
            self.refused_with = error

    # Serving.

    def _serve(self) -> None:
        if self._serving_loop:
            return
        self._serving_loop = True
        try:
            # A client that does not take its responses does not get the next one begun: small
            # responses would pile up here without any of them being held back.
            while self.answerer is None and self.phase < Phase.LINGER and not self.write_paused_at:
                request = self.serving
                if request is None:
                    if self.queue:
                        request = self.serving = cast(Request, self.queue.popleft())
                    else:
                        break
                answerer = self.answerer = self.wire.begin(self, request)
                answerer.begin()
        finally:
            self._serving_loop = False
        if self.refused_with is not None and self._is_idle():
            self.end_with(self.refused_with)

    def _is_idle(self) -> bool:
        return (
            self.answerer is None
            and self.serving is None
            and not self.queue
            and self.phase < Phase.LINGER
        )

    def send_continue(self) -> None:
        """Ask for the body (RFC 9110, 10.1.1)."""
        self.transport.write(CONTINUE)

    def response_done(self, *, reusable: bool) -> None:
        """Go on after a whole response: with the next request, or towards the end."""
        request = self.serving
        self.answerer = self.serving = None
        if self.phase is Phase.CLOSED:
            return
        self.served += 1
        self.since = self.wire.now
        if request is not None and not request.complete:
            self._linger()
            return
        if not reusable:
            if self.last or (self.tls and request is not None and request.http10):
                self.close_softly()
            else:
                # The client may have sent its next request before it could read that this was the
                # last response: closing on it would erase the response.
                self._linger()
            return
        if self.tail is not None and request is not None and request.upgrade:
            rest, self.tail = self.tail, None
            self.parser = HttpRequestParser(self.head)
            if rest:
                self._feed(rest)
        self._go_on()

    def _go_on(self) -> None:
        if self.queue or self.serving is not None or self.refused_with is not None:
            self._serve()
        if self._is_idle():
            if self.phase is Phase.DEAF or self.half_closed or self.last:
                self.close_softly()
            elif self.read_paused:
                self.resume_reading()

    def end_with(self, error: type[ProxyError]) -> None:
        """Answer with an error of the proxy's own and let the connection end."""
        self.answerer = None
        if self.phase >= Phase.LINGER:
            return
        head_only = self.serving is not None and self.serving.method == "HEAD"
        self.serving = None
        self.transport.write(refusal(error, head_only=head_only, close=True))
        self._linger()

    def refuse_and_go_on(self, error: type[ProxyError], *, reusable: bool) -> None:
        """Answer with an error; the connection may go on when the request was read whole."""
        request = self.serving
        if request is None or not request.complete or not reusable:
            self.end_with(error)
            return
        self.transport.write(refusal(error, head_only=request.method == "HEAD", close=False))
        self.response_done(reusable=True)

    def cut(self, *, reset: bool) -> None:
        """End in the middle of a response, so that the client cannot take it for whole.

        With a length or with chunks the missing end tells (RFC 9112, 8), and what was written still
        goes out. A response delimited by the close looks whole unless the connection is reset.
        """
        self.answerer = self.serving = None
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSING
        if not reset:
            self.transport.close()
            return
        raw = self.transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self.transport.abort()

    def start_tunnel(self, tunnel: Tunnel) -> bytes:
        """Hand the connection over; gives the bytes that had already arrived for the other side."""
        self.answerer = self.serving = None
        self.phase = Phase.TUNNEL
        self.tunnel = tunnel
        early, self.tail = self.tail or b"", None
        self.resume_reading()
        return early

    def leave_tunnel(self) -> None:
        """Let what was written into a tunnel go out, and take nothing more from it."""
        self.tunnel = None
        if self.phase is Phase.TUNNEL:
            self._linger()

    def close_softly(self) -> None:
        """End the connection after what was written has gone out."""
        self.phase = Phase.CLOSING
        self.transport.close()

    def _linger(self) -> None:
        # RFC 9112, 9.6: "a server [...] performs a lingering close": otherwise the reset that
        # answers the client's next packet would erase the response from its buffers.
        if self.half_closed:
            self.close_softly()
            return
        self.phase = Phase.LINGER
        now = self.wire.now
        self.linger_until = now + self.wire.deadlines.linger
        self.read_at = now
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()

    def pause_reading(self) -> None:
        """Let the client wait."""
        if not self.read_paused and self.phase not in _ENDING:
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more from the client."""
        if self.queue and self.answerer is not None:
            return
        if self.read_paused and self.phase not in (Phase.CLOSING, Phase.CLOSED):
            self.read_paused = False
            now = self.read_at = self.wire.now
            if self.head_since:
                self.head_since = now
            if self.request is not None:
                self.request.measure_from(now)
            self.transport.resume_reading()

    # Deadlines.

    def check(self, now: float) -> None:
        """Compare what this connection waits for with how long it may take."""
        patience.check(self, now)

    def give_up_writing(self) -> None:
        """End a connection whose client does not read."""
        answerer, self.answerer = self.answerer, None
        self.cut(reset=True)
        if answerer is not None:
            answerer.client_gone()

    def __repr__(self) -> str:
        doing = "serving" if self.answerer is not None else "idle"
        return f"<ClientConnection {self.peer} [{self.phase.name.lower()}, {doing}]>"
