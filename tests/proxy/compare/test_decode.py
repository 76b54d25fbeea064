"""Content codings undone: what comes out, and what does not get to come out."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare.decode import decoded
from proxy.compare.reader import Incomparable
from proxy.compare_policy import CompareLimits

LIMITS = CompareLimits()
MIB = 1024 * 1024


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


PACKERS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"gzip", gzip.compress),
    (b"x-gzip", gzip.compress),
    (b"deflate", zlib.compress),
    (b"deflate", raw_deflate),
    (b"br", brotli.compress),
    (b"zstd", zstd),
]
IDS = ["gzip", "x-gzip", "deflate", "raw-deflate", "br", "zstd"]


@pytest.mark.parametrize(("coding", "pack"), PACKERS, ids=IDS)
@given(content=st.binary(max_size=5000))
@settings(max_examples=30)
def test_what_was_packed_comes_out(
    coding: bytes, pack: Callable[[bytes], bytes], content: bytes
) -> None:
    assert decoded(pack(content), coding, LIMITS) == content


@pytest.mark.parametrize(
    ("coding", "content", "expected"),
    [
        pytest.param(b"", b"x", b"x", id="none"),
        pytest.param(b"identity", b"x", b"x", id="identity"),
        pytest.param(b"GZip", gzip.compress(b"x"), b"x", id="case"),
        pytest.param(b"br, gzip", gzip.compress(brotli.compress(b"x")), b"x", id="stacked"),
        pytest.param(b"gzip", gzip.compress(b"x") + gzip.compress(b"y"), b"xy", id="members"),
        pytest.param(b"gzip", gzip.compress(b"x") + b"\0" * 9, b"x", id="padding"),
        pytest.param(b"zstd", zstd(b"x") + zstd(b"y"), b"xy", id="frames"),
        pytest.param(b"gzip", b"", b"", id="nothing"),
    ],
)
def test_codings_are_undone_from_the_last_to_the_first(
    coding: bytes, content: bytes, expected: bytes
) -> None:
    assert decoded(content, coding, LIMITS) == expected


@pytest.mark.parametrize(("coding", "pack"), PACKERS, ids=IDS)
def test_what_is_cut_off_is_not_taken_for_whole(
    coding: bytes, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(bytes(range(256)) * 40)
    for end in (len(content) // 2, len(content) - 1):
        with pytest.raises(Incomparable, match="decode"):
            decoded(content[:end], coding, LIMITS)


@pytest.mark.parametrize(
    ("coding", "content", "reason"),
    [
        pytest.param(b"gzip", b"plain text", "decode", id="not-packed"),
        pytest.param(b"br", b"\xff" * 30, "decode", id="broken-br"),
        pytest.param(b"zstd", b"\xff" * 30, "decode", id="broken-zstd"),
        pytest.param(b"deflate", b"\xff" * 30, "decode", id="broken-deflate"),
        pytest.param(b"compress", b"x", "coding", id="unknown"),
        pytest.param(b",".join([b"gzip"] * 5), b"x", "coding", id="too-many"),
        pytest.param(b"gzip", gzip.compress(b"") * 101, "decode", id="members-without-end"),
        pytest.param(b"", b"x" * (17 * MIB), "size", id="too-long"),
    ],
)
def test_what_cannot_be_undone_is_incomparable(coding: bytes, content: bytes, reason: str) -> None:
    with pytest.raises(Incomparable) as caught:
        decoded(content, coding, LIMITS)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("coding", "pack"), PACKERS, ids=IDS)
def test_a_bomb_is_never_unpacked(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(200 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(Incomparable, match=r"ratio|size"):
            decoded(bomb, coding, CompareLimits(decoded_bytes=2 * MIB))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


def test_a_bomb_in_a_bomb_is_never_unpacked() -> None:
    bomb = gzip.compress(gzip.compress(bytes(100 * MIB)))
    with pytest.raises(Incomparable, match=r"ratio|size"):
        decoded(bomb, b"gzip, gzip", LIMITS)


def test_little_may_come_out_of_next_to_nothing() -> None:
    assert len(decoded(gzip.compress(bytes(60_000)), b"gzip", LIMITS)) == 60_000
    with pytest.raises(Incomparable, match="ratio"):
        decoded(gzip.compress(bytes(MIB)), b"gzip", CompareLimits(ratio=10))


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip,br", ","]))
@settings(max_examples=200)
def test_any_bytes_are_undone_or_incomparable(content: bytes, coding: str) -> None:
    with suppress(Incomparable):
        assert isinstance(decoded(content, coding.encode(), LIMITS), bytes)
