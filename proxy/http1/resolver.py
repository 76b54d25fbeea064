"""Names to addresses: never blocking, remembered, and stale rather than absent."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from typing import Final

# Seconds an answer is good for; beyond it is asked again, and used still when asking fails.
_FRESH: Final = 10.0


class Resolver:
    """Addresses of one host. libuv asks in a thread of its own."""

    __slots__ = ("_addresses", "_asked_at", "_host", "port")

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self.port = port
        self._asked_at = float("-inf")
        self._addresses: tuple[str, ...] = ()
        try:
            self._addresses = (str(ipaddress.ip_address(host)),)
            self._asked_at = float("inf")
        except ValueError:
            pass

    async def addresses(self) -> tuple[str, ...]:
        """Give at least one address. Raises OSError when the name has never had one."""
        if time.monotonic() - self._asked_at < _FRESH:
            return self._addresses
        try:
            answer = await asyncio.get_running_loop().getaddrinfo(
                self._host, self.port, type=socket.SOCK_STREAM
            )
        except OSError:
            if not self._addresses:
                raise
            return self._addresses
        found = tuple(dict.fromkeys(str(entry[4][0]) for entry in answer))
        if found:
            self._addresses = found
            self._asked_at = time.monotonic()
        return self._addresses
