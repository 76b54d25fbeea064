"""How long a client may take: what its connection waits for, beside the deadlines."""

from __future__ import annotations

import fcntl
import struct
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from proxy.errors import RequestTimeout
from proxy.http1.phase import Phase

if TYPE_CHECKING:
    from proxy.http1.client_side import ClientConnection
    from proxy.http1.request import Request
    from proxy.http1.upstream_side import UpstreamConnection
    from proxy.settings import Deadlines

_INT: Final = struct.Struct("i")
_ZERO: Final = bytes(4)


def check(client: ClientConnection, now: float) -> None:
    """End what has taken too long. `now` and all notes of time are those of `Wire.now`."""
    deadlines = client.wire.deadlines
    if client.tunnel is not None:
        client.tunnel.check(now)
    elif client.phase is Phase.CLOSING:
        if takes_nothing(client, deadlines.write, now):
            client.transport.abort()
    elif client.phase is Phase.LINGER and client.transport.get_write_buffer_size():
        # The response is not out yet, and is worth the same patience as any other.
        if takes_nothing(client, deadlines.write, now):
            client.transport.abort()
        client.linger_until = now + deadlines.linger
        client.read_at = now
    elif client.phase is Phase.LINGER:
        patience = deadlines.linger_idle
        if client.wire.draining:
            patience = min(patience, deadlines.drain_idle)
        if now > client.linger_until or now - client.read_at > patience:
            client.transport.abort()
    elif client.write_paused_at and takes_nothing(client, deadlines.write, now):
        client.give_up_writing()
    elif client.head_since:
        if not client.read_paused and now - client.head_since > deadlines.header:
            client.head_since = 0.0
            client.broken(RequestTimeout)
    elif client.request is not None:
        if not client.read_paused and _is_too_slow(client, client.request, deadlines, now):
            client.broken(RequestTimeout)
    elif (
        client.answerer is None
        and client.phase is Phase.OPEN
        and not client.write_paused_at
        and now - client.since > _idle_patience(client, deadlines)
    ):
        client.close_softly()


def takes_nothing(
    connection: ClientConnection | UpstreamConnection, seconds: float, now: float
) -> bool:
    """Tell whether a peer that stopped reading has taken not one byte for so long.

    A slow one that goes on reading may take all the time it needs. The kernel's queue counts too:
    it asks for more only after a third of it is free, and that may take a modem minutes.
    """
    unsent = connection.transport.get_write_buffer_size()
    raw = connection.transport.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        unsent += _INT.unpack(fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, _ZERO))[0]
    if unsent != connection.unsent or not connection.write_paused_at:
        connection.unsent = unsent
        connection.write_paused_at = now
    return now - connection.write_paused_at > seconds


def _idle_patience(client: ClientConnection, deadlines: Deadlines) -> float:
    # A connection that has not asked for anything yet is waiting for its first head.
    patience = deadlines.keep_alive if client.served else deadlines.header
    return min(patience, deadlines.drain_idle) if client.wire.draining else patience


def _is_too_slow(
    client: ClientConnection, request: Request, deadlines: Deadlines, now: float
) -> bool:
    if now - client.read_at > deadlines.body_idle:
        return True
    # Measured since the connection was last read again: while it was held back because the upstream
    # did not keep up, the client could not send.
    over = now - request.measured_from - deadlines.body_idle
    received = request.received - request.measured_received
    return over > 0 and received < deadlines.body_min_rate * over
