"""Large bodies both ways: an origin and a client that count, checksum and may stall on purpose."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import httptools

PIECE_BYTES = 64 * 1024
STALL_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What arrived: its length in bytes and its CRC-32."""

    length: int
    crc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One finished transfer: what was sent, what arrived, and how long it took."""

    sent: Digest
    arrived: Digest
    seconds: float

    @property
    def intact(self) -> bool:
        """Whether every byte arrived, in order."""
        return self.sent == self.arrived


def pieces(length: int) -> Iterator[bytes]:
    """A body of `length` bytes, a multiple of a piece; each piece is numbered: order matters."""
    filler = bytes(range(256)) * (PIECE_BYTES // 256)
    for number in range(length // PIECE_BYTES):
        yield number.to_bytes(8, "big") + filler[8:]


class BodyMeter:
    """Counts one message's body as it is parsed. httptools calls its on_... methods."""

    def __init__(self) -> None:
        self.length = 0
        self.crc = 0
        self.target = b""
        self.head_done = False
        self.done = False
        self.text = b""

    def on_url(self, url: bytes) -> None:
        """Part of a request's target."""
        self.target += url

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.head_done = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without its framing."""
        self.length += len(data)
        self.crc = zlib.crc32(data, self.crc)
        if len(self.text) < 256:
            self.text += data[:256]

    def on_message_complete(self) -> None:
        """The last byte was there."""
        self.done = True

    @property
    def digest(self) -> Digest:
        """What arrived so far."""
        return Digest(length=self.length, crc=self.crc)


async def _read_message(
    reader: asyncio.StreamReader,
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser,
    meter: BodyMeter,
    *,
    stall_at: int,
) -> None:
    """Read one message to its end, pausing once when `stall_at` body bytes are there (0: never)."""
    stalled = stall_at == 0
    while not meter.done:
        data = await reader.read(PIECE_BYTES)
        if not data:
            raise ConnectionError(f"the connection ended after {meter.length} bytes of the body")
        parser.feed_data(data)
        if not stalled and meter.length >= stall_at:
            stalled = True
            # The sender must notice: whoever stands between may not take the rest into memory.
            await asyncio.sleep(STALL_SECONDS)


async def _write_body(writer: asyncio.StreamWriter, length: int, *, chunked: bool) -> Digest:
    crc = 0
    for piece in pieces(length):
        crc = zlib.crc32(piece, crc)
        if chunked:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            writer.write(piece)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return Digest(length=length, crc=crc)


def _framing(length: int, *, chunked: bool) -> bytes:
    return b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % length


class BulkOrigin:
    """Answers an upload with what arrived, and `/down/LENGTH/plain` or `/chunked` with a body."""

    def __init__(self, *, stall_uploads: bool) -> None:
        self._stall = stall_uploads
        self.sent: Digest | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; then the connection closes."""
        meter = BodyMeter()
        parser = httptools.HttpRequestParser(meter)
        data = await reader.read(PIECE_BYTES)
        if data:
            parser.feed_data(data)
            while not meter.head_done:
                parser.feed_data(await reader.read(PIECE_BYTES))
            expected = _stall_point(meter.target) if self._stall else 0
            if not meter.done:
                await _read_message(reader, parser, meter, stall_at=expected)
            await self._answer(meter, writer)
        writer.close()

    async def _answer(self, meter: BodyMeter, writer: asyncio.StreamWriter) -> None:
        match meter.target.split(b"/"):
            case [b"", b"down", length, framing]:
                chunked = framing == b"chunked"
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                    b"Connection: close\r\n%b\r\n\r\n" % _framing(int(length), chunked=chunked)
                )
                self.sent = await _write_body(writer, int(length), chunked=chunked)
            case _:
                body = json.dumps({"length": meter.length, "crc": meter.crc}).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                await writer.drain()


def _stall_point(target: bytes) -> int:
    match target.split(b"/"):
        case [b"", b"up", length, _]:
            return int(length) // 2
        case _:
            return 0


async def upload(port: int, length: int, *, chunked: bool) -> Transfer:
    """Send a body to `/up/...` on 127.0.0.1:`port`; the origin says what arrived."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    name = b"chunked" if chunked else b"plain"
    writer.write(
        b"POST /up/%d/%b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n%b\r\n\r\n"
        % (length, name, _framing(length, chunked=chunked))
    )
    sent = await _write_body(writer, length, chunked=chunked)
    meter = BodyMeter()
    await _read_message(reader, httptools.HttpResponseParser(meter), meter, stall_at=0)
    writer.close()
    said = json.loads(meter.text)
    return Transfer(
        sent=sent,
        arrived=Digest(length=said["length"], crc=said["crc"]),
        seconds=time.monotonic() - began,
    )


async def download(port: int, origin: BulkOrigin, length: int, *, chunked: bool) -> Transfer:
    """Fetch a body from 127.0.0.1:`port`, stalling once in its middle."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    name = b"chunked" if chunked else b"plain"
    writer.write(
        b"GET /down/%d/%b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
        % (length, name)
    )
    meter = BodyMeter()
    parser = httptools.HttpResponseParser(meter)
    await _read_message(reader, parser, meter, stall_at=length // 2)
    writer.close()
    assert origin.sent is not None
    return Transfer(sent=origin.sent, arrived=meter.digest, seconds=time.monotonic() - began)
