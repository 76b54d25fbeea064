"""A byte tunnel between a client and an upstream that have switched protocols (WebSocket)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from proxy.http1.patience import takes_nothing
from proxy.http1.phase import Phase
from proxy.http1.websocket import GOING_AWAY, SERVICE_RESTART, Frames, close_frame

if TYPE_CHECKING:
    from proxy.http1.client_side import ClientConnection
    from proxy.http1.upstream_side import UpstreamConnection

# How long a tunnel that is to part waits for the end of a frame. Seconds.
_PARTING: Final = 2.0


class Tunnel:
    """Bytes both ways, untouched; each side waits for the other, each half closes on its own."""

    __slots__ = (
        "_client",
        "_done",
        "_down",
        "_ended",
        "_idle_since",
        "_on_end",
        "_parted",
        "_parting_since",
        "_up",
        "_upstream",
        "received",
        "sent",
    )

    def __init__(
        self,
        client: ClientConnection,
        upstream: UpstreamConnection,
        on_end: Callable[[Tunnel], None],
        *,
        follow: bool = False,
    ) -> None:
        """`follow` its WebSocket frames, so that it can be parted between two of them."""
        self._client = client
        self._upstream = upstream
        self._on_end = on_end
        self._done = False
        # One side has ended; with the other's end there is nothing left.
        self._ended = False
        self._idle_since = client.wire.now
        self._down = Frames() if follow else None
        self._up = Frames() if follow else None
        # Since when the end of a frame is waited for; 0: it need not part.
        self._parting_since = 0.0
        self._parted = False
        self.received = 0
        self.sent = 0

    def open(self, early_from_upstream: bytes) -> None:
        """Tie the two connections together and pass on what had come before its time."""
        upstream, client = self._upstream, self._client
        client.wire.tunnels += 1
        upstream.tunnel = self
        early = client.start_tunnel(self)
        if upstream.read_paused:
            upstream.resume_reading()
        if early:
            self.from_client(early)
        if early_from_upstream:
            self.from_upstream(early_from_upstream)
        if client.half_closed:
            self.client_ended()

    def from_client(self, data: bytes) -> None:
        """Pass bytes to the upstream."""
        self._idle_since = self._client.wire.now
        self.received += len(data)
        if self._up is not None:
            self._up.follow(data)
        if not self._upstream.closed:
            self._upstream.transport.write(data)

    def from_upstream(self, data: bytes) -> None:
        """Pass bytes to the client."""
        self._idle_since = self._client.wire.now
        if self._down is not None:
            size = self._down.follow(data, to_end_of_frame=bool(self._parting_since))
            data = data[:size] if self._parting_since else data
        self.sent += len(data)
        if not self._client.transport.is_closing():
            self._client.transport.write(data)
        if self._parting_since and self._down is not None and self._down.between:
            self._part()

    def client_ended(self) -> bool:
        """Pass the client's end on; the other direction goes on."""
        if self._upstream.closed or self._ended:
            return False
        if self._upstream.transport.can_write_eof():
            self._upstream.transport.write_eof()
            self._ended = True
            return not self._client.tls
        self._upstream.transport.close()
        return False

    def upstream_ended(self) -> bool:
        """Pass the upstream's end on; the other direction goes on."""
        transport = self._client.transport
        if transport.is_closing() or self._ended:
            return False
        if transport.can_write_eof():
            transport.write_eof()
            self._ended = True
            return self._upstream.transport.can_write_eof()
        transport.close()
        return False

    def part(self) -> None:
        """End both sides as their protocol has it: a client is told that it may come again.

        The frame that is under way is waited for, since nothing may stand within it.
        """
        if self._done or self._parting_since:
            return
        self._parting_since = self._client.wire.now
        if self._down is None or self._down.between:
            self._part()

    def _part(self) -> None:
        self._parted = True
        client, upstream = self._client, self._upstream
        down, up = self._down, self._up
        if not upstream.closed:
            if up is not None and up.between and not up.closing:
                upstream.transport.write(close_frame(GOING_AWAY, masked=True))
            upstream.ending = True
            upstream.transport.close()
        if down is not None and down.between and not down.closing:
            client.transport.write(close_frame(SERVICE_RESTART, masked=False))
        self._end()
        client.leave_tunnel()

    def client_lost(self) -> None:
        """End with the client, after what it sent has gone out."""
        self._end()
        if not self._upstream.closed:
            self._upstream.transport.close()

    def upstream_lost(self) -> None:
        """End with the upstream, after what it sent has gone out."""
        self._end()
        if not self._parted:
            self._client.transport.close()

    def client_full(self) -> None:
        """Hold the upstream back."""
        self._upstream.pause_reading()

    def client_drained(self) -> None:
        """Let the upstream go on."""
        self._upstream.resume_reading()

    def upstream_full(self) -> None:
        """Hold the client back."""
        self._client.pause_reading()

    def upstream_drained(self) -> None:
        """Let the client go on."""
        self._client.resume_reading()

    def check(self, now: float) -> None:
        """End a tunnel in which nobody speaks."""
        deadlines = self._client.wire.deadlines
        if self._parted:
            if takes_nothing(self._upstream, deadlines.write, now):
                self._upstream.close()
            return
        if self._parting_since and now - self._parting_since > _PARTING:
            self._part()
            return
        if self._done:
            # One side is gone; what it sent last is on its way to the other.
            rest = self._client if self._upstream.closed else self._upstream
            over = takes_nothing(rest, deadlines.write, now)
        else:
            over = now - self._idle_since > deadlines.tunnel_idle
        if over:
            self.close()

    def close(self) -> None:
        """End both sides."""
        if self._client.phase is not Phase.CLOSED:
            self._client.transport.abort()
        self._upstream.close()

    def _end(self) -> None:
        if not self._done:
            self._done = True
            self._client.wire.tunnels -= 1
            self._on_end(self)
