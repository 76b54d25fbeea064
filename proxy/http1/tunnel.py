"""A byte tunnel between a client and an upstream that have switched protocols (WebSocket)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.http1.patience import takes_nothing
from proxy.http1.phase import Phase

if TYPE_CHECKING:
    from proxy.http1.client_side import ClientConnection
    from proxy.http1.upstream_side import UpstreamConnection


class Tunnel:
    """Bytes both ways, untouched; each side waits for the other, each half closes on its own."""

    __slots__ = (
        "_client",
        "_done",
        "_ended",
        "_idle_since",
        "_on_end",
        "_upstream",
        "received",
        "sent",
    )

    def __init__(
        self,
        client: ClientConnection,
        upstream: UpstreamConnection,
        on_end: Callable[[Tunnel], None],
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._on_end = on_end
        self._done = False
        # One side has ended; with the other's end there is nothing left.
        self._ended = False
        self._idle_since = client.wire.now
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
        if not self._upstream.closed:
            self._upstream.transport.write(data)

    def from_upstream(self, data: bytes) -> None:
        """Pass bytes to the client."""
        self._idle_since = self._client.wire.now
        self.sent += len(data)
        if not self._client.transport.is_closing():
            self._client.transport.write(data)

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

    def client_lost(self) -> None:
        """End with the client, after what it sent has gone out."""
        self._end()
        if not self._upstream.closed:
            self._upstream.transport.close()

    def upstream_lost(self) -> None:
        """End with the upstream, after what it sent has gone out."""
        self._end()
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
