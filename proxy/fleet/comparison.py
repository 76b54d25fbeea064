"""What live replicas differ in, for as long as they are heard; what was last known, while not.

A silence proves nothing: it begins no difference, and it ends none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from flags.shared import LEASE_SECONDS
from proxy.fleet.divergence import Difference, Watchdog
from proxy.fleet.lost import KEPT_SECONDS
from proxy.fleet.replica import Replica


class Comparison:
    """Compares replicas whenever all that were lost from sight are heard again, and logs."""

    def __init__(
        self,
        after: float,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What has differed for `after` seconds counts."""
        self._watchdog = Watchdog(after)
        self._log = log
        self._clock = clock
        self._lasting: tuple[Difference, ...] = ()
        self._compared_at = clock()
        # Who was lost from sight and was not heard since, by boot; and when anybody last was.
        self._awaited: set[str] = set()
        self._silent_at = clock()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What lasts; marked, if it is longer ago than a lease that this was seen."""
        ago = self._clock() - self._compared_at
        if ago <= LEASE_SECONDS:
            return self._lasting
        return tuple(each.as_known(ago) for each in self._lasting)

    def look(self, replicas: Sequence[Replica], *, newest: int, read: bool) -> None:
        """Compare all replicas; `newest` is the newest shared revision that is known.

        `read` is whether the registry was read for this; otherwise it only grows older.
        """
        self._wait_for(replicas)
        if not read or self._awaited:
            return
        self._compared_at = now = self._clock()
        live = [each.facts for each in replicas if each.state == "live"]
        before, self._lasting = self._lasting, self._watchdog.look(live, newest=newest, now=now)
        for each in self._lasting:
            if each not in before:
                self._log.error("fleet_diverged", kind=each.kind, detail=each.detail)
        if before and not self._lasting:
            self._log.info("fleet_agrees", replicas=len(live))

    def _wait_for(self, replicas: Sequence[Replica]) -> None:
        missed = {each.facts.boot: each.state for each in replicas if each.state != "live"}
        unknown = {boot for boot, state in missed.items() if state == "unknown"}
        now = self._clock()
        if unknown:
            self._silent_at = now
        elif now - self._silent_at >= KEPT_SECONDS:
            # Whoever lives has found the store by now.
            self._awaited.clear()
        self._awaited = (self._awaited | unknown) & missed.keys()
