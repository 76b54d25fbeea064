"""Accepting clients on a listening socket that all workers share."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import ssl
from typing import TYPE_CHECKING, Final

from proxy.http1.client_side import ClientConnection

if TYPE_CHECKING:
    from proxy.http1.wire import Wire

# Connections taken per wake-up: few, so that the other workers get their share of a burst.
_AT_ONCE: Final = 8
# After the kernel had no descriptor left for us (seconds).
_PAUSE: Final = 0.1
# Descriptors kept for the link, files and the log.
_RESERVED: Final = 64
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_HANDSHAKE_SECONDS: Final = 10.0


class Acceptor:
    """Takes connections while there is room for them; the rest waits in the kernel's queue.

    Not the event loop's own server: that one cannot pause, and takes a whole burst into one worker.
    """

    def __init__(
        self,
        wire: Wire,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
        *,
        upstream_connections: int,
    ) -> None:
        """Leave room for as many upstream connections as the pools may open."""
        self._wire = wire
        self._listener = listener
        self._tls = tls
        self._open = False
        self._reading = False
        self._handshakes: set[asyncio.Task[None]] = set()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # At least half is for clients: pools that could eat all the rest wait before clients do.
        free = soft - _RESERVED
        self._room = min(wire.limits.connections, max(16, free // 2, free - upstream_connections))

    def start(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        self._open = True
        self._wire.on_client_gone = self._resume
        self._resume()

    def stop(self) -> None:
        """Accept no more, but take what the kernel has already accepted for us."""
        if not self._open:
            return
        self._accept_all()
        self._open = False
        self._pause()
        self._listener.close()

    def _resume(self) -> None:
        if self._open and not self._reading and len(self._wire.clients) < self._room:
            self._reading = True
            asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept_some)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._listener.fileno())

    def _accept_some(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._accept_one():
                return

    def _accept_all(self) -> None:
        while self._accept_one():
            pass

    def _accept_one(self) -> bool:
        # Handshakes under way are connections too: they will be clients in a moment.
        if len(self._wire.clients) + len(self._handshakes) >= self._room:
            self._count("limit")
            self._pause()
            # A handshake that fails makes room without any client going.
            asyncio.get_running_loop().call_later(_PAUSE, self._resume)
            return False
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:
            return True
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._count("no_descriptors")
            self._pause()
            asyncio.get_running_loop().call_later(_PAUSE, self._resume)
            return False
        connection.setblocking(False)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.get_running_loop().create_task(self._take(connection), name="accept")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
        return True

    async def _take(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
            )
        except (OSError, TimeoutError):
            # A client that gave up, or spoke no TLS: its own affair, but counted.
            self._count("handshake")
            connection.close()

    def _protocol(self) -> ClientConnection:
        return ClientConnection(self._wire, tls=self._tls is not None)

    def _count(self, cause: str) -> None:
        refused = self._wire.connections_refused
        refused[cause] = refused.get(cause, 0) + 1
