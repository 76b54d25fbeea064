"""Connections to upstreams: bounded per endpoint, with a bounded queue, lent to one exchange."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from proxy.errors import ConnectFailed, ConnectTimeout, PoolExhausted, ProxyError
from proxy.http1.budget import Budget
from proxy.http1.resolver import Resolver
from proxy.http1.upstream_side import Asker, UpstreamConnection
from proxy.routing.route import Upstream

if TYPE_CHECKING:
    from proxy.http1.wire import Wire

# After a failed connect an endpoint is asked last for this long (seconds).
_COOLING: Final = 1.0


class Endpoint:
    """One address of an upstream and the connections to it."""

    __slots__ = (
        "_address",
        "_resolver",
        "_tasks",
        "_tls",
        "authority",
        "busy",
        "connecting",
        "cooling_until",
        "healthy",
        "idle",
        "pool",
        "retired",
        "upstream",
        "url",
        "waiting",
        "wire",
    )

    def __init__(
        self, wire: Wire, pool: UpstreamPool, url: str, tls: ssl.SSLContext | None
    ) -> None:
        self.wire = wire
        self.pool = pool
        self.upstream: Upstream = pool.upstream
        self.url = url
        self.idle: list[UpstreamConnection] = []
        self.waiting: deque[tuple[Asker, float]] = deque()
        self.busy = 0
        self.connecting = 0
        self.cooling_until = 0.0
        self.healthy = True
        self.retired = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls = tls if url.startswith("https:") else None
        if url.startswith("unix:"):
            self._address = url.removeprefix("unix:").removeprefix("//")
            self._resolver: Resolver | None = None
            self.authority = b"localhost"
        else:
            parts = urlsplit(url)
            host = parts.hostname or "127.0.0.1"
            port = parts.port or (443 if self._tls else 80)
            self._address = host
            self._resolver = Resolver(host, port)
            self.authority = parts.netloc.encode("ascii")

    def load(self) -> int:
        """Requests in flight or waiting here."""
        return self.busy + len(self.waiting)

    def ask_later(self, asker: Asker) -> None:
        """Queue for a connection and open one if there may be more. Raises PoolExhausted."""
        pool = self.upstream.pool
        if len(self.waiting) >= pool.waiting:
            raise PoolExhausted
        self.waiting.append((asker, self.wire.now))
        self._open_more()
        if self.idle and not self.connecting and len(self.idle) + self.busy >= pool.connections:
            # Who queues although connections are idle wants a fresh one: its place is made here.
            self.idle[0].close()

    def forget(self, asker: Asker) -> None:
        """Take somebody who no longer waits out of the queue."""
        self.waiting = deque(entry for entry in self.waiting if entry[0] is not asker)

    def release(self, connection: UpstreamConnection) -> None:
        """Take a connection back after a whole exchange."""
        while self.waiting:
            asker, _ = self.waiting.popleft()
            if asker.connected(connection):
                return
        if self.retired:
            connection.close()
        else:
            self.busy -= 1
            connection.idle_since = self.wire.now
            self.idle.append(connection)

    def made(self) -> None:
        """Count a connection: it is busy until it is released or lost."""
        self.busy += 1

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection that has ended."""
        if connection in self.idle:
            self.idle.remove(connection)
        else:
            self.busy -= 1
        self._open_more()

    def retire(self) -> None:
        """Close what is idle; the rest is closed as it is returned."""
        self.retired = True
        for connection in tuple(self.idle):
            connection.close()

    def abandon(self) -> None:
        """Stop opening connections: the worker ends."""
        for task in tuple(self._tasks):
            task.cancel()

    def tick(self, now: float) -> None:
        """Refuse who has waited too long for a free connection."""
        patience = self.upstream.timeouts.queue
        while len(self.waiting) > self.connecting and now - self.waiting[-1][1] > patience:
            asker, _ = self.waiting.pop()
            asker.not_connected(PoolExhausted)
        while len(self.waiting) > self.connecting and now - self.waiting[0][1] > patience:
            asker, _ = self.waiting.popleft()
            asker.not_connected(PoolExhausted)

    def _open_more(self) -> None:
        room = self.upstream.pool.connections - self.busy - len(self.idle) - self.connecting
        for _ in range(min(room, len(self.waiting) - self.connecting)):
            self.connecting += 1
            task = asyncio.get_running_loop().create_task(self._open(), name=f"connect {self.url}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        outcome: type[ProxyError] | UpstreamConnection
        try:
            async with asyncio.timeout(self.upstream.timeouts.connect):
                outcome = await self._connect()
        except TimeoutError:
            outcome = ConnectTimeout
        # ssl.SSLError and its verification errors are OSErrors too; a name may be none at all.
        except (OSError, UnicodeError):
            outcome = ConnectFailed
        self.connecting -= 1
        if isinstance(outcome, UpstreamConnection):
            if not outcome.closed:
                self.pool.count_connect("ok")
                self.cooling_until = 0.0
                self.release(outcome)
                return
            outcome = ConnectFailed
        self.pool.count_connect(outcome.cause)
        self.cooling_until = self.wire.now + _COOLING
        if self.waiting:
            asker, _ = self.waiting.popleft()
            asker.not_connected(outcome)
            self._open_more()

    async def _connect(self) -> UpstreamConnection:
        tried: list[UpstreamConnection] = []

        def protocol() -> UpstreamConnection:
            tried.append(UpstreamConnection(self.wire, self))
            return tried[-1]

        try:
            return await self._connect_as(protocol)
        except BaseException:
            # The loop may have made a connection in the very turn in which time was up.
            for connection in tried:
                connection.never_mind()
            raise

    async def _connect_as(self, protocol: Callable[[], UpstreamConnection]) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        if self._resolver is None:
            _, connection = await loop.create_unix_connection(protocol, self._address)
            return connection
        failure: OSError | None = None
        for address in await self._resolver.addresses():
            try:
                _, connection = await loop.create_connection(
                    protocol,
                    address,
                    self._resolver.port,
                    ssl=self._tls,
                    server_hostname=(self.upstream.tls_server_name or self._address)
                    if self._tls
                    else None,
                )
            except OSError as error:
                failure = error
            else:
                return connection
        raise failure or OSError("no address")

    def __repr__(self) -> str:
        return (
            f"<Endpoint {self.url} [{self.busy} busy, {len(self.idle)} idle, "
            f"{self.connecting} connecting, {len(self.waiting)} waiting]>"
        )


class UpstreamPool:
    """All endpoints of one upstream, in one worker."""

    __slots__ = ("_single", "connects", "endpoints", "retries", "upstream")

    def __init__(self, wire: Wire, upstream: Upstream) -> None:
        self.upstream = upstream
        tls = _client_tls(upstream) if any(u.startswith("https:") for u in upstream.urls) else None
        self.endpoints = tuple(Endpoint(wire, self, url, tls) for url in upstream.urls)
        self._single = self.endpoints[0] if len(self.endpoints) == 1 else None
        # One retry for five requests, and ten to begin with.
        self.retries = Budget(ratio=0.2, reserve=10.0)
        self.connects: dict[str, int] = {}

    def choose(self, avoid: Endpoint | None = None) -> Endpoint:
        """Pick the endpoint with the fewest requests; an unhealthy one only for want of others."""
        if self._single is not None:
            return self._single
        now = self.endpoints[0].wire.now
        candidates = [
            e for e in self.endpoints if e.healthy and e.cooling_until <= now and e is not avoid
        ] or [e for e in self.endpoints if e is not avoid]
        return min(candidates, key=Endpoint.load)

    def take(self, endpoint: Endpoint) -> UpstreamConnection | None:
        """Lend an idle connection, the one used last."""
        while endpoint.idle:
            endpoint.busy += 1
            connection = endpoint.idle.pop()
            if not connection.ending:
                return connection
        return None

    def count_connect(self, outcome: str) -> None:
        """Count a connection that was opened, or not."""
        self.connects[outcome] = self.connects.get(outcome, 0) + 1

    def set_unhealthy(self, urls: frozenset[str]) -> None:
        """Take the supervisor's word on who is well."""
        for endpoint in self.endpoints:
            endpoint.healthy = endpoint.url not in urls

    def tick(self, now: float) -> None:
        """Let every endpoint look at its queue."""
        for endpoint in self.endpoints:
            if endpoint.waiting:
                endpoint.tick(now)

    def abandon(self) -> None:
        """Stop opening connections."""
        for endpoint in self.endpoints:
            endpoint.abandon()

    def retire(self) -> None:
        """Stop using this pool: its upstream has changed or is gone."""
        for endpoint in self.endpoints:
            endpoint.retire()

    def is_used(self) -> bool:
        """Tell whether a request still has, or waits for, one of the connections."""
        return any(e.busy or e.connecting or e.waiting for e in self.endpoints)

    def __repr__(self) -> str:
        return f"<UpstreamPool {self.upstream.name} {list(self.endpoints)}>"


def _client_tls(upstream: Upstream) -> ssl.SSLContext:
    # Verified always: there is no switch to turn that off, only one to say whom to trust.
    context = ssl.create_default_context(cafile=upstream.tls_ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
