"""What holds for every message, found by generating them (http.md A2, B10, B16, 2C-62; DIFF)."""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.rigs import diff
from tests.rigs.raw_client import RawClient
from tests.rigs.scripted_origin import Conversation, ScriptedOrigin
from tests.rigs.worker_thread import WorkerThread, all_to
from tests.wire.conftest import SETTINGS, TIMEOUTS, Wire, own_fields
from tests.wire.message_bytes import get, in_chunks, ok

QUICK = settings(max_examples=120, deadline=None)

# With both given, the proxy adds nothing random, and runs can be compared byte for byte.
IDS = (
    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    b"X-Request-Id: fixed\r\n"
)


class Echoes:
    """What the origin answers; a test sets it before it asks."""

    response: bytes = ok()
    pieces: tuple[bytes, ...] = ()
    close: bool = False

    def script(self, conversation: Conversation) -> None:
        """Script: the response of the moment to every request."""
        while True:
            conversation.read_request()
            conversation.send(*(self.pieces or (self.response,)))
            if self.close:
                return


@pytest.fixture(scope="module")
def echoes() -> Echoes:
    return Echoes()


@pytest.fixture(scope="module")
def shared(echoes: Echoes) -> Iterator[Wire]:
    """One proxy for all examples of this file."""
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin(echoes.script))
        routes = all_to(origin.url, timeouts=TIMEOUTS)
        proxy = stack.enter_context(WorkerThread(routes, SETTINGS))
        yield Wire(origin, proxy)
    assert proxy.unhandled == []


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """Slice `data` at these places, taken modulo its length."""
    places = sorted({c % len(data) for c in cuts} - {0})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


TARGET_CHARACTERS = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) != "#")
targets = st.text(TARGET_CHARACTERS, max_size=200).map(lambda t: b"/" + t.encode("ascii"))

# Names that mean something to a proxy have their own tests.
SPECIAL = {
    b"connection", b"content-length", b"cookie", b"expect", b"forwarded", b"host", b"keep-alive",
    b"max-forwards", b"proxy", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
    b"te", b"trailer", b"traceparent", b"transfer-encoding", b"upgrade", b"via", b"x-real-ip",
    b"x-request-id", b"set-cookie",
}  # fmt: skip
TOKEN = string.ascii_letters + string.digits + "-"
names = (
    st.text(TOKEN, min_size=1, max_size=20)
    .map(str.encode)
    .filter(lambda n: n.lower() not in SPECIAL and not n.lower().startswith((b"x-f", b"x-figway")))
)
VALUE_BYTES = [0x09, *range(0x20, 0x7F), *range(0x80, 0x100)]
values = st.lists(st.sampled_from(VALUE_BYTES), max_size=60).map(lambda v: bytes(v).strip(b" \t"))
fields = st.lists(st.tuples(names, values), max_size=30)


def lines(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)


@QUICK
@given(target=targets)
@example(target=b"/x?")
@example(target=b"//x/../%2f;")
def test_B10_target_in_is_target_out(shared: Wire, echoes: Echoes, target: bytes) -> None:
    echoes.response, echoes.pieces, echoes.close = ok(), (), False
    mark = shared.origin.mark()
    assert shared.ask(get(target, IDS)).status == 200
    (stream,) = shared.origin.since(mark)
    assert stream.startswith(b"GET " + target + b" HTTP/1.1\r\n")


@QUICK
@given(pairs=fields)
def test_B16_request_fields_survive(
    shared: Wire, echoes: Echoes, pairs: list[tuple[bytes, bytes]]
) -> None:
    echoes.response, echoes.pieces, echoes.close = ok(), (), False
    mark = shared.origin.mark()
    assert shared.ask(get(b"/", lines(pairs))).status == 200
    (stream,) = shared.origin.since(mark)
    request = shared.origin.conversations[-1].requests[-1]
    assert request.raw == stream
    assert own_fields(request) == [(b"Host", b"a"), *pairs]
    diff.requests_in(stream)


@QUICK
@given(pairs=fields, status=st.integers(200, 599), body=st.binary(max_size=300))
def test_B16_response_fields_survive(
    shared: Wire, echoes: Echoes, pairs: list[tuple[bytes, bytes]], status: int, body: bytes
) -> None:
    if status in (204, 304):
        body = b""
    framing = b"" if status in (204, 304) else b"Content-Length: %d\r\n" % len(body)
    head = b"HTTP/1.1 %d Some Reason\r\n" % status + lines(pairs) + framing + b"\r\n"
    echoes.response, echoes.pieces, echoes.close = head + body, (), False
    with shared.client() as client:
        client.send(get(b"/"))
        response = client.read_response()
        assert response.raw == head + body
        diff.responses_in(bytes(client.received), ["GET"])


bodies = st.binary(max_size=400)
sized_requests = st.builds(
    lambda body, pairs: (
        b"POST /sized HTTP/1.1\r\nHost: a\r\n"
        + IDS
        + lines(pairs)
        + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    ),
    bodies,
    st.lists(st.tuples(names, values), max_size=5),
)
chunked_requests = st.builds(
    lambda chunks: (
        b"PUT /chunked HTTP/1.1\r\nHost: a\r\n"
        + IDS
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + in_chunks(*chunks)
    ),
    st.lists(st.binary(min_size=1, max_size=100), max_size=5),
)
plain_requests = targets.map(lambda t: get(t, IDS))
streams = st.lists(
    st.one_of(sized_requests, chunked_requests, plain_requests), min_size=1, max_size=4
)


@QUICK
@given(requests=streams, cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_A2_how_the_bytes_of_requests_arrive_changes_nothing(
    shared: Wire, echoes: Echoes, requests: list[bytes], cuts: list[int]
) -> None:
    echoes.response, echoes.pieces, echoes.close = ok(), (), False
    seen = []
    for pieces in ([b"".join(requests)], cut(b"".join(requests), cuts)):
        mark = shared.origin.mark()
        with shared.client() as client:
            client.send(*pieces)
            answers = client.read_responses(["GET"] * len(requests))
            assert [a.status for a in answers] == [200] * len(requests)
            diff.responses_in(bytes(client.received), ["GET"] * len(requests))
        arrived = shared.origin.since(mark)
        messages = [m for stream in arrived for m in diff.requests_in(stream)]
        seen.append((b"".join(arrived), messages))
    (one, as_one), (many, as_many) = seen
    assert as_one == as_many
    assert len(as_one) == len(requests)
    if b"/chunked" not in one:
        assert one == many


responses = st.one_of(
    st.builds(lambda b: ok(b), bodies),
    st.builds(
        lambda chunks: (
            b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(*chunks)
        ),
        st.lists(st.binary(min_size=1, max_size=100), max_size=5),
    ),
    st.builds(lambda b: b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b), bodies),
    st.just(b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"),
    st.just(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
)


@QUICK
@given(response=responses, cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_how_the_bytes_of_a_response_arrive_changes_nothing(
    shared: Wire, echoes: Echoes, response: bytes, cuts: list[int]
) -> None:
    seen = []
    for pieces in ((response,), tuple(cut(response, cuts))):
        echoes.pieces, echoes.close = pieces, False
        with shared.client() as client:
            client.send(get(b"/") * 2)
            client.read_responses(["GET", "GET"])
            seen.append(diff.responses_in(bytes(client.received), ["GET", "GET"]))
    assert seen[0] == seen[1]


# A byte here or there: taken away, put in, or another one.
NASTY = [
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\x80",
    b"\x7f",
    b"0",
    b"f",
    b"chunked",
]
mutations = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(["drop", "insert", "replace"]),
        st.sampled_from(NASTY),
    ),
    min_size=1,
    max_size=3,
)


def mutate(data: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    for place, how, what in changes:
        at = place % (len(data) + 1)
        skipped = at if how == "insert" else at + 1
        data = data[:at] + (b"" if how == "drop" else what) + data[skipped:]
    return data


FRAMED = (
    b"POST /a HTTP/1.1\r\nHost: a\r\n" + IDS + b"Content-Length: 5\r\nX: y\r\n\r\nhello"
    b"PUT /b HTTP/1.1\r\nHost: a\r\n"
    + IDS
    + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n"
    b"GET /c HTTP/1.1\r\nHost: a\r\n" + IDS + b"Connection: close, x\r\nX: y\r\n\r\n"
)


@settings(max_examples=400, deadline=None)
@given(changes=mutations)
def test_DIFF_whatever_gets_through_means_the_same_to_everybody(
    shared: Wire, echoes: Echoes, changes: list[tuple[int, str, bytes]]
) -> None:
    """Damaged requests are refused, or what reaches the upstream is beyond dispute."""
    echoes.response, echoes.pieces, echoes.close = ok(), (), False
    mark = shared.origin.mark()
    with shared.client() as client:
        client.send_as_far_as_taken(mutate(FRAMED, changes))
        client.half_close()
        client.read_until_close()
        received = bytes(client.received)
        answers = diff.responses_in(received, ["GET"] * 10)
    forwarded = [m for stream in shared.origin.since(mark) for m in diff.requests_in(stream)]
    # Every request is answered once, and a refusal is the last word.
    statuses = [int(m.start[1]) for m in answers]
    assert statuses.count(200) == len(forwarded) or client.ended == "reset"
    assert all(s == 200 for s in statuses[:-1])
    assert shared.proxy.unhandled == []
    assert shared.origin.failures == []


RESPONSE = (
    b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n"
)
SIZED = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\nETag: z\r\n\r\nhello"


@settings(max_examples=400, deadline=None)
@given(response=st.sampled_from([RESPONSE, SIZED]), changes=mutations)
def test_DIFF_a_damaged_response_is_refused_or_cut_or_beyond_dispute(
    shared: Wire, echoes: Echoes, response: bytes, changes: list[tuple[int, str, bytes]]
) -> None:
    echoes.response, echoes.pieces, echoes.close = mutate(response, changes), (), True
    with shared.client() as client:
        client.send(get(b"/", b"Connection: close\r\n"))
        client.read_until_close()
        if client.received:
            whole = diff.responses_in(bytes(client.received), ["GET"])
            assert all(b"\r" not in v and b"\n" not in v for m in whole for _, v in m.headers)
    assert shared.proxy.unhandled == []


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(min_size=1, max_size=200))
def test_noise_is_refused_and_reaches_nobody(shared: Wire, echoes: Echoes, noise: bytes) -> None:
    echoes.response, echoes.pieces, echoes.close = ok(), (), False
    mark = shared.origin.mark()
    with RawClient(shared.proxy.address) as client:
        client.send_as_far_as_taken(noise)
        client.half_close()
        answer = client.read_until_close()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert shared.origin.since(mark) == []
    assert shared.proxy.unhandled == []
