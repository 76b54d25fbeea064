"""A worker process: the data plane wired together, and its end of the link to the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable

import uvloop

from flags.snapshot import FlagSnapshot
from proxy import tally
from proxy.access_log import LogWriter
from proxy.accounts import Accounts
from proxy.generation import Generation, Latest
from proxy.http1.acceptor import Acceptor
from proxy.http1.client_side import ClientConnection
from proxy.http1.pool import UpstreamPool
from proxy.http1.request import Request
from proxy.http1.wire import Wire
from proxy.journey import Journey
from proxy.link import (
    Applied,
    Apply,
    Collect,
    Counters,
    Drain,
    Drained,
    Heartbeat,
    Link,
    Message,
    Ready,
    Start,
    Stop,
)
from proxy.recall import Recall
from proxy.routing.table import RouteTable
from proxy.settings import Settings
from proxy.tally import Series, TallySnapshot
from proxy.tee.books import Books
from proxy.tee.outlet import Outlet
from proxy.tee.tee import Tee, has_shadow

# What a worker that has drained waits for the observer to take what it still holds. Seconds.
_LAST_BOOKS = 1.0


class Worker:
    """The data plane of one process: listeners, connections, pools and the current generation."""

    def __init__(
        self,
        settings: Settings,
        *,
        worker: int = 0,
        log: LogWriter | None = None,
        observer: str = "",
    ) -> None:
        self.settings = settings
        self._log = log
        self.accounts = Accounts(settings, worker, log.add if log is not None else _discard)
        self.wire = Wire(settings, self._begin)
        self.wire.on_refused = self.accounts.request_refused
        self.wire.on_tick.append(self._tick)
        self.books = Books()
        self.outlet = Outlet(observer, worker, self.books)
        self._copies = False
        self.latest = Latest()
        self.recall = Recall(self.latest, self.wire, self.accounts)
        self._pools: dict[str, UpstreamPool] = {}
        # Pools of former tables, until the last request has left them.
        self._retired: list[UpstreamPool] = []
        self._acceptors: list[Acceptor] = []
        self._idle = asyncio.Event()

    @property
    def generation(self) -> Generation | None:
        """The state that requests begun now read; None before the first `apply`."""
        return self.latest.generation

    def _begin(self, client: ClientConnection, request: Request) -> Journey:
        generation = self.latest.generation
        assert generation is not None  # listening starts with the first apply
        return Journey(generation, client, request)

    def apply(
        self,
        revision: int,
        table: RouteTable,
        flags: FlagSnapshot,
        unhealthy: tuple[str, ...] = (),
    ) -> None:
        """Swap the whole state; every request begun after this call sees it."""
        old = self.generation
        if old is None or old.table is not table:
            self._repool(table)
            self.accounts.new_table()
            self._copies = has_shadow(table)
        down: dict[str, set[str]] = {}
        for entry in unhealthy:
            upstream, _, url = entry.partition("|")
            down.setdefault(upstream, set()).add(url)
        for name, pool in self._pools.items():
            pool.set_unhealthy(frozenset(down.get(name, ())))
        self.wire.proven_at = time.monotonic()
        self.latest.generation = Generation(
            revision=revision,
            table=table,
            flags=flags,
            pools=self._pools,
            wire=self.wire,
            accounts=self.accounts,
            latest=self.latest,
            recall=self.recall,
            tee=self._tee(table, flags),
        )
        self.recall.look()

    def _tee(self, table: RouteTable, flags: FlagSnapshot) -> Tee | None:
        policy = table.file.shadow
        if not self._copies or policy.kill_switch or flags.shadow_paused:
            return None
        tee = Tee(table, flags, self.outlet, self.books)
        self.outlet.fit(tee.max_body)
        return tee

    def _repool(self, table: RouteTable) -> None:
        # Pools of upstreams that did not change keep their connections over a reload.
        pools: dict[str, UpstreamPool] = {}
        for upstream in table.file.upstreams:
            known = self._pools.get(upstream.name)
            if known is not None and known.upstream == upstream:
                pools[upstream.name] = known
            else:
                pools[upstream.name] = UpstreamPool(self.wire, upstream)
        for name, pool in self._pools.items():
            if pools.get(name) is not pool:
                pool.retire()
                self._retired.append(pool)
        self._pools = pools

    def listen(self, listener: socket.socket) -> None:
        """Accept clients on this socket from now on. Needs a running loop and a generation."""
        acceptor = Acceptor(
            self.wire,
            listener,
            server_tls(self.settings),
            upstream_connections=sum(
                pool.upstream.pool.connections * len(pool.endpoints)
                for pool in self._pools.values()
            ),
        )
        self._acceptors.append(acceptor)
        self.wire.start()
        self.outlet.start()
        acceptor.start()

    async def drain(self, seconds: float) -> bool:
        """Stop accepting, let requests in flight finish; tell whether all of them did."""
        for acceptor in self._acceptors:
            acceptor.stop()
        self._acceptors.clear()
        wire = self.wire
        wire.draining = True
        for client in wire.clients:
            client.since = max(client.since, wire.now)
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            pass
        finished = not wire.clients and not wire.in_flight
        self._cut_off()
        # Transports tell their protocols in the next turn of the loop; then the books are complete.
        await asyncio.sleep(0)
        await self.outlet.finish(_LAST_BOOKS)
        return finished

    def close(self) -> None:
        """Cut off whatever is left."""
        self._cut_off()
        self.outlet.close()

    def _cut_off(self) -> None:
        for acceptor in self._acceptors:
            acceptor.stop()
        self._acceptors.clear()
        self.wire.stop()
        for pool in (*self._pools.values(), *self._retired):
            pool.abandon()
        for client in tuple(self.wire.clients):
            client.transport.abort()
        for upstream in tuple(self.wire.upstreams):
            upstream.close()

    def _tick(self, now: float) -> None:
        for pool in (*self._pools.values(), *self._retired):
            pool.tick(now)
        if self._retired:
            self._retired = [pool for pool in self._retired if pool.is_used()]
        self.outlet.tick()
        self.recall.look()
        # A request may outlive its client: an order that was given is carried out.
        if self.wire.draining and not self.wire.clients and not self.wire.in_flight:
            self._idle.set()

    def snapshot(self) -> TallySnapshot:
        """Everything this worker has counted since it started."""
        wire = self.wire
        plain: list[tuple[tally.Metric, tuple[str, ...], float]] = [
            (tally.CLIENT_CONNECTIONS, (), len(wire.clients)),
            (tally.CLIENT_CONNECTIONS_TOTAL, (), wire.accepted),
            (tally.IN_FLIGHT, (), wire.in_flight),
            (tally.TUNNELS, (), wire.tunnels),
            (tally.RECEIVED_BYTES, (), wire.received_bytes),
            (tally.SENT_BYTES, (), wire.sent_bytes),
            (tally.LOG_DROPPED, (), self._log.dropped if self._log is not None else 0),
            (tally.SHADOW_HANDOVER_BYTES, (), self.outlet.written),
            (tally.SHADOW_HANDOVER_WAITING, (), self.outlet.waiting),
        ]
        plain += [(tally.REFUSED, (cause,), n) for cause, n in wire.refused.items()]
        plain += [
            (tally.CLIENT_CONNECTIONS_REFUSED, (cause,), n)
            for cause, n in wire.connections_refused.items()
        ]
        for name, pool in self._pools.items():
            ends = pool.endpoints
            states = {
                "busy": sum(e.busy for e in ends),
                "idle": sum(len(e.idle) for e in ends),
                "connecting": sum(e.connecting for e in ends),
                "waiting": sum(len(e.waiting) for e in ends),
            }
            plain += [(tally.UPSTREAM_CONNECTIONS, (name, state), n) for state, n in states.items()]
            plain += [(tally.UPSTREAM_CONNECTS, (name, o), n) for o, n in pool.connects.items()]
        books = self.accounts.snapshot()
        return TallySnapshot(
            series=(
                *books.series,
                *self.books.series(),
                *(Series(metric=m.name, labels=labels, value=v) for m, labels, v in plain),
            ),
            histograms=books.histograms,
        )


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """The listener's TLS, if it has a certificate. HTTP/1.1 only, so nothing else is offered."""
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _discard(_line: object) -> None:
    """Take the place of a log that nobody reads."""


class WorkerProcess:
    """A worker as the supervisor's child: what the link says is done, and answered."""

    def __init__(self, listener: socket.socket, link: socket.socket) -> None:
        self._listener = listener
        self._socket = link
        self._link: Link | None = None
        self._worker: Worker | None = None
        self._id = 0
        self._log: LogWriter | None = None
        self._table: RouteTable | None = None
        self._routes_revision = 0
        self._newest: Apply | None = None
        self._uncompiled: deque[Apply] = deque()
        self._compiling: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        # The supervisor decides when a worker ends; a Ctrl-C in a terminal reaches both.
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, lambda: None)
        _, self._link = await loop.create_connection(
            lambda: Link(on_message=self._told, on_closed=self._orphaned), sock=self._socket
        )
        await self._ended.wait()
        if self._log is not None:
            self._log.stop(1.0)

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)

    def _told(self, message: Message) -> None:
        match message:
            case Start():
                self._start(message)
            case Apply():
                self._newest = message
                if message.routes is not None:
                    self._uncompiled.append(message)
                    self._compile_next()
                # A rollback does not wait for a table that is still being compiled.
                if self._table is not None:
                    self._apply(self._table)
            case Heartbeat():
                if self._worker is not None and self._table is not None:
                    self._worker.wire.proven_at = time.monotonic()
            case Collect():
                if self._worker is not None:
                    self._send(Counters(id=message.id, tally=self._worker.snapshot()))
            case Drain():
                self._begin_drain(message.seconds)
            case Stop():
                if self._worker is not None:
                    self._worker.close()
                self._ended.set()
            case _:
                pass

    def _start(self, message: Start) -> None:
        self._id = message.worker
        self._log = LogWriter(sys.stdout.fileno(), message.settings.log_queue)
        self._log.start()
        self._worker = Worker(
            message.settings, worker=message.worker, log=self._log, observer=message.observer
        )

    def _compile_next(self) -> None:
        # A table of thousands of routes takes a while to compile: that happens in a thread.
        if self._uncompiled and (self._compiling is None or self._compiling.done()):
            message = self._uncompiled.popleft()
            self._compiling = asyncio.get_running_loop().create_task(
                self._compile(message), name="compile routes"
            )

    async def _compile(self, message: Apply) -> None:
        assert message.routes is not None
        before = self._table, self._routes_revision
        self._table = await asyncio.to_thread(RouteTable.compile, message.routes)
        self._routes_revision = message.revision
        try:
            self._apply(self._table)
        except OSError:
            # A certificate bundle that cannot be read. Flags, and with them a rollback, go on with
            # the table that works.
            self._table, self._routes_revision = before
            raise
        # What a table consists of lives until the next one: the collector need not walk it again.
        gc.collect()
        gc.freeze()
        asyncio.get_running_loop().call_soon(self._compile_next)

    def _apply(self, table: RouteTable) -> None:
        worker, newest = self._worker, self._newest
        assert worker is not None
        assert newest is not None
        first = worker.generation is None
        worker.apply(newest.revision, table, newest.flags, newest.unhealthy)
        if first:
            worker.listen(self._listener)
            self._send(Ready(worker=self._id, pid=os.getpid()))
        self._send(
            Applied(
                revision=newest.revision,
                config_revision=table.revision,
                routes_revision=self._routes_revision,
            )
        )

    def _begin_drain(self, seconds: float) -> None:
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(
                self._drain(seconds), name="drain"
            )

    async def _drain(self, seconds: float) -> None:
        if self._worker is not None:
            await self._worker.drain(seconds)
        self._send(Drained())
        await asyncio.sleep(0)
        if self._link is not None:
            self._link.close()
        self._ended.set()

    def _orphaned(self, _error: Exception | None) -> None:
        # Without a supervisor nobody could roll back: finish what was begun, and go.
        if self._worker is None:
            self._ended.set()
        else:
            self._begin_drain(self._worker.settings.deadlines.drain)


def main() -> None:
    """Run a worker on inherited descriptors."""
    parser = argparse.ArgumentParser(prog="python -m proxy.worker", description=__doc__)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--link-fd", type=int, required=True)
    options = parser.parse_args()
    # Every client is a descriptor; the usual soft limit is meant for programs that use select().
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.socket(fileno=options.listen_fd)
    link = socket.socket(fileno=options.link_fd)
    # Requests leave no cycles behind, so the collector may look less often.
    gc.set_threshold(50_000, 20, 100)

    async def run() -> None:
        await WorkerProcess(listener, link).run()

    runner: Callable[..., None] = uvloop.run
    runner(run())


if __name__ == "__main__":
    main()
