"""The recall: ends what still runs on the new side of a route that was rolled back (`on_rollback`).

A decision is made once per request, so tunnels and streams outlive a rollback unless their route
says otherwise. Nothing is recalled before its response has begun: what is short ends by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from proxy import tally
from proxy.errors import RolledBack
from proxy.stages import Side, Stage

if TYPE_CHECKING:
    from proxy.accounts import Accounts
    from proxy.generation import Generation, Latest
    from proxy.http1.wire import Wire
    from proxy.journey import Journey
    from proxy.routing.route import Route

# What a response that is no stream gets at least, to end by itself. Seconds.
GRACE: Final = 10.0
# Exchanges looked at in one turn of the loop: many that end at once may not hold up the others.
_AT_ONCE: Final = 200


class Recall:
    """The exchanges of one worker that a rollback may end. Only routes with `on_rollback` join."""

    __slots__ = ("_accounts", "_latest", "_looking", "_wire", "journeys")

    def __init__(self, latest: Latest, wire: Wire, accounts: Accounts) -> None:
        self._latest = latest
        self._wire = wire
        self._accounts = accounts
        # Since when its route is rolled back and its response under way; 0: not both are so.
        self.journeys: dict[Journey, float] = {}
        # Those that the look at hand has yet to come to.
        self._looking: deque[Journey] = deque()

    def join(self, journey: Journey) -> None:
        """Look after an exchange on the new side."""
        self.journeys[journey] = 0.0

    def leave(self, journey: Journey) -> None:
        """Forget one that has ended."""
        self.journeys.pop(journey, None)

    def look(self) -> None:
        """Begin to look at all of them, a few at a time."""
        if self.journeys and not self._looking:
            self._looking.extend(self.journeys)
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        generation = self._latest.generation
        assert generation is not None  # nobody joins before there is one
        try:
            for _ in range(min(_AT_ONCE, len(self._looking))):
                journey = self._looking.popleft()
                if journey in self.journeys:
                    self._look_at(journey, generation)
        finally:
            # One exchange's fault is not the others'.
            if self._looking:
                asyncio.get_running_loop().call_soon(self._go_on)

    def _look_at(self, journey: Journey, generation: Generation) -> None:
        decision, now = journey.decision, self._wire.now
        after = decision.route.recall_after
        if (
            after is None
            or decision.side is not Side.NEW
            or not journey.head_sent
            or not _rolled_back(decision.route, generation)
        ):
            self.journeys[journey] = 0.0
            return
        since = self.journeys[journey] = self.journeys[journey] or now
        waited = now - since
        if waited >= after:
            kind = _end(journey, long=waited >= (after or GRACE))
            if kind:
                self._accounts.event(tally.RECALLED, decision.route.id, kind)


def _end(journey: Journey, *, long: bool) -> str:
    """End what the new side still sends, and tell what that was; empty: not yet.

    A tunnel and an event stream end so that their clients come again (and reach legacy). Any other
    response ends only when it takes `long`, and its client can see that it is not whole.
    """
    if journey.error is not None:
        # It ends already, by this or by another cause.
        return ""
    if journey.tunnel is not None:
        journey.error = RolledBack
        journey.tunnel.part()
        return "tunnel"
    connection = journey.connection
    if connection is None:
        return ""
    stream = connection.head.is_event_stream()
    if not (stream or long):
        return ""
    journey.end_early(RolledBack, whole=stream)
    return "stream" if stream else "response"


def _rolled_back(route: Route, generation: Generation) -> bool:
    flags = generation.flags
    if not (
        flags.rollback_all
        or route.group in flags.rollback_groups
        or route.id in flags.rollback_routes
    ):
        return False
    current = generation.table.route(route.id)
    # Legacy may be gone by now: then nothing is gained by ending what the new side does.
    return current is None or current.stage is not Stage.COMPLETE
