"""Shadow sides that misbehave: one process, one port for each fault.

    python -m bench.faulty hung=PORT resetting=PORT failing=PORT large=PORT dripping=PORT

A fault that needs no process (refusing) is a port on which nobody listens.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

LARGE_BYTES = 10 * 1024 * 1024
DRIP_SECONDS = 1.0
DRIP_BYTES = 100
_PIECE = b"x" * 65536

Fault = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hung(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read everything, answer nothing."""
    while await reader.read(65536):
        pass


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request with a reset."""
    await _read_head(reader)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def failing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 500."""
    while True:
        await _read_head(reader)
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops")


async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with ten megabytes."""
    while True:
        await _read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE_BYTES)
        for _ in range(LARGE_BYTES // len(_PIECE)):
            writer.write(_PIECE)
            await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one byte a second."""
    await _read_head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % DRIP_BYTES)
    for _ in range(DRIP_BYTES):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


FAULTS: dict[str, Fault] = {
    "hung": hung,
    "resetting": resetting,
    "failing": failing,
    "large": large,
    "dripping": dripping,
}


async def _read_head(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


def _conversation(fault: Fault) -> Fault:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await fault(reader, writer)
        except (OSError, EOFError):
            pass  # the proxy went away, which is the point of some of these
        finally:
            writer.close()

    return serve


async def _serve(ports: dict[str, int]) -> None:
    for name, port in ports.items():
        await asyncio.start_server(_conversation(FAULTS[name]), "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    pairs = (argument.split("=") for argument in sys.argv[1:])
    asyncio.run(_serve({name: int(port) for name, port in pairs}))


if __name__ == "__main__":
    main()
