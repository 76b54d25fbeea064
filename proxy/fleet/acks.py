"""The acks that were heard: which replica confirmed which revision, and when that was known here.

Times are this process's own monotonic clock, so that no two clocks are ever compared.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from flags.shared import AckView

# Per replica. A revision is waited for while it is new; what is older is covered by a later one.
_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaAck:
    """What one replica said of a change. `ms` runs from the command to its ack's arrival here."""

    replica: str
    boot: str
    # applied: all its workers use it; unconfirmed: it lives and has not said so; gone: its lease
    # ended meanwhile.
    state: str
    ms: float = 0.0
    # Of that replica alone: from hearing of it to its last worker's word.
    applied_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class _Heard:
    revision: int
    at: float
    applied_ms: float


class AckBook:
    """Everything heard lately."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._heard: dict[str, deque[_Heard]] = {}
        self._names: dict[str, str] = {}
        # Called whenever something new was heard.
        self._waiting: set[Callable[[], None]] = set()

    def hear(self, ack: AckView) -> None:
        """Take an ack. Heard again, or later than a newer one, it changes nothing."""
        heard = self._heard.setdefault(ack.boot, deque(maxlen=_KEPT))
        if heard and heard[-1].revision >= ack.revision:
            return
        heard.append(_Heard(ack.revision, self._clock(), ack.applied_ms))
        self._names[ack.boot] = ack.replica
        for wake in tuple(self._waiting):
            wake()

    def of(self, replica: str, boot: str, revision: int, began: float) -> ReplicaAck:
        """What this replica said of a revision that was begun at `began`."""
        for heard in self._heard.get(boot, ()):
            if heard.revision >= revision:
                ms = max(heard.at - began, 0.0) * 1000
                return ReplicaAck(
                    replica=replica,
                    boot=boot,
                    state="applied",
                    ms=round(ms, 3),
                    applied_ms=round(heard.applied_ms, 3),
                )
        return ReplicaAck(replica=replica, boot=boot, state="unconfirmed")

    def confirmed(self, revision: int) -> dict[str, str]:
        """Who confirmed a revision or a later one: boot to name."""
        return {
            boot: self._names[boot]
            for boot, heard in self._heard.items()
            if heard and heard[-1].revision >= revision
        }

    def wake(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` called at everything new; returns what ends that."""
        self._waiting.add(call)
        return lambda: self._waiting.discard(call)

    def forget(self, living: set[str]) -> None:
        """Drop replicas that the registry does not know any more."""
        for boot in tuple(self._heard.keys() - living):
            del self._heard[boot]
            self._names.pop(boot, None)
