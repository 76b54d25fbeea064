"""The upstreams as the observer asks them: pools, breakers and marks of health, over reloads."""

from __future__ import annotations

import time
from collections.abc import Mapping

from proxy.http1.client_side import ClientConnection
from proxy.http1.pool import UpstreamPool
from proxy.http1.request import Request
from proxy.http1.wire import Answerer, Wire
from proxy.observer.breaker import Breaker
from proxy.routing.route import RouteFile
from proxy.settings import Settings


class Upstreams:
    """One pool and one breaker per upstream; those of upstreams that did not change stay."""

    def __init__(self, settings: Settings) -> None:
        self.wire = Wire(settings, _no_clients)
        self.wire.on_tick.append(self._tick)
        self._pools: dict[str, UpstreamPool] = {}
        # Pools of former files, until the last request has left them.
        self._retired: list[UpstreamPool] = []
        self._breakers: dict[str, Breaker] = {}

    def start(self) -> None:
        """Begin to watch deadlines. Needs a running loop."""
        self.wire.start()

    def use(self, file: RouteFile) -> None:
        """Use the upstreams of this file from now on. Raises OSError for an unreadable bundle."""
        pools: dict[str, UpstreamPool] = {}
        for upstream in file.upstreams:
            known = self._pools.get(upstream.name)
            same = known is not None and known.upstream == upstream
            pools[upstream.name] = (
                known if known is not None and same else UpstreamPool(self.wire, upstream)
            )
            if not same:
                self._breakers[upstream.name] = Breaker()
        for name, pool in self._pools.items():
            if pools.get(name) is not pool:
                pool.retire()
                self._retired.append(pool)
        for name in self._breakers.keys() - pools.keys():
            del self._breakers[name]
        self._pools = pools

    def set_unhealthy(self, entries: tuple[str, ...]) -> None:
        """Take the supervisor's word on who is well: `upstream|url`."""
        down: dict[str, set[str]] = {}
        for entry in entries:
            name, _, url = entry.partition("|")
            down.setdefault(name, set()).add(url)
        for name, pool in self._pools.items():
            pool.set_unhealthy(frozenset(down.get(name, ())))

    def pool(self, name: str) -> UpstreamPool | None:
        """The pool of an upstream; None when there is no such upstream any more."""
        return self._pools.get(name)

    def breaker(self, name: str) -> Breaker:
        """The breaker of an upstream."""
        return self._breakers.setdefault(name, Breaker())

    @property
    def breakers(self) -> Mapping[str, Breaker]:
        """Every breaker by upstream."""
        return self._breakers

    def close(self) -> None:
        """Cut off whatever is left."""
        self.wire.stop()
        for pool in (*self._pools.values(), *self._retired):
            pool.abandon()
        for connection in tuple(self.wire.upstreams):
            connection.close()

    def _tick(self, now: float) -> None:
        for pool in (*self._pools.values(), *self._retired):
            pool.tick(now)
        if self._retired:
            self._retired = [pool for pool in self._retired if pool.is_used()]


def clock() -> float:
    """Seconds on the one clock of deadlines, budgets and breakers here."""
    return time.monotonic()


def _no_clients(_: ClientConnection, __: Request) -> Answerer:
    raise AssertionError("the observer has no clients")
