"""What a gateway strips, keeps and says anew on its way (http.md B1-B5, B13-B15, 2C-66..71)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.rigs.scripted_origin import answer
from tests.rigs.worker_thread import all_to
from tests.wire.conftest import SETTINGS, MakeWire, Wire, own_fields
from tests.wire.message_bytes import CANARY, get, ok, sized

STRIPPED = [
    pytest.param(b"Keep-Alive: timeout=999\r\n", id="2C-66-keep-alive"),
    pytest.param(b"Proxy-Connection: keep-alive\r\n", id="2C-66-proxy-connection"),
    pytest.param(b"TE: gzip\r\n", id="2C-66-te-gzip"),
    pytest.param(b"TE: trailers\r\n", id="B1-te-not-nominated"),
    pytest.param(b"Proxy-Authorization: Basic x\r\n", id="2C-66-proxy-authorization"),
    pytest.param(b"Proxy-Authenticate: Basic\r\n", id="B3-proxy-authenticate"),
    pytest.param(b"Proxy: http://evil\r\n", id="2C-66-proxy"),
    pytest.param(b"pRoXy: http://evil\r\n", id="B15-proxy-in-any-case"),
    pytest.param(b"Trailer: X-T\r\n", id="B1-trailer"),
    pytest.param(b"Connection: keep-alive\r\n", id="B1-connection"),
    pytest.param(b"Connection: X-Secret\r\nX-Secret: 1\r\n", id="B1-nominated"),
    pytest.param(b"X-Secret: 1\r\nConnection: x-SECRET\r\n", id="B1-nominated-before"),
    pytest.param(
        b"Connection: a, X-Secret ,\r\nX-Secret: 1\r\nA: 2\r\nX-Secret: 3\r\n", id="B1-list"
    ),
    pytest.param(b"Connection: a\r\nConnection: b\r\nA: 1\r\nB: 2\r\n", id="B1-two-lines"),
    pytest.param(b"Upgrade: h2c\r\n", id="B1-upgrade-not-nominated"),
    pytest.param(b"X-Migration_Backend: new\r\n", id="B14-underscore-somewhere"),
    pytest.param(b"X_Forwarded_For: evil\r\n", id="B14-x_forwarded_for"),
    pytest.param(b"Content_Length: 5\r\n", id="B14-content_length"),
    pytest.param(b"Transfer_Encoding: chunked\r\n", id="B14-transfer_encoding"),
    pytest.param(b"X.Forwarded.For: evil\r\n", id="B14-dots"),
    pytest.param(b"X-Forwarded-For!: evil\r\n", id="B14-exclamation"),
    pytest.param(b"X-Figway-Side: new\r\n", id="2C-71-x-figway-side"),
    pytest.param(b"x-figway-anything: 1\r\n", id="H7-x-figway-anything"),
    pytest.param(b"Forwarded: for=evil\r\n", id="2C-70-forwarded"),
    pytest.param(
        b'Forwarded: for="[::1]";host=evil, for=1.2.3.4\r\n', id="2C-70-forwarded-ipv6-host"
    ),
    pytest.param(b"X-Real-IP: 1.2.3.4\r\n", id="2C-70-x-real-ip"),
    pytest.param(b"X-Forwarded-Port: 1\r\n", id="2C-70-x-forwarded-port"),
]


@pytest.mark.parametrize("fields", STRIPPED)
def test_what_belongs_to_one_hop_or_to_us_is_not_forwarded(wire: Wire, fields: bytes) -> None:
    assert wire.ask(get(fields=b"X-Kept: 1\r\n" + fields + b"X-Also: 2\r\n")).status == 200
    request = wire.origin.one_request()
    assert own_fields(request) == [(b"Host", b"a"), (b"X-Kept", b"1"), (b"X-Also", b"2")]


PROTECTED = [
    (b"Host", b"a"),
    (b"Authorization", b"Basic dTpw"),
    (b"Cookie", b"a=1"),
    (b"Content-Length", b"5"),
    (b"X-Forwarded-For", b"127.0.0.1"),
    (b"X-Forwarded-Proto", b"http"),
    (b"X-Forwarded-Host", b"a"),
    (b"Via", b"1.1 figway"),
]


@pytest.mark.parametrize(("name", "value"), [pytest.param(*p, id=p[0].decode()) for p in PROTECTED])
def test_B2_connection_cannot_nominate_what_others_rely_on(
    wire: Wire, name: bytes, value: bytes
) -> None:
    fields = b"Connection: close, " + name + b"\r\nAuthorization: Basic dTpw\r\nCookie: a=1\r\n"
    assert wire.ask(sized(b"hello", fields)).status == 200
    request = wire.origin.one_request()
    assert request.values(name) == [value]
    assert request.body == b"hello"


def test_B2_traceparent_and_request_id_cannot_be_nominated(wire: Wire) -> None:
    wire.ask(get(fields=b"Connection: traceparent, x-request-id, via\r\n"))
    request = wire.origin.one_request()
    for name in (b"traceparent", b"x-request-id", b"via"):
        assert len(request.values(name)) == 1, name


def test_B1_te_trailers_is_said_anew_to_the_next_hop(wire: Wire) -> None:
    wire.ask(get(fields=b"TE: trailers;q=0.5, gzip\r\nConnection: TE\r\n"))
    request = wire.origin.one_request()
    assert request.values(b"te") == [b"trailers"]
    assert [v.lower() for v in request.values(b"connection")] == [b"te"]


RESPONSE_STRIPPED = [
    pytest.param(b"Connection: X-Secret\r\nX-Secret: 1\r\n", id="2D-87-nominated"),
    pytest.param(b"X-Secret: 1\r\nconnection: keep-alive, x-secret\r\n", id="2D-87-before"),
    pytest.param(b"Keep-Alive: timeout=5, max=100\r\n", id="B1-keep-alive"),
    pytest.param(b"Proxy-Connection: keep-alive\r\n", id="B1-proxy-connection"),
    pytest.param(b"Proxy-Authenticate: Basic\r\n", id="B3-proxy-authenticate"),
    pytest.param(b"Upgrade: h2c\r\nConnection: upgrade\r\n", id="B1-upgrade"),
    pytest.param(b"Trailer: X-T\r\n", id="C9-trailer"),
    pytest.param(b"TE: trailers\r\n", id="B1-te"),
]


@pytest.mark.parametrize("fields", RESPONSE_STRIPPED)
def test_what_belongs_to_the_upstreams_hop_does_not_reach_the_client(
    make_wire: MakeWire, fields: bytes
) -> None:
    wire = make_wire(answer(ok(fields=b"X-Kept: 1\r\n" + fields + b"X-Also: 2\r\n")))
    response = wire.ask(get())
    assert response.headers == (
        (b"X-Kept", b"1"),
        (b"X-Also", b"2"),
        (b"Content-Length", b"2"),
    )


def test_B4_via_is_added_to_requests(wire: Wire) -> None:
    wire.ask(get(fields=b"Via: 1.0 fred, 1.1 p.example\r\n"))
    via = b", ".join(wire.origin.one_request().values(b"via"))
    assert via == b"1.0 fred, 1.1 p.example, 1.1 figway"


def test_B4_via_names_the_version_that_was_received(wire: Wire) -> None:
    wire.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert wire.origin.one_request().values(b"via") == [b"1.0 figway"]


@pytest.mark.parametrize(
    "via", [b"1.1 figway", b"1.0 fred, 1.1 FigWay (us), 1.1 x", b"1.1 x,1.1 figway"], ids=repr
)
def test_B4_a_request_that_was_here_before_is_508(wire: Wire, via: bytes) -> None:
    wire.assert_refused(get(fields=b"Via: " + via + b"\r\n") + CANARY, status=508)


@pytest.mark.parametrize("via", [b"1.1 figway2", b"1.1 notfigway", b"1.1 x (figway)"], ids=repr)
def test_B4_others_with_similar_names_pass(wire: Wire, via: bytes) -> None:
    assert wire.ask(get(fields=b"Via: " + via + b"\r\n")).status == 200


def test_B4_a_proxy_whose_legacy_is_itself_stops_after_one_hop(make_wire: MakeWire) -> None:
    wire = make_wire()
    wire.proxy.change(routes=all_to(f"http://127.0.0.1:{wire.proxy.address[1]}"))
    assert wire.ask(get()).status == 508


MAX_FORWARDS = [
    pytest.param(b"1", b"0", id="2C-68-one"),
    pytest.param(b"10", b"9", id="2C-68-ten"),
    pytest.param(b"-1", b"-1", id="2C-68-negative"),
    pytest.param(b"abc", b"abc", id="2C-68-word"),
    pytest.param(b"9999999999999999999", None, id="2C-68-huge"),
]


@pytest.mark.parametrize(("sent", "received"), MAX_FORWARDS)
def test_B5_max_forwards_is_counted_down_on_options(
    wire: Wire, sent: bytes, received: bytes | None
) -> None:
    message = b"OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: %b\r\n\r\n" % sent
    response = wire.ask(message, method="OPTIONS")
    if response.status == 400:
        assert not sent.isdigit()  # malformed: refusing is one of the two permitted answers
        return
    values = wire.origin.one_request().values(b"max-forwards")
    assert values == [received] if received else values in ([sent], [b"%d" % (int(sent) - 1)], [])


def test_B5_max_forwards_0_is_answered_here(wire: Wire) -> None:
    message = b"OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"
    response = wire.ask(message, method="OPTIONS")
    assert response.status in (200, 204)
    wire.settle()
    assert wire.origin.targets == [b"/settle"]


def test_B5_max_forwards_means_nothing_on_other_methods(wire: Wire) -> None:
    wire.ask(get(fields=b"Max-Forwards: 0\r\n"))
    assert wire.origin.one_request().values(b"max-forwards") == [b"0"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"X-Forwarded-For: evil, 1.2.3.4\r\n", id="2C-70-xff"),
        pytest.param(b"X-Forwarded-For: " + b"," * 8000 + b"\r\n", id="2C-70-commas"),
        pytest.param(b"X-Forwarded-For: fe80::1%eth0\r\n", id="2C-70-zone"),
        pytest.param(b"x-forwarded-for: 1.1.1.1\r\nX-FORWARDED-FOR: 2.2.2.2\r\n", id="2C-70-twice"),
        pytest.param(b"X-Forwarded-Proto: https\r\n", id="2C-70-proto"),
        pytest.param(b"X-Forwarded-Host: evil\r\n", id="2C-70-host"),
    ],
)
def test_B13_nobody_is_believed_by_default(wire: Wire, fields: bytes) -> None:
    wire.ask(get(fields=fields))
    request = wire.origin.one_request()
    assert request.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert request.values(b"x-forwarded-proto") == [b"http"]
    assert request.values(b"x-forwarded-host") == [b"a"]


TRUST = replace(SETTINGS, trusted_proxies=("127.0.0.2/32", "10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "sent", "forwarded"),
    [
        pytest.param("127.0.0.1", b"9.9.9.9", b"127.0.0.1", id="stranger"),
        pytest.param("127.0.0.2", b"9.9.9.9", b"9.9.9.9, 127.0.0.2", id="trusted"),
        pytest.param(
            "127.0.0.2", b"8.8.8.8, 10.1.1.1", b"8.8.8.8, 10.1.1.1, 127.0.0.2", id="two-hops"
        ),
    ],
)
def test_B13_a_trusted_proxy_is_believed_and_continued(
    make_wire: MakeWire, peer: str, sent: bytes, forwarded: bytes
) -> None:
    wire = make_wire(settings=TRUST)
    fields = b"X-Forwarded-For: " + sent + b"\r\nX-Forwarded-Proto: https\r\n"
    with wire.client(source=peer) as client:
        client.send(get(fields=fields))
        assert client.read_response().status == 200
    request = wire.origin.one_request()
    assert request.values(b"x-forwarded-for") == [forwarded]
    expected = b"https" if peer == "127.0.0.2" else b"http"
    assert request.values(b"x-forwarded-proto") == [expected]


TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_trace_context_and_request_id_pass_through(wire: Wire) -> None:
    wire.ask(
        get(fields=b"traceparent: %b\r\ntracestate: a=1\r\nX-Request-Id: abc-1\r\n" % TRACEPARENT)
    )
    request = wire.origin.one_request()
    assert request.values(b"traceparent") == [TRACEPARENT]
    assert request.values(b"tracestate") == [b"a=1"]
    assert request.values(b"x-request-id") == [b"abc-1"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"", id="absent"),
        pytest.param(b"traceparent: garbage\r\nX-Request-Id: <script>\r\n", id="garbage"),
        pytest.param(
            b"traceparent: 00-" + b"0" * 32 + b"-00f067aa0ba902b7-01\r\n", id="zero-trace"
        ),
        pytest.param(b"X-Request-Id: " + b"x" * 1000 + b"\r\n", id="long-id"),
        pytest.param(b"traceparent: %b\r\n" % TRACEPARENT * 2, id="the-same-twice"),
    ],
)
def test_trace_context_and_request_id_are_made_when_there_is_none_to_use(
    wire: Wire, fields: bytes
) -> None:
    wire.ask(get(fields=fields))
    request = wire.origin.one_request()
    (traceparent,) = request.values(b"traceparent")
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", traceparent)
    (request_id,) = request.values(b"x-request-id")
    assert re.fullmatch(rb"[A-Za-z0-9._-]{8,128}", request_id)
