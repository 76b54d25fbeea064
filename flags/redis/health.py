"""The health of the store, put together from what each of its parts met."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from flags.redis.faults import Fault
from flags.shared import StoreHealth

# A proof of freshness alone is told of this often.
_CONFIRM_EVERY = 1.0
# One quick answer is no proof that slowness is over.
_SLOW_STAYS = 1.0


class Health:
    """Tells whenever the health changed, and the proof of freshness about once a second."""

    def __init__(self, tell: Callable[[StoreHealth], None]) -> None:
        self._tell = tell
        self.now = StoreHealth(state="starting", detail="Redis was not reached yet")
        self._told = 0.0
        self._reading: Fault | None = Fault(state="starting", detail=self.now.detail)
        self._writing: Fault | None = None
        self._listening: Fault | None = None
        self._slow: Fault | None = None
        self._slow_until = 0.0
        self._damaged: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether writes are refused by a server that is not the right one."""
        return self._writing is not None and self._writing.elsewhere

    @property
    def refusing(self) -> bool:
        """Whether the last write was refused, by a server that would refuse it again."""
        return self._writing is not None and self._writing.final

    def reading(self, fault: Fault) -> None:
        """Why nothing can be read; `seen` ends it."""
        self._reading = fault
        self._update()

    def writing(self, fault: Fault | None) -> None:
        """How writing goes."""
        self._writing = fault
        self._update()

    def listening(self, subscribed: bool, fault: Fault | None) -> None:
        """How listening goes. A lost connection is told by `subscribed`, a refusal in words."""
        self._listening = fault if fault is not None and fault.final else None
        self.now = replace(self.now, subscribed=subscribed)
        self._update(force=True)

    def slow(self, where: str, seconds: float) -> None:
        """An answer took this long, or has not come for so long."""
        detail = f"Redis at {where} takes {seconds:.2f} s and more to answer; look at its load"
        self._slow = Fault(state="slow", detail=detail)
        self._slow_until = time.monotonic() + _SLOW_STAYS
        self._update()

    def seen(self, revision: int, damaged: tuple[str, ...], confirmed_at: float | None) -> None:
        """What is known to be there; `confirmed_at` with the proof that it is the newest."""
        if self._slow is not None and time.monotonic() > self._slow_until:
            self._slow = None
        before = self.now
        self._reading = None
        self._damaged = damaged
        self.now = replace(
            before,
            revision=revision,
            confirmed_at=before.confirmed_at if confirmed_at is None else confirmed_at,
        )
        self._update(
            force=before.revision != revision
            or self.now.confirmed_at - self._told >= _CONFIRM_EVERY
        )

    def _update(self, *, force: bool = False) -> None:
        fault = self._reading or self._writing or self._listening or self._slow
        if fault is None and self._damaged:
            named = ", ".join(self._damaged[:3])
            detail = f"nobody can read {named} in the shared state; set it again, or delete it"
            fault = Fault(state="damaged", detail=detail)
        state, detail = (fault.state, fault.detail) if fault else ("ok", "")
        changed = (state, detail) != (self.now.state, self.now.detail)
        if changed:
            self.now = replace(self.now, state=state, detail=detail)
        if changed or force:
            self._told = self.now.confirmed_at
            self._tell(self.now)
