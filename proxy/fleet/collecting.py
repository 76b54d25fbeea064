"""Collecting acks: waits until every replica that lives has confirmed a revision."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from flags.shared import SharedStore, SharedStoreError
from proxy.fleet.acks import AckBook, ReplicaAck
from proxy.fleet.replica import Facts

# How often the store is asked for acks that nobody told us of.
ASK_SECONDS = 0.05
# How long it may take for that; the registry is asked at least so long.
_ANSWER_SECONDS = 2.0
_LEAST_SECONDS = 0.05


class Collector:
    """Hears acks by the fast path, and asks for those that it did not bring."""

    def __init__(
        self,
        *,
        store: SharedStore,
        book: AckBook,
        live: Callable[[float], Awaitable[dict[str, str]]],
        own: Callable[[], Facts],
    ) -> None:
        """`live` asks for boot and name of every live replica, within a patience in seconds."""
        self._store = store
        self._book = book
        self._live = live
        self._own = own

    async def collect(self, revision: int, began: float, patience: float) -> tuple[ReplicaAck, ...]:
        """What every replica says that was live meanwhile, after at most `patience` seconds.

        Milliseconds are counted from `began`, a reading of `time.perf_counter`.
        """
        end = time.perf_counter() + patience
        heard = asyncio.Event()
        stop = self._book.wake(heard.set)
        try:
            live = await self._living(end)
            everyone = dict(live)
            while True:
                heard.clear()
                left = end - time.perf_counter()
                if not live.keys() - self._book.confirmed(revision).keys() or left <= 0:
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), min(ASK_SECONDS, left))
                    continue
                with contextlib.suppress(SharedStoreError):
                    for ack in await self._store.acks(revision, _ANSWER_SECONDS):
                        self._book.hear(ack)
                # A replica that ended meanwhile cannot confirm, and decides nothing any more.
                live = await self._living(end)
                everyone |= live
        finally:
            stop()
        acks = [self._book.of(name, boot, revision, began) for boot, name in everyone.items()]
        told = [
            replace(ack, state="gone")
            if ack.state == "unconfirmed" and ack.boot not in live
            else ack
            for ack in acks
        ]
        return tuple(sorted(told, key=lambda ack: (ack.replica, ack.boot)))

    async def _living(self, end: float) -> dict[str, str]:
        own = self._own()
        live = await self._live(max(end - time.perf_counter(), _LEAST_SECONDS))
        return {**live, own.boot: own.replica}
