"""One request, top to bottom: decide, dispatch, relay, and what to do when it does not go well."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from proxy.errors import (
    BrokenResponse,
    ClientDisconnected,
    ClientError,
    PoolExhausted,
    ProxyError,
    UpstreamError,
)
from proxy.evidence.outcome import Outcome
from proxy.http1.client_side import HOLD_BYTES, ClientConnection
from proxy.http1.identity import identity_lines
from proxy.http1.refusal import LAST_OPTIONS_HERE, OPTIONS_HERE
from proxy.http1.request import CHUNKED, NO_BODY, Request
from proxy.http1.response_head import CHUNKED as RESPONSE_CHUNKED
from proxy.http1.response_head import UNTIL_CLOSE, ResponseHead
from proxy.http1.tunnel import Tunnel
from proxy.http1.upstream_side import Asker, UpstreamConnection
from proxy.http1.wire import Answerer
from proxy.recovery import fallback_cause, may_ask_again, may_ask_another, may_fall_back, may_repeat
from proxy.routing.decision import decide
from proxy.routing.rewrite import upstream_target
from proxy.stages import Reason, Side

if TYPE_CHECKING:
    from proxy.generation import Generation
    from proxy.http1.pool import Endpoint
    from proxy.routing.decision import Decision
    from proxy.tee.copy import Copy

_LAST_CHUNK: Final = b"0\r\n\r\n"


class Journey(Answerer, Asker):
    """A request on its way. Reads one generation of routes and flags, and never another.

    The steps: begin -> decide -> dispatch -> connected -> response_head -> response_body ->
    response_complete.
    """

    __slots__ = (
        "_attempts",
        "_out",
        "_replay",
        "chunked_out",
        "client",
        "connection",
        "copy",
        "decision",
        "endpoint",
        "error",
        "fell_back",
        "first_byte_at",
        "generation",
        "head_sent",
        "pool",
        "request",
        "sent_bytes",
        "status",
        "target",
        "tunnel",
    )

    def __init__(self, generation: Generation, client: ClientConnection, request: Request) -> None:
        self.generation = generation
        self.client = client
        self.request = request
        self.connection: UpstreamConnection | None = None
        self.endpoint: Endpoint | None = None
        self.head_sent = False
        self.chunked_out = False
        self.status = 0
        self.sent_bytes = 0
        self.first_byte_at = 0.0
        self.error: type[ProxyError] | None = None
        self._attempts = 0
        # Why legacy answered for the new side; empty when it did not.
        self.fell_back = ""
        self._replay: list[bytes] | None = None
        self._out: list[bytes] = []
        # What the observer will get of this request, if it gets it.
        self.copy: Copy | None = None
        self.tunnel: Tunnel | None = None

    # Decide.

    def begin(self) -> None:
        """Decide who answers, and ask."""
        generation, request = self.generation, self.request
        generation.wire.in_flight += 1
        decision = decide(generation.table, generation.flags, request)
        if (
            decision.side is Side.NEW
            and not generation.is_proven()
            and decision.reason is not Reason.COMPLETE
        ):
            decision = generation.table.sent_to_legacy(decision, Reason.STATE_UNPROVEN)
        self.decision: Decision = decision
        if decision.side is Side.NEW:
            if decision.route.fallback is not None:
                generation.accounts.fallback_budget(decision.route).deposit()
            if decision.route.recall_after is not None:
                generation.recall.join(self)
        if request.answer_here:
            self._answer_options()
            return
        if generation.tee is not None and decision.shadow is not None:
            self.copy = generation.tee.copy_of(request, decision)
        if request.expects_continue and not request.received:
            self.client.send_continue()
        if request.length != NO_BODY and may_repeat(request, decision):
            self._replay = []
        self._dispatch()

    def _answer_options(self) -> None:
        # RFC 9110, 7.6.2: "If the Max-Forwards value is zero (0), the recipient MUST NOT forward
        # the request; instead, the recipient MUST respond as the final recipient."
        self.status = 200
        request = self.request
        reusable = (
            request.keep_alive
            and request.complete
            and not request.http10
            and not self.generation.wire.draining
        )
        self.client.transport.write(OPTIONS_HERE if reusable else LAST_OPTIONS_HERE)
        self._finish(reusable=reusable)

    # Dispatch.

    def _dispatch(self, avoid: Endpoint | None = None, *, fresh: bool = False) -> None:
        decision, request = self.decision, self.request
        self.target = request.target
        if decision.side is Side.NEW and decision.route.rewrite is not None:
            self.target = upstream_target(decision.route, request).encode("ascii")
        pool = self.pool = self.generation.pools[decision.upstream.name]
        pool.retries.deposit()
        endpoint = self.endpoint = pool.choose(avoid)
        self._attempts += 1
        connection = None if fresh else pool.take(endpoint)
        if connection is not None:
            self._send(connection)
            return
        try:
            endpoint.ask_later(self)
        except PoolExhausted:
            self.not_connected(PoolExhausted)

    def connected(self, connection: UpstreamConnection) -> bool:
        """Take a connection that was waited for, unless a rollback came meanwhile."""
        current = self.generation.latest.generation
        if (
            current is not None
            and current is not self.generation
            and self.decision.side is Side.NEW
        ):
            # Nothing was sent, so this request need not be the one that reaches the new side after
            # the rollback was acknowledged. It moves to the newer generation as a whole.
            decision = decide(current.table, current.flags, self.request)
            if decision.side is Side.LEGACY:
                if self.copy is not None:
                    self.copy.give_up(self, Outcome.ABORTED, "rollback")
                self.generation = current
                self.decision = decision
                self._dispatch()
                return False
        self._send(connection)
        return True

    def _send(self, connection: UpstreamConnection) -> None:
        """Send the request: its head, and what has arrived of its body."""
        request = self.request
        self.connection = connection
        head = request.head_for(self.target, connection.endpoint.authority)
        if self.copy is not None:
            self.copy.asked = head
        connection.ask(
            self,
            head,
            head_only=request.method == "HEAD",
            switching=bool(request.upgrade),
        )
        if self.client.write_paused_at:
            connection.pause_reading()
        if self._replay:
            for chunk in self._replay:
                connection.send(self._framed(chunk))
        if request.chunks is not None:
            for chunk in request.take_held():
                self._send_body(chunk)
        if request.complete:
            self._end_request()
        elif not connection.write_paused_at:
            # The client was held back while it waited, for a connection or for its turn.
            self.client.resume_reading()

    def _framed(self, chunk: bytes) -> bytes:
        if self.request.length == CHUNKED:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        return chunk

    def _send_body(self, chunk: bytes) -> None:
        if self._replay is not None:
            if self.request.received <= self.generation.wire.limits.replay_bytes:
                self._replay.append(chunk)
            else:
                self._replay = None
        if self.copy is not None:
            self.copy.request_body(self, chunk)
        if self.connection is not None:
            self.connection.send(self._framed(chunk))

    def _end_request(self) -> None:
        connection = self.connection
        if connection is not None:
            if self.request.length == CHUNKED:
                connection.send(_LAST_CHUNK)
            connection.request_sent()
            if self.copy is not None and self.copy.branch.concurrent:
                self.copy.request_whole(self)

    # What the client says.

    def request_body(self, chunk: bytes) -> None:
        """Stream a piece of the body, or hold it until there is a connection."""
        request = self.request
        if self.connection is not None:
            self._send_body(chunk)
        elif self.endpoint is not None:
            request.hold(chunk)
            if request.held > HOLD_BYTES:
                self.client.pause_reading()
        # else: the response is out already, nobody wants the rest

    def request_complete(self) -> None:
        """Close the body upstream, and begin to wait for the response."""
        if self.connection is not None:
            self._end_request()

    def request_broken(self, error: type[ClientError]) -> None:
        """Make sure that the upstream never takes half a request for a whole one."""
        self._leave_upstream()
        self.error = error
        self.status = error.status
        self._account()
        if self.head_sent:
            self.client.cut(reset=True)
        else:
            self.client.end_with(error)

    def client_gone(self) -> None:
        """Stop a safe request; let an unsafe one under way finish, if the route says so."""
        request = self.request
        self.error = ClientDisconnected
        self.status = ClientDisconnected.status
        if (
            self.connection is not None
            and request.complete
            and not request.is_safe()
            and self.decision.route.finish_when_client_leaves
        ):
            self.connection.resume_reading()
            return
        self._leave_upstream()
        self._account()

    def client_stopped_reading(self) -> None:
        """Let the upstream wait."""
        if self.connection is not None:
            self.connection.pause_reading()

    def client_reads_again(self) -> None:
        """Let the upstream go on."""
        if self.connection is not None:
            self.connection.resume_reading()

    def upstream_stopped_reading(self) -> None:
        """Let the client wait."""
        self.client.pause_reading()

    def upstream_reads_again(self) -> None:
        """Let the client go on."""
        self.client.resume_reading()

    def _leave_upstream(self) -> None:
        connection, self.connection = self.connection, None
        endpoint, self.endpoint = self.endpoint, None
        if connection is not None:
            connection.leave()
        elif endpoint is not None:
            endpoint.forget(self)

    # Relay.

    def interim(self, head: ResponseHead) -> None:
        """Forward a 1xx such as 103 to a client that can know it (RFC 9110, 15.2)."""
        if self.error is None and not self.request.http10:
            self._out += (head.status_line(), *head.without_framing(), b"\r\n")

    def response_head(self, head: ResponseHead) -> None:
        """Relay the head, or take the answer as a reason to fall back."""
        request = self.request
        status = head.status
        self.first_byte_at = time.perf_counter()
        if self.error is not None:  # the client left; the upstream may finish
            return
        if status >= 500 and self._fall_back(status):
            return
        self.status = status
        out = self._out
        out.append(head.status_line())
        bodyless = request.method == "HEAD" or status in (204, 304)
        if status in (204, 304):
            out += head.without_framing()
        elif head.length == RESPONSE_CHUNKED:
            if request.http10:
                out += head.without_chunked()
                request.keep_alive = False
            else:
                out += head.fields
                self.chunked_out = not bodyless
        else:
            out += head.fields
            if head.length == UNTIL_CLOSE and not bodyless:
                # RFC 9112, 6.3: without a length the end is the close; chunks let the connection
                # live on and a truncation be seen.
                if request.http10:
                    request.keep_alive = False
                else:
                    out.append(b"Transfer-Encoding: chunked\r\n")
                    self.chunked_out = True
        if request.minted_device_id:
            wire = self.generation.wire
            out.append(identity_lines(request, head.fields, wire.settings, tls=self.client.tls))
        if not request.keep_alive or self.generation.wire.draining or not request.complete:
            request.keep_alive = False
            out.append(b"Connection: close\r\n\r\n")
        elif request.http10:
            out.append(b"Connection: keep-alive\r\n\r\n")
        else:
            out.append(b"\r\n")
        # One piece: a system call takes a few large pieces faster than many small ones.
        joined = b"".join(out)
        self._out = [joined]
        self.head_sent = True
        if self.copy is not None:
            self.copy.response_head(self, head, out, joined)

    def response_body(self, chunk: bytes) -> None:
        """Relay a piece of the body."""
        size = len(chunk)
        self.sent_bytes += size
        if self.error is None:
            if self.chunked_out:
                self._out += (b"%x\r\n" % size, chunk, b"\r\n")
            else:
                self._out.append(chunk)
            if self.copy is not None:
                self.copy.chunks.append(chunk)

    def flush(self) -> None:
        """Write what has been collected."""
        out = self._out
        if out and self.error is None:
            self._out = []
            self.client.transport.writelines(out)
            if self.copy is not None and self.head_sent:
                self.copy.turn_ended(self)

    def response_complete(self) -> None:
        """End the response, and the journey."""
        connection, self.connection = self.connection, None
        self.endpoint = None
        if self.error is not None:
            self._account()
            return
        out = self._out
        if self.chunked_out:
            trailers = b""
            if self.request.trailers_wanted and connection is not None:
                trailers = connection.head.take_trailers()
            out.append(b"0\r\n%b\r\n" % trailers if trailers else _LAST_CHUNK)
        if out:
            self.client.transport.write(out[0] if len(out) == 1 else b"".join(out))
        self._finish(reusable=self.request.keep_alive)

    def switched(self, connection: UpstreamConnection, early: bytes) -> None:
        """Become a tunnel (RFC 9110, 7.8)."""
        head = connection.head
        request = self.request
        if head.upgrade.lower() != request.upgrade.lower():
            self.connection = None
            connection.leave()
            self.upstream_failed(BrokenResponse, reused=False, answered=True)
            return
        self.status = 101
        self.head_sent = True
        self.connection = None
        self.first_byte_at = time.perf_counter()
        self.client.transport.writelines(
            [
                *self._out,
                head.status_line(),
                *head.without_framing(),
                b"Connection: Upgrade\r\nUpgrade: ",
                head.upgrade,
                b"\r\n\r\n",
            ]
        )
        follow = self.decision.route.recall_after is not None
        self.tunnel = Tunnel(self.client, connection, self._tunnel_ended, follow=follow)
        self.tunnel.open(early)

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        self.sent_bytes = tunnel.sent
        self._account()

    # When it does not go well.

    def not_connected(self, error: type[ProxyError]) -> None:
        """Nothing was sent: another endpoint may be asked, whatever the method."""
        failed, self.endpoint = self.endpoint, None
        self.generation.accounts.upstream_error(self.decision, error)
        if (
            failed is not None
            and may_ask_another(error)
            and self._attempts < len(self.pool.endpoints)
            and self.pool.retries.withdraw()
        ):
            self.generation.accounts.retried(self.decision)
            self._dispatch(avoid=failed)
            return
        self._give_up(error)

    def upstream_failed(self, error: type[UpstreamError], *, reused: bool, answered: bool) -> None:
        """Repeat only what is known not to have been executed, or may be executed twice."""
        self.connection = None
        failed, self.endpoint = self.endpoint, None
        if self.error is not None:
            self._account()
            return
        self.generation.accounts.upstream_error(self.decision, error)
        if self.head_sent:
            self._cut(error)
            return
        if (
            may_ask_again(error, self.request, self.decision, reused=reused, answered=answered)
            and self._replayable()
            and self.pool.retries.withdraw()
        ):
            self.generation.accounts.retried(self.decision)
            # Through the queue: what the flags say by the time there is a connection counts.
            self._dispatch(avoid=failed, fresh=True)
            return
        self._give_up(error)

    def _replayable(self) -> bool:
        # Nothing of the body has gone out, or all of it is still here.
        return self._replay is not None or self.request.received == self.request.held

    def _give_up(self, error: type[ProxyError]) -> None:
        if self._fall_back(error):
            return
        self.error = error
        self.status = error.status
        self._out = []
        # The error says nothing that would keep an HTTP/1.0 client's connection.
        reusable = (
            self.request.keep_alive
            and not self.request.http10
            and not self.generation.wire.draining
        )
        self._account()
        self.client.refuse_and_go_on(error, reusable=reusable)

    def _fall_back(self, fault: type[ProxyError] | int) -> bool:
        """Let legacy answer instead, if the route wants it and it does no harm."""
        decision, accounts = self.decision, self.generation.accounts
        cause = fallback_cause(decision, fault)
        if cause is None:
            return False
        route = decision.route
        if not (
            may_fall_back(self.request, decision, fault)
            and self._replayable()
            and accounts.fallback_budget(route).withdraw()
        ):
            accounts.fallback_refused(route, cause)
            return False
        if isinstance(fault, int):
            accounts.upstream_status(decision, cause)
        self._leave_upstream()
        self._out = []
        self.fell_back = str(cause)
        if self.copy is not None:
            # Legacy answers for the new side: there is nobody left to compare it with.
            self.copy.give_up(self, Outcome.ABORTED, "fallback")
        accounts.fell_back(route, cause)
        self.decision = self.generation.table.sent_to_legacy(decision, Reason.FALLBACK)
        self._attempts = 0
        self._dispatch()
        return True

    def end_early(self, error: type[ProxyError], *, whole: bool) -> None:
        """End a response before its upstream does: whole to its client's eyes, or visibly cut."""
        if self.copy is not None:
            self.copy.give_up(self, Outcome.ABORTED, "rollback")
        self._leave_upstream()
        if not whole:
            self._cut(error)
            return
        self.flush()
        if self.chunked_out:
            self.client.transport.write(_LAST_CHUNK)
        self.error = error
        self._finish(reusable=self.request.keep_alive)

    def _cut(self, error: type[ProxyError]) -> None:
        self.error = error
        self._account()
        # What has been read of the response still goes out; the missing end is what tells.
        if self._out:
            self.client.transport.writelines(self._out)
        self.client.cut(reset=self.request.http10 and not self.request.keep_alive)

    # Account.

    def _finish(self, *, reusable: bool) -> None:
        self._account()
        self.client.response_done(reusable=reusable)

    def _account(self) -> None:
        self.generation.wire.in_flight -= 1
        if self.generation.recall.journeys:
            self.generation.recall.leave(self)
        if self.copy is not None:
            self.copy.end(self)
        self.generation.accounts.request_ended(self)

    def __repr__(self) -> str:
        return f"<Journey {self.request.method} {self.request.path} [{self.decision.reason}]>"
