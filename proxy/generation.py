"""A generation: one snapshot of routes and flags, and the pools that go with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flags.snapshot import FlagSnapshot
from proxy.http1.pool import UpstreamPool
from proxy.http1.wire import Wire
from proxy.routing.table import RouteTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.accounts import Accounts
    from proxy.recall import Recall
    from proxy.tee.tee import Tee


class Latest:
    """Where the current generation is found: the one place that changes when the state does."""

    __slots__ = ("generation",)

    def __init__(self) -> None:
        self.generation: Generation | None = None


class Generation:
    """What a request reads once and keeps until it ends. Replaced as a whole, never changed."""

    __slots__ = (
        "accounts",
        "flags",
        "latest",
        "pools",
        "recall",
        "revision",
        "table",
        "tee",
        "wire",
    )

    def __init__(
        self,
        *,
        revision: int,
        table: RouteTable,
        flags: FlagSnapshot,
        pools: Mapping[str, UpstreamPool],
        wire: Wire,
        accounts: Accounts,
        latest: Latest,
        recall: Recall,
        tee: Tee | None = None,
    ) -> None:
        self.revision = revision
        self.table = table
        self.flags = flags
        self.pools = pools
        self.wire = wire
        self.accounts = accounts
        self.latest = latest
        self.recall = recall
        # None: nothing is copied.
        self.tee = tee

    def is_proven(self) -> bool:
        """Tell whether the supervisor has lately confirmed that this is the current state.

        A worker that was frozen for a minute must not serve one more request from the state it fell
        asleep with. So the clock is asked here, not the coarse time that had stopped with it.
        """
        limit = self.wire.settings.state_max_age
        return not limit or time.monotonic() - self.wire.proven_at <= limit

    def __repr__(self) -> str:
        return f"<Generation {self.revision} [{self.table.revision}]>"
