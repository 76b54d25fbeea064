"""What all connections of one worker share: settings, coarse time, counters, connections."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from proxy.errors import ClientError
from proxy.http1.forwarded import TrustedProxies
from proxy.http1.known_heads import KnownHeads
from proxy.settings import Settings

if TYPE_CHECKING:
    from proxy.http1.client_side import ClientConnection
    from proxy.http1.request import Request
    from proxy.http1.upstream_side import UpstreamConnection


# The most that one sweep adds to `Wire.now` (seconds).
_LONGEST_STEP: Final = 1.0


class Wire:
    """The state that connections read on every request; one per worker.

    Deadlines are not timers. Connections note when something began in `now`, which moves ten times
    a second, and the sweep looks at all of them: a request costs no timer, ten thousand idle
    connections cost one pass.
    """

    def __init__(
        self, settings: Settings, begin: Callable[[ClientConnection, Request], Answerer]
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.deadlines = settings.deadlines
        # A head within fewer bytes than this needs no measuring.
        self.suspect_head_bytes = min(self.limits.header_bytes, self.limits.head_bytes)
        self.begin = begin
        self.trusted = TrustedProxies(settings.trusted_proxies)
        self.via_line = b"Via: 1.1 %b\r\n" % settings.via.encode("latin-1")
        self.pseudonym = settings.via.encode("latin-1").lower()
        self.upgrade_protocols = frozenset(
            p.lower().encode("latin-1") for p in settings.upgrade_protocols
        )
        # All identities that a Cookie value holds; more than one is nobody's.
        self.device_ids = re.compile(
            rb"(?:^|;)[ \t]*"
            + re.escape(settings.cookie_name.encode())
            + rb"=([0-9a-f]{32})[ \t]*(?=;|$)"
        ).findall
        self.known_heads = KnownHeads()
        self.draining = False
        # When the supervisor was last heard of (monotonic seconds).
        self.proven_at = time.monotonic()
        # Seconds that this worker has run, on a scale of its own.
        self.now = self._swept_at = time.monotonic()
        self.clients: set[ClientConnection] = set()
        self.per_address: dict[str, int] = {}
        self.upstreams: set[UpstreamConnection] = set()
        # Wall time, seconds since the epoch; moves with `now`.
        self.moment = time.time()
        # Counters; `Worker` reads them into a TallySnapshot.
        self.accepted = 0
        self.in_flight = 0
        self.tunnels = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.refused: dict[str, int] = {}
        self.connections_refused: dict[str, int] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self.on_tick: list[Callable[[float], None]] = []
        # Called when a client connection ends, so that accepting may go on.
        self.on_client_gone: Callable[[], None] = _nothing
        # Called with cause, status and the client's address for a request that got no route.
        self.on_refused: Callable[[str, int, str], None] = _not_told

    def start(self) -> None:
        """Begin to sweep. Needs a running loop."""
        self._schedule()

    def stop(self) -> None:
        """Sweep no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def refuse(self, error: type[ClientError], peer: str) -> None:
        """Count a request that got no route."""
        self.refused[error.cause] = self.refused.get(error.cause, 0) + 1
        self.on_refused(error.cause, error.status, peer)

    def _schedule(self) -> None:
        # A pass over many thousand connections is worth a coarser clock.
        pause = 0.1 if len(self.clients) < 2000 else 0.5
        self._sweeper = asyncio.get_running_loop().call_later(pause, self._sweep)

    def _sweep(self) -> None:
        # First, so that no fault below can be the end of all deadlines.
        self._schedule()
        clock = time.monotonic()
        # Time in which this process was stopped is held against nobody: what came meanwhile has not
        # been read yet.
        self.now += min(clock - self._swept_at, _LONGEST_STEP)
        self._swept_at = clock
        self.moment = time.time()
        now = self.now
        connections: tuple[ClientConnection | UpstreamConnection, ...]
        connections = (*self.upstreams, *self.clients)
        for connection in connections:
            try:
                connection.check(now)
            except Exception as error:  # noqa: BLE001 -- one connection's fault is not the others'
                self._tell_loop(connection, error)
                connection.transport.abort()
        for tick in self.on_tick:
            tick(now)

    def _tell_loop(self, connection: object, error: Exception) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"Deadline check of {connection!r} failed", "exception": error}
        )


def _nothing() -> None:
    """Stand in until a listener wants to know."""


def _not_told(_cause: str, _status: int, _peer: str) -> None:
    """Stand in until a log wants to know."""


class Answerer:
    """What a client connection tells whoever serves its current request."""

    __slots__ = ()

    def begin(self) -> None:
        """Serve the request; what has arrived of its body is held in it."""
        raise NotImplementedError

    def request_body(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        raise NotImplementedError

    def request_complete(self) -> None:
        """Learn that the body is whole."""
        raise NotImplementedError

    def request_broken(self, error: type[ClientError]) -> None:
        """Learn that the rest of the body will not come in a form that can be trusted."""
        raise NotImplementedError

    def client_gone(self) -> None:
        """Learn that nobody waits for the response any more."""
        raise NotImplementedError

    def client_stopped_reading(self) -> None:
        """Learn that the client's buffers are full."""
        raise NotImplementedError

    def client_reads_again(self) -> None:
        """Learn that the client's buffers have room."""
        raise NotImplementedError
