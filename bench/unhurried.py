"""A legacy origin that takes its time, as an application does: the origin's answer, some ms late.

    python -m bench.unhurried PORT MILLISECONDS

It waits and does not compute: it stands for another machine. Request bodies are not read.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from bench.origin import DOCUMENT

_ANSWER = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Origin: legacy\r\n"
    f"Content-Length: {len(DOCUMENT)}\r\n\r\n{DOCUMENT}"
).encode()
_HEAD_END = b"\r\n\r\n"


class Unhurried(asyncio.Protocol):
    """One connection; it is asked again only when it has answered."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a whole head, later."""
        self._received += data
        if self._received.endswith(_HEAD_END):
            self._received = b""
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, _ANSWER)


async def _serve(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Unhurried(seconds), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    port, milliseconds = sys.argv[1:]
    uvloop.run(_serve(int(port), float(milliseconds) / 1e3))


if __name__ == "__main__":
    main()
