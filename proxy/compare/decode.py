"""Content codings undone (RFC 9110, 8.4), bounded in size and ratio while they are undone."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import zstandard

from proxy.compare.reader import Incomparable
from proxy.compare_policy import CompareLimits

# So much may come out whatever went in.
_FREE = 64 * 1024
# Nobody packs more often; each coding is another chance to blow up.
_CODINGS = 4
# Members of one gzip body (RFC 1952, 2.2). What is left is copied once per member.
_MEMBERS = 100
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
# RFC 9659: a window of 8 MB at most in this content coding.
_ZSTD_WINDOW = 8 * 1024 * 1024
# A block of 128 KiB can take 4 bytes, and what one call gives has no bound: small steps have.
_ZSTD_STEP = 256
_BROTLI_STEP = 64 * 1024


class _Broken(Exception):
    """The bytes are not what the coding says."""


class _TooMuch(Exception):
    """More came out than may."""


def decoded(content: bytes, coding: bytes, limits: CompareLimits) -> bytes:
    """The content without its codings (the Content-Encoding field, b"" without one).

    Raises `Incomparable`: `size` and `ratio` beyond the limits, `decode` where the bytes are broken
    or cut off, `coding` where nobody here knows the coding.
    """
    if len(content) > limits.decoded_bytes:
        raise Incomparable("size")
    if not coding or not content:
        return content
    names = [name for name in map(bytes.strip, coding.lower().split(b",")) if name]
    names = [name for name in names if name != b"identity"]
    if len(names) > _CODINGS:
        raise Incomparable("coding")
    by_ratio = max(_FREE, len(content) * limits.ratio)
    most = min(limits.decoded_bytes, by_ratio)
    for name in reversed(names):
        undo = _CODING.get(name)
        if undo is None:
            raise Incomparable("coding")
        try:
            content = undo(content, most)
        except _TooMuch:
            raise Incomparable("ratio" if most == by_ratio else "size") from None
        except (_Broken, zlib.error, zstandard.ZstdError, brotli.error):
            raise Incomparable("decode") from None
    return content


def _inflate(content: bytes, most: int, window: int) -> tuple[bytes, bytes]:
    """What one zlib stream holds, and what stands behind it."""
    stream = zlib.decompressobj(window)
    out = stream.decompress(content, most + 1)
    if len(out) > most:
        raise _TooMuch
    if not stream.eof:
        raise _Broken
    return out, stream.unused_data


def _gunzip(content: bytes, most: int) -> bytes:
    members: list[bytes] = []
    while content:
        if len(members) == _MEMBERS:
            raise _Broken
        out, content = _inflate(content, most, _GZIP)
        most -= len(out)
        members.append(out)
        if not content.startswith(b"\x1f\x8b"):
            # Padding; browsers do not mind it either.
            break
    return b"".join(members)


def _undeflate(content: bytes, most: int) -> bytes:
    """`deflate` is zlib (RFC 9110, 8.4.1.2), and some send it without zlib's header."""
    try:
        return _inflate(content, most, _ZLIB)[0]
    except zlib.error:
        return _inflate(content, most, _RAW)[0]


def _unbrotli(content: bytes, most: int) -> bytes:
    stream = brotli.Decompressor()
    pieces: list[bytes] = []
    size = 0
    while not stream.is_finished():
        piece: bytes = stream.process(content, output_buffer_limit=_BROTLI_STEP)
        if not piece and not content:
            raise _Broken
        content = b""
        size += len(piece)
        if size > most:
            raise _TooMuch
        pieces.append(piece)
    return b"".join(pieces)


def _unzstd(content: bytes, most: int) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    stream = unpacker.decompressobj()
    pieces: list[bytes] = []
    size = position = 0
    while position < len(content):
        if stream.eof:
            stream = unpacker.decompressobj()
        step = content[position : position + _ZSTD_STEP]
        piece = stream.decompress(step)
        position += len(step) - len(stream.unused_data)
        size += len(piece)
        if size > most:
            raise _TooMuch
        pieces.append(piece)
    if not stream.eof:
        raise _Broken
    return b"".join(pieces)


_CODING: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"gzip": _gunzip,
    b"x-gzip": _gunzip,
    b"deflate": _undeflate,
    b"br": _unbrotli,
    b"zstd": _unzstd,
}
