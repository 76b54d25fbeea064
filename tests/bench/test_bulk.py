"""Large bodies are counted and checked byte by byte, in both directions and framings."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from bench import bulk
from bench.bulk import PIECE_BYTES, BulkOrigin, Digest, download, pieces, upload

LENGTH = 8 * PIECE_BYTES


def test_pieces_are_numbered_so_that_a_swap_changes_the_checksum() -> None:
    first, second, *_ = pieces(LENGTH)

    assert len(first) == len(second) == PIECE_BYTES
    assert zlib.crc32(first + second) != zlib.crc32(second + first)
    assert sum(map(len, pieces(LENGTH))) == LENGTH


@pytest.mark.parametrize(
    "chunked", [pytest.param(False, id="length"), pytest.param(True, id="chunked")]
)
async def test_a_body_arrives_whole_both_ways(
    monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(bulk, "STALL_SECONDS", 0.0)
    crc = 0
    for piece in pieces(LENGTH):
        crc = zlib.crc32(piece, crc)
    whole = Digest(length=LENGTH, crc=crc)
    origin = BulkOrigin(stall_uploads=True)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        up = await upload(port, LENGTH, chunked=chunked)
        down = await download(port, origin, LENGTH, chunked=chunked)

    assert (up.sent, up.arrived) == (whole, whole)
    assert (down.sent, down.arrived) == (whole, whole)
    assert up.intact
    assert down.intact
