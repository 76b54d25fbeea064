"""Names to addresses: never in a request's way, remembered, and stale rather than absent."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from typing import Final

# Seconds an answer is good for. Beyond it the old answer is used while a new one is asked for.
_FRESH: Final = 10.0
# After a failure with an old answer at hand: seconds until asking again.
_PAUSE: Final = 1.0


class Resolver:
    """Addresses of one host. libuv asks in a thread of its own, once at a time."""

    __slots__ = ("_addresses", "_asking", "_fresh_until", "_host", "port")

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self.port = port
        self._fresh_until = float("-inf")
        self._addresses: tuple[str, ...] = ()
        self._asking: asyncio.Task[None] | None = None
        try:
            self._addresses = (str(ipaddress.ip_address(host)),)
            self._fresh_until = float("inf")
        except ValueError:
            pass

    async def addresses(self) -> tuple[str, ...]:
        """Give at least one address. Raises OSError when the name has never had one.

        Waits for the name service only while no address is known at all.
        """
        if time.monotonic() >= self._fresh_until:
            if self._asking is None:
                self._asking = asyncio.get_running_loop().create_task(
                    self._ask(), name=f"resolve {self._host}"
                )
            if not self._addresses:
                # A caller that gives up must not take the question from the others.
                await asyncio.shield(self._asking)
        if not self._addresses:
            raise OSError(f"no address for {self._host}")
        return self._addresses

    async def _ask(self) -> None:
        try:
            answer = await asyncio.get_running_loop().getaddrinfo(
                self._host, self.port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            answer = []
        finally:
            self._asking = None
        found = tuple(dict.fromkeys(str(entry[4][0]) for entry in answer))
        if found:
            self._addresses = found
            self._fresh_until = time.monotonic() + _FRESH
        elif self._addresses:
            self._fresh_until = time.monotonic() + _PAUSE
