"""An exchange in the observer's hands, from its first frame to its one outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from proxy.handover import TakenRequest, TakenResponse


class InHand:
    """A request that was taken over, and what has come of it so far.

    The bytes it holds are counted in `size`, so that what waits is bounded by size as well as by
    number. Once it is settled it lets go of them; its connection may still tell of it.
    """

    __slots__ = ("_primary", "arrived", "asking", "request", "settled", "size", "task")

    def __init__(
        self, request: TakenRequest, response: TakenResponse | None, *, arrived: float
    ) -> None:
        self.request = request
        self._primary = response
        # Of its first frame, on the clock of deadlines.
        self.arrived = arrived
        self.size = _request_size(request) + (0 if response is None else _response_size(response))
        self.settled = False
        self.asking: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def response(self) -> TakenResponse | None:
        """What the primary answered; None while that is not known."""
        return self._primary

    def close(self, response: TakenResponse) -> None:
        """Learn what the primary answered."""
        self.size += _response_size(response)
        self._primary = response
        if self.asking is not None and not self.asking.done():
            self.asking.set_result(None)

    def let_go(self) -> None:
        """Keep none of the bytes: it is settled, and only its connection still knows of it."""
        self.request = replace(self.request, target=b"", head=b"", body=b"")
        self._primary = None

    async def primary(self) -> TakenResponse:
        """Wait for the primary's answer. Cancelled when there will be none."""
        if self._primary is None:
            self.asking = asyncio.get_running_loop().create_future()
            await self.asking
        assert self._primary is not None
        return self._primary

    def __repr__(self) -> str:
        state = "settled" if self.settled else "open" if self._primary is None else "whole"
        return f"<InHand {self.request.decided.route} {self.request.id} [{state}]>"


def _request_size(request: TakenRequest) -> int:
    return len(request.head) + len(request.body) + len(request.target)


def _response_size(response: TakenResponse) -> int:
    return len(response.head) + len(response.body)
