"""Whether another replica knows the newest shared state, when this one cannot prove that it does.

A replica that is stale stays ready: taking all of them out of service would be worse. Where that is
asked for (`control.unready_after`), it steps back while a peer says of itself that it is fresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from proxy.fleet.spread import PROVEN

_PATIENCE_SECONDS = 1.0
# A proof that no peer answers is not needed from more than these.
_MOST = 8


async def fresh_peer(peers: Sequence[str]) -> str:
    """A peer that is ready and fresh; empty: none that answers in time."""
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        answers = await asyncio.gather(*(_is_fresh(session, peer) for peer in peers[:_MOST]))
    return next((peer for peer, fresh in zip(peers, answers, strict=False) if fresh), "")


async def _is_fresh(session: aiohttp.ClientSession, peer: str) -> bool:
    try:
        async with session.get(f"{peer}/readyz?verbose", allow_redirects=False) as response:
            return response.status == 200 and PROVEN in await response.text()
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError, ValueError):
        return False
