"""An origin that remembers when each request arrived: the witness of a rollback.

`GET /witness/SINCE` answers the arrivals after that moment as JSON. Moments are nanoseconds of the
monotonic clock, which all processes of a Linux machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import time
from typing import cast

import httptools
import uvloop


class Witness(asyncio.Protocol):
    """One connection to the witness; all of them write into the same list of arrivals."""

    def __init__(self, arrivals: list[int]) -> None:
        self._arrivals = arrivals
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._now = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are not asyncio's classes, they only act like them.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Note the moment before anything else is done."""
        self._now = time.monotonic_ns()
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        self._target = b""

    def on_url(self, url: bytes) -> None:
        """httptools: part of the target."""
        self._target += url

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        match self._target.split(b"/"):
            case [b"", b"witness", since]:
                first = bisect.bisect_right(self._arrivals, int(since))
                body = json.dumps(self._arrivals[first:]).encode()
            case _:
                self._arrivals.append(self._now)
                body = b'{"side": "new"}'
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Origin: new\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def _serve(port: int) -> None:
    arrivals: list[int] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: Witness(arrivals), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options.port))


if __name__ == "__main__":
    main()
