"""The frames between worker and observer: every split reads the same, garbage is refused."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.evidence.outcome import Outcome
from proxy.handover import (
    Closed,
    Decided,
    Ended,
    Frame,
    HandoverBroken,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    Packer,
    TakenRequest,
    TakenResponse,
    Unpacker,
    Whole,
    frames,
    writing,
)
from proxy.stages import Reason, Side, Stage

HELLO = Hello(boot="b" * 32, worker=1, pid=4711)
DECIDED = Decided(
    route="product-page",
    stage=Stage.SHADOW,
    side=Side.LEGACY,
    upstream="legacy",
    shadow=Side.NEW,
    reason=Reason.STAGE_SHADOW,
    config_revision="c0ffee",
    flag_revision=3,
)
REQUEST_HEAD = (
    b"GET /product/x HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 192.0.2.7\r\n"
    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
)
RESPONSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\n\r\n"


def request(exchange: int = 1, **parts: object) -> TakenRequest:
    known: dict[str, object] = {
        "boot": HELLO.boot,
        "id": exchange,
        "decided": DECIDED,
        "started": 1.5,
        "target": b"/product/x",
        "head": REQUEST_HEAD,
        "body": b"",
    }
    return TakenRequest(**(known | parts))  # type: ignore[arg-type]  # the names above


def response(**parts: object) -> TakenResponse:
    known: dict[str, object] = {
        "status": 200,
        "first_byte": 0.25,
        "elapsed": 0.5,
        "head": RESPONSE_HEAD,
        "body": b"<html>",
    }
    return TakenResponse(**(known | parts))  # type: ignore[arg-type]  # the names above


TEXT = st.text(max_size=12)
COUNT = st.integers(min_value=0, max_value=2**53)
OUTCOMES = st.tuples(st.sampled_from(Outcome), st.from_regex(r"[a-z_/]{0,12}", fullmatch=True))
SECONDS = st.floats(min_value=0, max_value=1e10, allow_nan=False)
BODY = st.binary(max_size=300)
DECISIONS = st.builds(
    Decided,
    route=TEXT,
    stage=st.sampled_from(Stage),
    side=st.sampled_from(Side),
    upstream=TEXT,
    shadow=st.sampled_from(Side),
    reason=st.sampled_from(Reason),
    config_revision=TEXT,
    flag_revision=COUNT,
)
IDS = st.integers(min_value=0, max_value=2**64 - 1)
REQUESTS = st.builds(
    request,
    IDS,
    decided=DECISIONS,
    started=SECONDS,
    target=st.sampled_from([b"/product/x", b"/p?id=1", b"*"]),
    body=BODY,
)
RESPONSES = st.builds(
    response,
    status=st.integers(min_value=100, max_value=999),
    first_byte=SECONDS,
    elapsed=SECONDS,
    body=BODY,
)
ROWS = st.builds(
    LedgerRow,
    route=TEXT,
    eligible=COUNT,
    handed=COUNT,
    ended=st.dictionaries(OUTCOMES, COUNT, max_size=3),
    ineligible=st.dictionaries(TEXT, COUNT, max_size=3),
)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Opened, request=REQUESTS),
    st.builds(Closed, id=IDS, response=RESPONSES),
    st.builds(Whole, request=REQUESTS, response=RESPONSES),
    OUTCOMES.flatmap(
        lambda both: st.builds(Ended, id=IDS, outcome=st.just(both[0]), detail=st.just(both[1]))
    ),
    st.builds(Ledger, rows=st.lists(ROWS, max_size=3).map(tuple)),
)


def packed(*frames: Frame) -> bytes:
    packer = Packer()
    return b"".join(packer.pack(frame) for frame in (HELLO, *frames))


def read(*pieces: bytes) -> list[Frame]:
    unpacker = Unpacker()
    return [frame for piece in pieces for frame in unpacker.feed(piece)]


@given(frames=st.lists(FRAMES, max_size=4), cuts=st.lists(st.integers(0, 3000), max_size=6))
@settings(deadline=None)
def test_any_split_gives_the_frames_that_were_written(frames: list[Frame], cuts: list[int]) -> None:
    data = packed(*frames)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    assert read(*pieces) == [HELLO, *frames]


def test_a_byte_at_a_time_gives_the_same() -> None:
    frames: list[Frame] = [
        Whole(request=request(1), response=response()),
        Opened(request=request(2, body=b"a=1", target=b"/other")),
        Closed(id=2, response=response(status=404)),
        Ended(id=3, outcome=Outcome.ABORTED, detail="client_gone"),
        Ledger(rows=(LedgerRow(route="r", eligible=3, handed=3),)),
    ]
    data = packed(*frames)
    assert read(*(data[i : i + 1] for i in range(len(data)))) == [HELLO, *frames]


@given(garbage=st.binary(min_size=1, max_size=200), at=st.integers(0, 400))
@settings(deadline=None, max_examples=300)
def test_garbage_is_refused_or_reads_as_frames_but_nothing_else(garbage: bytes, at: int) -> None:
    data = packed(Whole(request=request(), response=response()))
    at = min(at, len(data))
    unpacker = Unpacker()
    try:
        frames = list(unpacker.feed(data[:at] + garbage + data[at:]))
    except HandoverBroken:
        with pytest.raises(HandoverBroken):
            list(unpacker.feed(b""))
    else:
        for frame in frames:
            assert isinstance(frame, Hello | Opened | Closed | Ended | Whole | Ledger)


@given(data=st.binary(max_size=400))
def test_noise_alone_is_refused_as_soon_as_it_cannot_be_a_hello(data: bytes) -> None:
    unpacker = Unpacker()
    try:
        assert list(unpacker.feed(data)) == []
    except HandoverBroken:
        return
    # It may be the beginning of a HELLO: its length is within bounds.
    assert len(data) < 5 or (data[4] == frames.HELLO and data[3] == 0)


def test_a_frame_in_progress_holds_no_more_than_its_bound() -> None:
    unpacker = Unpacker()
    assert list(unpacker.feed(writing.hello_frame(HELLO))) == [HELLO]
    assert unpacker.held == 0
    assert list(unpacker.feed(struct.pack("<IB", frames.MAX_TEXT, frames.LEDGER))) == []
    assert unpacker.held == 5


def changed(data: bytes, at: int, form: str, value: float) -> bytes:
    piece = struct.pack(form, value)
    return data[:at] + piece + data[at + len(piece) :]


WHOLE = packed(Whole(request=request(), response=response(body=b"x" * 10)))
AT = WHOLE.index(b"GET /product") - struct.calcsize("<QIdHIIddHII")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another_protocol"),
        pytest.param(WHOLE.replace(b'"protocol": 1', b'"protocol": 2'), id="another_version"),
        pytest.param(writing.ledger_frame(()), id="something_before_hello"),
        pytest.param(writing.hello_frame(HELLO) * 2, id="two_hellos"),
        pytest.param(packed() + struct.pack("<IB", 1, 99), id="unknown_kind"),
        pytest.param(packed() + struct.pack("<IB", 2**31, frames.WHOLE), id="endless_frame"),
        pytest.param(packed() + struct.pack("<IB", 3, frames.WHOLE) + b"abc", id="short_frame"),
        pytest.param(changed(WHOLE, AT + 8, "<I", 7), id="unnamed_decision"),
        pytest.param(changed(WHOLE, AT + 12, "<d", float("nan")), id="no_time"),
        pytest.param(changed(WHOLE, AT + 12, "<d", -1.0), id="a_time_before_all_time"),
        pytest.param(changed(WHOLE, AT + 22, "<I", 5), id="parts_do_not_add_up"),
        pytest.param(changed(WHOLE, AT + 46, "<H", 7), id="no_status"),
        pytest.param(WHOLE.replace(b"-01\r\n\r\n", b"-01\r\n\r\t"), id="a_head_without_end"),
        pytest.param(WHOLE.replace(b"T /product", b"Tx/product"), id="no_request_line"),
        pytest.param(WHOLE.replace(b'"stage_shadow"', b'"stage_shadov"'), id="unknown_reason"),
        pytest.param(WHOLE.replace(b'"flag_revision": 3', b'"flag_revision":-3'), id="negative"),
        pytest.param(
            packed() + struct.pack("<IB", 4, frames.LEDGER) + b"[[]]", id="ledger_row_of_nothing"
        ),
        pytest.param(
            packed() + struct.pack("<IB", 3, frames.LEDGER) + b"\xff\xff\xff", id="ledger_no_json"
        ),
        pytest.param(
            packed() + struct.pack("<IBQ", 11, frames.ENDED, 1) + b"off", id="unknown_outcome"
        ),
    ],
)
def test_what_cannot_be_a_frame_is_refused(data: bytes) -> None:
    with pytest.raises(HandoverBroken):
        read(data)


def test_frames_before_the_garbage_are_given() -> None:
    frames = Unpacker().feed(packed() + struct.pack("<IB", 1, 99))
    assert next(frames) == HELLO
    with pytest.raises(HandoverBroken):
        next(frames)


def test_deeply_nested_json_is_refused() -> None:
    deep = b"[" * 100_000
    with pytest.raises(HandoverBroken):
        read(packed() + struct.pack("<IB", len(deep), frames.LEDGER) + deep)


def test_a_decision_is_named_once_per_connection() -> None:
    packer = Packer()
    first = packer.pack(Whole(request=request(1), response=response()))
    second = packer.pack(Whole(request=request(2), response=response()))
    assert json.dumps(DECIDED.route).encode() in first
    assert json.dumps(DECIDED.route).encode() not in second


def test_a_request_is_read_back_as_it_was_asked() -> None:
    taken = request(body=b"a=1")
    asked = taken.asked()
    assert asked.method == "GET"
    assert asked.target == b"/product/x"
    assert asked.headers[:2] == ((b"Host", b"shop.example"), (b"X-Forwarded-For", b"192.0.2.7"))
    assert asked.body == b"a=1"
    assert taken.field(b"Traceparent") == (
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    )
    assert taken.field(b"cookie") is None


def test_a_response_is_read_back_as_it_was_answered() -> None:
    answer = response(status=404).answer()
    assert answer.status == 404
    assert answer.headers == ((b"Content-Type", b"text/html"), (b"Set-Cookie", b"a=1"))
    assert answer.body == b"<html>"


def test_a_rewritten_target_is_told_apart_from_the_one_in_the_request_line() -> None:
    (_, frame) = read(packed(Opened(request=request(target=b"/index.php?id=7"))))
    assert isinstance(frame, Opened)
    assert frame.request.target == b"/index.php?id=7"
    assert frame.request.head == REQUEST_HEAD
