"""Frames are followed across any cut of the bytes, and goodbyes are frames."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.websocket import SERVICE_RESTART, Frames, close_frame


def whole(payload: int, opcode: int, *, masked: bool) -> bytes:
    """A frame with a payload of so many bytes, its length written as short as it can be."""
    bit = 0x80 if masked else 0
    if payload < 126:
        head = bytes((0x80 | opcode, bit | payload))
    elif payload < 1 << 16:
        head = bytes((0x80 | opcode, bit | 126)) + payload.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, bit | 127)) + payload.to_bytes(8)
    # Bytes that would be heads if anybody took them for some.
    return head + (b"\x88\x02\x03\xe8" if masked else b"") + (b"\x88\x02" * payload)[:payload]


FRAMES = st.lists(
    st.builds(
        whole,
        st.sampled_from([0, 1, 2, 125, 126, 127, 65_535, 65_536]),
        st.sampled_from([0, 1, 2, 9, 10]),
        masked=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 300_000), max_size=6))
def test_the_end_of_every_frame_is_known_wherever_the_bytes_are_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    ends = {sum(map(len, frames[: n + 1])) for n in range(len(frames))}
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    followed = Frames()
    for start, end in itertools.pairwise(edges):
        assert followed.follow(stream[start:end]) == end - start
        assert followed.between == (end in ends)
    assert not followed.closing


@given(frames=FRAMES, cut=st.integers(0, 300_000))
def test_following_stops_at_the_end_of_the_frame_at_hand(frames: list[bytes], cut: int) -> None:
    stream = b"".join(frames)
    cut %= len(stream)
    followed = Frames()
    followed.follow(stream[:cut])
    ends = [sum(map(len, frames[: n + 1])) for n in range(len(frames))]
    expected = next(end for end in ends if end > cut)
    assert followed.follow(stream[cut:], to_end_of_frame=True) == expected - cut
    assert followed.between


def test_a_close_frame_is_known_and_is_one() -> None:
    for masked in (False, True):
        followed = Frames()
        goodbye = close_frame(SERVICE_RESTART, masked=masked)
        assert followed.follow(goodbye) == len(goodbye)
        assert followed.between
        assert followed.closing
    assert close_frame(SERVICE_RESTART, masked=False) == b"\x88\x02\x03\xf4"
    assert close_frame(SERVICE_RESTART, masked=True)[1] & 0x80
