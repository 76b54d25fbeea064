"""Where a request ends is never a matter of opinion (http.md 1A, 2A; RFC 9112, 6)."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from tests.rigs.scripted_origin import OK, Conversation, PeerGone
from tests.wire.conftest import MakeWire, Wire, limited, own_fields
from tests.wire.message_bytes import CANARY, chunked, get, in_chunks, ok, post, sized

TE = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"0\r\n\r\n"


def bad_chunk(line: bytes) -> bytes:
    """A chunked request whose first chunk has this line instead of `5<CRLF>`."""
    return post(TE, line + b"hello\r\n0\r\n\r\n")


REFUSED = [
    pytest.param(post(b"Content-Length: 6\r\n" + TE, b"0\r\n\r\nX"), 400, id="2A-01-cl-then-te"),
    pytest.param(post(TE + b"Content-Length: 6\r\n", b"0\r\n\r\nX"), 400, id="2A-02-te-then-cl"),
    pytest.param(post(TE + b"Content-Length: 0\r\n", SMUGGLED), 400, id="A1-te-and-cl-0"),
    pytest.param(post(TE + TE, SMUGGLED), 400, id="2A-03-te-twice"),
    pytest.param(
        post(b"Transfer-Encoding: chunked, chunked\r\n", SMUGGLED), 400, id="2A-04-chunked-chunked"
    ),
    pytest.param(
        post(b"Transfer-Encoding: gzip, chunked\r\n", SMUGGLED), 501, id="2A-05-gzip-chunked"
    ),
    pytest.param(
        post(b"Transfer-Encoding: chunked, gzip\r\n", SMUGGLED), 400, id="2A-05-chunked-gzip"
    ),
    pytest.param(
        post(b"Transfer-Encoding: identity\r\n", SMUGGLED), (400, 501), id="2A-06-identity"
    ),
    pytest.param(post(b"Transfer-Encoding: gzip\r\n", SMUGGLED), (400, 501), id="A4-gzip"),
    pytest.param(
        post(b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", b"hello"),
        (400, 501),
        id="A4-unknown-coding-never-falls-back-to-cl",
    ),
    pytest.param(
        post(b"Transfer-Encoding: identity\r\n" + TE, SMUGGLED),
        (400, 501),
        id="A4-identity-then-te",
    ),
    pytest.param(post(b"Transfer-Encoding: xchunked\r\n", SMUGGLED), (400, 501), id="A4-xchunked"),
    pytest.param(post(b"Transfer-Encoding: ,chunked\r\n", SMUGGLED), 400, id="2A-08-comma-chunked"),
    pytest.param(post(b"Transfer-Encoding: chunked,\r\n", SMUGGLED), 400, id="2A-08-chunked-comma"),
    pytest.param(
        post(b"Transfer-Encoding: chunked;q=1\r\n", SMUGGLED), (400, 501), id="2A-10-chunked-q"
    ),
    pytest.param(post(b"Transfer-Encoding: \r\n", SMUGGLED), (400, 501), id="A4-empty-te"),
    pytest.param(
        post(b'Transfer-Encoding: "chunked"\r\n', SMUGGLED), (400, 501), id="A4-quoted-te"
    ),
    pytest.param(post(b"Transfer-Encoding : chunked\r\n", SMUGGLED), 400, id="2A-11-space-colon"),
    pytest.param(post(b"Transfer-Encoding\t: chunked\r\n", SMUGGLED), 400, id="2A-11-tab-colon"),
    pytest.param(post(b"Content-Length : 5\r\n", b"hello"), 400, id="2A-11-cl-space-colon"),
    pytest.param(post(b"X: y\r\n " + TE, SMUGGLED), 400, id="2A-13-obs-fold-space"),
    pytest.param(post(b"X: y\r\n\t" + TE, SMUGGLED), 400, id="2A-13-obs-fold-tab"),
    pytest.param(
        b"POST / HTTP/1.1\r\n Host: a\r\nContent-Length: 0\r\n\r\n",
        400,
        id="2A-13-first-field-folded",
    ),
    pytest.param(
        post(b"Transfer-Encoding:\r\n chunked\r\n", SMUGGLED), 400, id="2A-13-obs-fold-in-te"
    ),
    pytest.param(post(b"Transfer-Encoding: chunked\x00\r\n", SMUGGLED), 400, id="2A-15-te-nul"),
    pytest.param(post(b"Transfer-Encoding: \x0bchunked\r\n", SMUGGLED), 400, id="2A-15-te-vtab"),
    pytest.param(post(b"Transfer\r-Encoding: chunked\r\n", SMUGGLED), 400, id="2A-16-cr-in-name"),
    pytest.param(
        post(b"X: a\rTransfer-Encoding: chunked\r\n", SMUGGLED), 400, id="2A-16-cr-in-value"
    ),
    pytest.param(post(b"X: a\r\rTransfer-Encoding: chunked\r\n"), 400, id="2A-16-two-crs"),
    pytest.param(post(b"X: a\nTransfer-Encoding: chunked\r\n", SMUGGLED), 400, id="2A-17-bare-lf"),
    pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", 400, id="2A-17-lf-everywhere"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, id="2A-17-head-ended-by-lf"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, id="2A-17-field-ended-by-lf"),
    pytest.param(post(TE, SMUGGLED, version=b"1.0"), 400, id="2A-18-te-in-1.0"),
    pytest.param(
        post(b"Connection: keep-alive\r\n" + TE, SMUGGLED, version=b"1.0"),
        400,
        id="2A-18-te-in-1.0-keep-alive",
    ),
    pytest.param(
        post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), 400, id="2A-21-two-cls"
    ),
    pytest.param(
        post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), 400, id="2A-21-two-equal-cls"
    ),
    *(
        pytest.param(post(b"Content-Length: " + value + b"\r\n", b"hello"), 400, id=f"2A-{name}")
        for name, value in {
            "22-5,5": b"5, 5",
            "22-5,6": b"5, 6",
            "22-5,": b"5,",
            "23-plus": b"+5",
            "23-minus": b"-5",
            "23-minus-zero": b"-0",
            "23-hex": b"0x5",
            "23-underscore": b"5_0",
            "23-space": b"5 5",
            "23-arabic": "١".encode(),
            "23-fraction": b"5.0",
            "23-exponent": b"5e0",
            "23-empty": b"",
            "23-quoted": b'"5"',
            "23-vtab": b"\x0b5",
            "23-letter": b"5a",
            "25-overflow": b"99999999999999999999",
            "25-just-over-64-bits": b"18446744073709551616",
            "25-64-bits-wrapped": b"18446744073709551621",
            "25-5000-digits": b"1" * 5000,
            "25-5000-zeros": b"0" * 5000 + b"x",
        }.items()
    ),
    *(
        pytest.param(bad_chunk(line), 400, id=f"2A-{name}")
        for name, line in {
            "29-hex-prefix": b"0x5\r\n",
            "29-plus": b"+5\r\n",
            "29-minus": b"-5\r\n",
            "29-underscore": b"5_0\r\n",
            "29-space-before": b" 5\r\n",
            "29-space-after": b"5 \r\n",
            "29-semicolon-only": b"5;\r\n",
            "29-no-size": b";a\r\n",
            "29-empty": b"\r\n",
            "29-letter": b"g\r\n",
            "29-overflow": b"10000000000000005\r\n",
            "31-lf-only": b"5\n",
            "31-cr-only": b"5\r",
            "32-extension-control": b"5;a=\x01\r\n",
            "32-extension-lf": b"5;a\nb\r\n",
            "32-extension-cr-cr": b"5\r\r;a\r\n",
            "32-extension-nul": b"5;a=\x00\r\n",
        }.items()
    ),
    pytest.param(post(TE, b"5\r\nhello!\r\n0\r\n\r\n"), 400, id="2A-31-spill"),
    pytest.param(post(TE, b"5\r\nhello0\r\n\r\n"), 400, id="2A-31-no-crlf-after-data"),
    pytest.param(post(TE, b"5\r\nhello\n0\r\n\r\n"), 400, id="2A-31-lf-after-data"),
    pytest.param(post(TE, b"5\r\nhello\r0\r\n\r\n"), 400, id="2A-31-cr-after-data"),
    pytest.param(post(TE, b"5\r\nhello\r\n0\n\n"), 400, id="2A-31-last-chunk-lf"),
    pytest.param(post(TE, b"5\r\nhello\r\n0\r\nX\r\n\r\n"), 400, id="2A-34-trailer-no-colon"),
    pytest.param(post(TE, b"5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n"), 400, id="2A-34-trailer-lf"),
    pytest.param(post(TE, b"5\r\nhello\r\n0\r\nX: \x00\r\n\r\n"), 400, id="2A-34-trailer-nul"),
]


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED)
def test_unclear_framing_is_refused_and_nothing_behind_it_runs(
    wire: Wire, request_bytes: bytes, status: int | tuple[int, ...]
) -> None:
    wire.assert_refused(request_bytes + CANARY, status=status)


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED)
def test_refusal_does_not_depend_on_how_the_bytes_arrive(
    wire: Wire, request_bytes: bytes, status: int | tuple[int, ...]
) -> None:
    head, end, body = request_bytes.partition(b"\r\n\r\n")
    with wire.client() as client:
        for byte in head + end:
            client.send_as_far_as_taken(bytes([byte]))
        client.send_as_far_as_taken(body)
        client.send_as_far_as_taken(CANARY)
        answer = client.read_until_close()
    assert answer.startswith(b"HTTP/1.1 ")
    expected = (status,) if isinstance(status, int) else status
    assert int(answer.split(b" ")[1]) in expected
    assert answer.count(b"HTTP/1.1 ") == 1
    wire.settle()
    # When the fault is in the body, its head may have been on its way: it must stay unfinished.
    assert wire.origin.targets == [b"/settle"]
    assert b"/canary" not in wire.origin.received


ACCEPTED = [
    pytest.param(
        post(b"TrAnSfEr-EnCoDiNg: cHuNkEd\r\n", in_chunks(b"hello")), b"hello", id="2A-19-te-case"
    ),
    pytest.param(post(b"Content-Length: 5\t\r\n", b"hello"), b"hello", id="2A-23-trailing-tab"),
    pytest.param(post(b"Content-Length:\t 5 \r\n", b"hello"), b"hello", id="2A-23-ows-around"),
    pytest.param(post(b"Content-Length: 005\r\n", b"hello"), b"hello", id="2A-23-leading-zeros"),
    pytest.param(post(b"Content-Length: 0\r\n"), b"", id="2A-23-zero"),
    pytest.param(
        post(b"Content-Length: " + b"0" * 5000 + b"5\r\n", b"hello"),
        b"hello",
        id="2A-23-many-zeros",
    ),
    pytest.param(post(TE, b"5;a=b\r\nhello\r\n0\r\n\r\n"), b"hello", id="2A-32-extension"),
    pytest.param(post(TE, b'5;a="b;c"\r\nhello\r\n0;x\r\n\r\n'), b"hello", id="2A-32-quoted"),
    pytest.param(post(TE, b"00005\r\nhello\r\n000\r\n\r\n"), b"hello", id="2A-29-zeros"),
    pytest.param(post(TE, b"A\r\nhellohello\r\n0\r\n\r\n"), b"hello" * 2, id="2A-29-upper-hex"),
    pytest.param(post(TE, b"a\r\nhellohello\r\n0\r\n\r\n"), b"hello" * 2, id="2A-29-lower-hex"),
    pytest.param(chunked(b"h", b"ell", b"o"), b"hello", id="A6-three-chunks"),
    pytest.param(chunked(), b"", id="A6-no-chunk"),
    pytest.param(chunked(b"hello", trailers=b"X-T: 1\r\n"), b"hello", id="2A-34-trailer"),
    pytest.param(b"\r\n" + sized(b"hello"), b"hello", id="9112-2.2-empty-line-before"),
]


@pytest.mark.parametrize(("request_bytes", "body"), ACCEPTED)
def test_clear_framing_is_read_and_written_anew(
    wire: Wire, request_bytes: bytes, body: bytes
) -> None:
    with wire.client() as client:
        client.send(request_bytes + CANARY)
        first, second = client.read_responses(["POST", "GET"])
        assert (first.status, second.status) == (200, 200)
    upload, canary = wire.origin.wait_for_requests(2)
    assert upload.body == body
    assert upload.trailers == ()
    assert canary.target == b"/canary"
    framing = upload.values(b"content-length") + upload.values(b"transfer-encoding")
    assert framing in ([b"%d" % len(body)], [b"chunked"])
    # Chunk extensions and trailers do not travel.
    assert b";" not in upload.raw.partition(b"\r\n\r\n")[2]
    assert b"X-T" not in upload.raw


def test_2A_25_a_body_announced_far_over_the_limit_is_413_at_once(wire: Wire) -> None:
    wire.assert_refused(post(b"Content-Length: 9223372036854775807\r\n"), status=413)


BODY_METHODS = [
    pytest.param(b"GET", id="2A-26-get"),
    pytest.param(b"HEAD", id="2A-27-head"),
    pytest.param(b"OPTIONS", id="2A-27-options"),
    pytest.param(b"DELETE", id="2A-27-delete"),
    pytest.param(b"PUT", id="A7-put"),
    pytest.param(b"PATCH", id="A7-patch"),
    pytest.param(b"PROPFIND", id="A7-propfind"),
]


@pytest.mark.parametrize("method", BODY_METHODS)
@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_a_body_belongs_to_its_request_whatever_the_method(
    make_wire: MakeWire, method: bytes, framing: str
) -> None:
    wire = make_wire(_head_aware)
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"%b /upload HTTP/1.1\r\nHost: a\r\n" % method
    if framing == "sized":
        message = head + b"Content-Length: %d\r\n\r\n%b" % (len(inner), inner)
    else:
        message = head + TE + b"\r\n" + in_chunks(inner)
    with wire.client() as client:
        client.send(message + CANARY)
        for response in client.read_responses([method.decode(), "GET"]):
            assert response.status == 200
    upload, canary = wire.origin.wait_for_requests(2)
    assert (upload.method, upload.target, upload.body) == (method, b"/upload", inner)
    assert (canary.method, canary.target) == (b"GET", b"/canary")


def _head_aware(conversation: Conversation) -> None:
    while True:
        request = conversation.read_request()
        conversation.send(OK[:-2] if request.method == b"HEAD" else OK)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, id=f"2A-34-{n.decode()}")
        for n in (
            b"Content-Length",
            b"Host",
            b"Authorization",
            b"Transfer-Encoding",
            b"Cookie",
            b"Connection",
            b"X-Forwarded-For",
        )
    ],
)
def test_a_trailer_never_becomes_a_header(wire: Wire, name: bytes) -> None:
    evil = b"6666" if name == b"Content-Length" else b"evil"
    with wire.client() as client:
        client.send(chunked(b"hello", trailers=name + b": " + evil + b"\r\n") + CANARY)
        answers = client.read_until(b"\r\n\r\n")
        assert int(answers.split(b" ")[1]) in (200, 400)
    wire.settle()
    assert evil not in wire.origin.received


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"".join(b"X-%d: %b\r\n" % (n, b"v" * 1000) for n in range(1000)), id="many"),
        pytest.param(b"X: " + b"v" * 1_000_000 + b"\r\n", id="one-large"),
        pytest.param(b"X" * 1_000_000, id="endless-name"),
    ],
)
def test_2A_35_a_megabyte_of_trailers_is_refused(wire: Wire, trailers: bytes) -> None:
    with wire.client() as client:
        client.send_as_far_as_taken(chunked(b"hello", trailers=trailers) + CANARY)
        answer = client.read_until_close()
        assert int(answer.split(b" ")[1]) in (400, 431)
    wire.settle()
    assert wire.origin.targets == [b"/settle"]
    assert len(wire.origin.received) < 10_000


def test_2A_37_a_body_cut_short_is_cut_short_upstream(make_wire: MakeWire) -> None:
    cut = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        assert conversation.read_exactly(5) == b"hello"
        with suppress(PeerGone):
            assert conversation.read_some() == b""
        cut.set()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(b"Content-Length: 10\r\n", b"hello"))
        wire.origin.wait_for(lambda: b"hello" in wire.origin.received)
        client.half_close()
        assert cut.wait(20)
        answer = client.read_until_close()
        assert not answer.startswith(b"HTTP/1.1 2")
    assert wire.origin.requests == []


def test_2A_37_a_chunked_body_cut_short_gets_no_last_chunk_upstream(make_wire: MakeWire) -> None:
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_until(b"hello")
        conversation.wait_until_left()
        gone.set()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(TE, b"5\r\nhello\r\n"))
        wire.origin.wait_for(lambda: b"hello" in wire.origin.received)
        client.half_close()
        assert gone.wait(20)
    assert b"\r\n0\r\n" not in wire.origin.received


def test_2A_39_pipelined_requests_are_answered_in_order_and_run_once(make_wire: MakeWire) -> None:
    second_came, first_may_answer = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        while True:
            request = conversation.read_request()
            if request.target == b"/first":
                assert first_may_answer.wait(20)
            conversation.send(ok(request.target))

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get(b"/first") + get(b"/second"))
        wire.origin.wait_for_requests(1)
        first_may_answer.set()
        assert [r.body for r in client.read_responses(["GET", "GET"])] == [b"/first", b"/second"]
    second_came.set()
    assert sorted(wire.origin.targets) == [b"/first", b"/second"]


@pytest.mark.parametrize("after", [b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00\x01\x02"])
def test_A11_after_a_framing_error_the_connection_is_over(wire: Wire, after: bytes) -> None:
    with wire.client() as client:
        client.send(post(TE + b"Content-Length: 1\r\n", b"x"))
        assert client.read_response().status == 400
        client.send_as_far_as_taken(after)
        client.read_nothing_more()
    wire.settle()
    assert wire.origin.targets == [b"/settle"]


def test_A11_a_fault_behind_a_good_request_leaves_the_good_one_answered(wire: Wire) -> None:
    with wire.client() as client:
        client.send(get(b"/good") + post(TE + TE, SMUGGLED) + CANARY)
        assert client.read_response().status == 200
        bad = client.read_response()
        assert bad.status == 400
        assert bad.says_close
        client.read_nothing_more()
    wire.settle()
    assert sorted(wire.origin.targets) == [b"/good", b"/settle"]


def test_A2_received_framing_is_never_copied(wire: Wire) -> None:
    wire.ask(post(b"content-LENGTH: 0005\r\n", b"hello"))
    request = wire.origin.one_request()
    assert request.values(b"content-length") == [b"5"]
    assert [n for n, _ in own_fields(request)].count(b"content-LENGTH") <= 1


def test_A6_a_faulty_chunk_after_a_good_one_leaves_the_upstream_request_unfinished(
    make_wire: MakeWire,
) -> None:
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_until(b"good")
        conversation.wait_until_left()
        gone.set()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(TE, b"4\r\ngood\r\n"))
        wire.origin.wait_for_connections(1)
        wire.origin.wait_for(lambda: b"good" in wire.origin.received)
        client.send_as_far_as_taken(b"0x3\r\nbad\r\n0\r\n\r\n" + CANARY)
        answer = client.read_until_close()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert gone.wait(20)
    assert wire.origin.requests == []
    assert b"bad" not in wire.origin.received
    assert b"\r\n0\r\n" not in wire.origin.received


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_D4_a_body_over_the_limit_is_413_and_unfinished_upstream(
    make_wire: MakeWire, framing: str
) -> None:
    wire = make_wire(settings=limited(body_bytes=1000))
    message = sized(b"x" * 1001) if framing == "sized" else chunked(*([b"x" * 100] * 11))
    with wire.client() as client:
        client.send_as_far_as_taken(message + CANARY)
        response = client.read_response()
        assert response.status == 413
        client.read_nothing_more()
    wire.settle()
    assert wire.origin.targets == [b"/settle"]


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_D4_a_body_exactly_at_the_limit_passes(make_wire: MakeWire, framing: str) -> None:
    wire = make_wire(settings=limited(body_bytes=1000))
    body = b"x" * 1000
    message = sized(body) if framing == "sized" else chunked(body[:999], body[999:])
    assert wire.ask(message).status == 200
    assert wire.origin.one_request().body == body
