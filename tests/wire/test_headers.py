"""Header fields (http.md 1B, 2C): what travels untouched, what is stripped, what is said anew."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace

import pytest

from tests.rigs.scripted_origin import answer
from tests.rigs.worker_thread import all_to
from tests.wire.conftest import SETTINGS, MakeWire, Wire, limited, own_fields
from tests.wire.message_bytes import CANARY, get, ok, post, sized


def repr8(value: bytes) -> str:
    """A short id for long bytes."""
    return repr(value[:8])


CONTROLS = [c for c in (*range(0x09), *range(0x0A, 0x20), 0x7F) if c not in (0x0A, 0x0D)]


@pytest.mark.parametrize(
    "control", [pytest.param(bytes([c]), id=f"2C-61-{c:#04x}") for c in CONTROLS]
)
def test_a_control_character_in_a_value_is_400(wire: Wire, control: bytes) -> None:
    wire.assert_refused(get(fields=b"X: a" + control + b"b\r\n") + CANARY, status=400)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, id=f"9110-5.1-{n!r}")
        for n in (b"", b"a b", b"a\x00b", b"a(b", b"a/b", b"a@b", b"caf\xe9", b"a\tb", b'"a"')
    ],
)
def test_a_name_that_is_no_token_is_400(wire: Wire, name: bytes) -> None:
    wire.assert_refused(get(fields=name + b": v\r\n") + CANARY, status=400)


def test_a_line_without_a_colon_is_400(wire: Wire) -> None:
    wire.assert_refused(get(fields=b"nocolon\r\n") + CANARY, status=400)


BYTES_VALUES = [
    pytest.param(b"a\tb", id="2C-61-htab"),
    pytest.param("café".encode("latin-1"), id="2C-62-latin-1"),
    pytest.param("café".encode(), id="2C-62-utf-8"),
    pytest.param(b"\xff\xfe caf\xc3 \x80", id="2C-62-invalid-utf-8"),
    pytest.param(bytes(range(0x80, 0x100)), id="2C-61-all-high-bytes"),
    pytest.param(bytes(range(0x21, 0x7F)), id="2C-61-all-visible"),
    pytest.param(b"", id="2C-61-empty"),
    pytest.param(b"a  b   c", id="2C-61-inner-spaces"),
    pytest.param(b'"quoted, \\"comma\\""', id="2C-61-quoted"),
]


@pytest.mark.parametrize("value", BYTES_VALUES)
def test_values_survive_byte_for_byte_both_ways(make_wire: MakeWire, value: bytes) -> None:
    wire = make_wire(answer(ok(fields=b"X-Back: " + value + b"\r\n")))
    response = wire.ask(get(fields=b"X-There: " + value + b"\r\n"))
    assert wire.origin.one_request().values(b"X-There") == [value]
    assert response.values(b"X-Back") == [value]


BROWSER = (
    (b"Host", b"shop.example"),
    (b"user-AGENT", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0)"),
    (b"Accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"de,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Referer", b"https://shop.example/?q=\xe4"),
    (b"Cookie", b"a=1; b=2"),
    (b"X-Dup", b"first"),
    (b"If-None-Match", b'"x", W/"y"'),
    (b"If-Modified-Since", b"Sat, 29 Oct 1994 19:43:31 GMT"),
    (b"If-Range", b'"z"'),
    (b"Range", b"bytes=0-1,5-"),
    (b"x-dup", b"second"),
    (b"Cookie", b"c=3"),
    (b"Authorization", b"Basic dTpw"),
    (b"Origin", b"null"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Cache-Control", b"no-transform"),
    (b"X-Requested-With", b"XMLHttpRequest"),
    (b"X-DUP", b"first"),
)


def lines(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


def test_B16_order_case_and_duplicates_of_request_fields_survive(wire: Wire) -> None:
    wire.ask(b"GET / HTTP/1.1\r\n" + lines(BROWSER) + b"\r\n")
    assert own_fields(wire.origin.one_request()) == list(BROWSER)


ORIGIN = (
    (b"Server", b"Apache/2.4 (Debian)"),
    (b"date", b"Tue, 15 Nov 1994 08:12:31 GMT"),
    (b"X-Powered-By", b"PHP/8.2"),
    (b"Set-Cookie", b"sid=1; path=/; HttpOnly"),
    (b"Vary", b"Accept-Encoding"),
    (b"Set-Cookie", b"other=2; domain=.other.example"),
    (b"ETag", b'W/"1"'),
    (b"set-cookie", b"sid=1; path=/; HttpOnly"),
    (b"WWW-Authenticate", b'Basic realm="x", Digest qop="auth"'),
    (b"Allow", b"GET, HEAD"),
    (b"Content-Language", b"de"),
    (b"X-Bytes", b"\xfc\x80"),
    (b"Content-Length", b"2"),
    (b"Link", b"</style.css>; rel=preload"),
)


def test_B16_order_case_and_duplicates_of_response_fields_survive(make_wire: MakeWire) -> None:
    wire = make_wire(answer(b"HTTP/1.1 200 Alles gut\r\n" + lines(ORIGIN) + b"\r\nok"))
    response = wire.ask(get())
    assert response.headers == ORIGIN
    assert response.reason == b"Alles gut"
    assert response.body == b"ok"


def test_B16_nothing_is_added_to_a_bare_request_or_response(make_wire: MakeWire) -> None:
    wire = make_wire(answer(ok()))
    response = wire.ask(get())
    assert own_fields(wire.origin.one_request()) == [(b"Host", b"a")]
    assert response.headers == ((b"Content-Length", b"2"),)


@pytest.mark.parametrize(
    "reason", [b"", b"OK", b"Sehr gut \xe4\xf6", b"a  b", b"tab\there"], ids=repr
)
def test_the_reason_phrase_survives(make_wire: MakeWire, reason: bytes) -> None:
    wire = make_wire(answer(b"HTTP/1.1 299 " + reason + b"\r\nContent-Length: 0\r\n\r\n"))
    response = wire.ask(get())
    assert response.status == 299
    assert response.reason == reason


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


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param(b"X: " + b"v" * (8190 - 1) + b"\r\n", 200, id="2C-63-value-at-limit"),
        pytest.param(b"X: " + b"v" * 8190 + b"\r\n", 431, id="2C-63-value-over-limit"),
        pytest.param(b"X: " + b"v" * 65536 + b"\r\n", 431, id="2C-63-value-64k"),
        pytest.param(b"N" * 100_000 + b": v\r\n", 431, id="2C-63-name-100k"),
        pytest.param(b"X: 1\r\n" * 127, 200, id="2C-63-128-fields"),
        pytest.param(b"X: 1\r\n" * 128, 431, id="2C-63-129-fields"),
        pytest.param(b"X: 1\r\n" * 1000, 431, id="2C-63-1000-fields"),
        pytest.param(b"X_: 1\r\n" * 1000, 431, id="D5-1000-dropped-fields"),
        pytest.param(b"Connection: x\r\n" * 1000, 431, id="D5-1000-connection-fields"),
        pytest.param(b"X_: " + b"v" * 9000 + b"\r\n", 431, id="D5-dropped-value-over-limit"),
        pytest.param((b"X: " + b"v" * 8000 + b"\r\n") * 20, 431, id="D5-head-over-limit"),
    ],
)
def test_D5_header_limits_are_exact(wire: Wire, fields: bytes, status: int) -> None:
    if status == 200:
        assert wire.ask(get(fields=fields)).status == 200
        assert len(own_fields(wire.origin.one_request())) == 1 + fields.count(b"\r\n")
    else:
        wire.assert_refused(get(fields=fields), status=status)


@pytest.mark.parametrize(
    "endless", [b"N" * 100_000, b"X: " + b"v" * 1_000_000, b"X: 1\r\n" * 20_000], ids=repr8
)
def test_D5_a_head_without_end_is_431_while_it_comes(wire: Wire, endless: bytes) -> None:
    wire.assert_refused(b"GET / HTTP/1.1\r\nHost: a\r\n" + endless, status=431)


@pytest.mark.parametrize(
    ("limit", "fields"),
    [
        pytest.param({"header_bytes": 100}, b"X: %b\r\n", id="header_bytes"),
        pytest.param({"head_bytes": 1000}, (b"X: " + b"v" * 90 + b"\r\n") * 20, id="head_bytes"),
    ],
)
def test_D5_header_limits_are_configurable(
    make_wire: MakeWire, limit: dict[str, int], fields: bytes
) -> None:
    wire = make_wire(settings=limited(**limit))
    if b"%b" in fields:
        assert wire.ask(get(fields=fields % (b"v" * 99))).status == 200
        fields %= b"v" * 100
    assert wire.ask(get(fields=fields)).status == 431


def test_2C_72_a_content_coding_is_none_of_our_business(make_wire: MakeWire) -> None:
    bomb = gzip.compress(bytes(1 << 20))
    for body in (b"this is no gzip", bomb):
        wire = make_wire(answer(ok(body, b"Content-Encoding: gzip\r\n")))
        response = wire.ask(sized(body, b"Content-Encoding: gzip\r\n"))
        request = wire.origin.one_request()
        assert request.body == body
        assert request.values(b"content-encoding") == [b"gzip"]
        assert response.body == body
        assert response.values(b"content-encoding") == [b"gzip"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            b"Cookie: " + b"; ".join(b"c%d=v%d" % (n, n) for n in range(200)) + b"\r\n",
            id="200-pairs",
        ),
        pytest.param(b'Cookie: a="x; y"; b=\xff\r\n', id="quotes-and-bytes"),
        pytest.param(b"Cookie: a=1\r\nCookie: b=2\r\n", id="two-lines"),
        pytest.param(b"Cookie: =; ;;; a; a=b=c\r\n", id="odd"),
    ],
)
def test_2C_73_cookies_go_as_they_came(wire: Wire, fields: bytes) -> None:
    assert wire.ask(get(fields=fields)).status == 200
    sent = [line.partition(b": ")[2] for line in fields.split(b"\r\n")[:-1]]
    assert wire.origin.one_request().values(b"cookie") == sent


def test_2C_73_16_kilobytes_of_cookies_are_431(wire: Wire) -> None:
    wire.assert_refused(get(fields=b"Cookie: " + b"x" * 16384 + b"\r\n"), status=431)


def test_2C_73_a_nul_in_a_cookie_is_400(wire: Wire) -> None:
    wire.assert_refused(get(fields=b"Cookie: a=\x00\r\n"), status=400)


def test_2C_74_a_thousand_ranges_are_forwarded_once(wire: Wire) -> None:
    ranges = b"bytes=" + b",".join([b"0-"] * 1000)
    assert wire.ask(get(fields=b"Range: " + ranges + b"\r\n")).status == 200
    assert wire.origin.one_request().values(b"range") == [ranges]


CONDITIONAL = [
    pytest.param(
        b'If-None-Match: "x", W/"y"\r\n',
        b'HTTP/1.1 304 Not Modified\r\nETag: W/"y"\r\nVary: Accept, *\r\n\r\n',
        id="if-none-match",
    ),
    pytest.param(
        b"If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
        b"HTTP/1.1 200 OK\r\nLast-Modified: Sun, 30 Oct 1994 00:00:00 GMT\r\n"
        b"Content-Length: 2\r\n\r\nok",
        id="if-modified-since",
    ),
    pytest.param(
        b'If-Match: "a"\r\nIf-Unmodified-Since: x\r\n',
        b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n",
        id="if-match",
    ),
    pytest.param(
        b'Range: bytes=2-3\r\nIf-Range: "z"\r\n',
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/9\r\n"
        b"Content-Length: 2\r\n\r\nxx",
        id="range",
    ),
    pytest.param(
        b"Range: bytes=0-1,4-5\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=b\r\n"
        b"Content-Length: 5\r\n\r\n--b--",
        id="ranges",
    ),
    pytest.param(
        b"Range: bytes=99-\r\n",
        b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\n"
        b"Content-Length: 0\r\n\r\n",
        id="unsatisfiable",
    ),
    pytest.param(
        b"Authorization: Digest username=x\r\n",
        b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="a", Digest\r\n'
        b"WWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
        id="authentication",
    ),
    pytest.param(
        b"Cache-Control: no-cache, only-if-cached\r\nPragma: no-cache\r\n",
        b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nAge: 5\r\nWarning: 110 x\r\n"
        b"Content-Length: 0\r\n\r\n",
        id="allow-and-caching",
    ),
]


@pytest.mark.parametrize(("fields", "response"), CONDITIONAL)
def test_B18_what_client_and_origin_negotiate_is_theirs(
    make_wire: MakeWire, fields: bytes, response: bytes
) -> None:
    wire = make_wire(answer(response))
    assert wire.ask(get(fields=fields)).raw == response
    sent = [tuple(line.split(b": ", 1)) for line in fields.split(b"\r\n")[:-1]]
    assert own_fields(wire.origin.one_request())[1:] == sent


def test_B17_a_redirect_with_cookies_and_gzip_comes_back_as_it_is(make_wire: MakeWire) -> None:
    body = gzip.compress(b"moved")
    fields = (
        b"Location: http://other.example/x\r\nSet-Cookie: a=1; Domain=other.example\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(body)
    )
    wire = make_wire(answer(b"HTTP/1.1 302 Found\r\n" + fields + b"\r\n" + body))
    response = wire.ask(get())
    assert response.raw == b"HTTP/1.1 302 Found\r\n" + fields + b"\r\n" + body
    assert wire.ask(get()).status == 302
    assert not any(r.has(b"cookie") for r in wire.origin.requests)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"G<script> / HTTP/1.1\r\nHost: a\r\n\r\n", id="method"),
        pytest.param(get(b"/<script>\x7f"), id="target"),
        pytest.param(get(host=b"<script>"), id="host"),
        pytest.param(get(fields=b"<script>: x\r\n"), id="name"),
        pytest.param(get(fields=b"X: <script>\x01\r\n"), id="value"),
        pytest.param(get(fields=b"Expect: <script>\r\n"), id="expect"),
        pytest.param(post(b"Content-Length: <script>\r\n"), id="content-length"),
        pytest.param(post(b"Transfer-Encoding: <script>\r\n"), id="transfer-encoding"),
        pytest.param(post(b"Transfer-Encoding: chunked\r\n", b"<script>\r\n"), id="chunk"),
        pytest.param(get(fields=b"Via: 1.1 figway <script>\r\n"), id="via"),
        pytest.param(b"TRACE /<script> HTTP/1.1\r\nHost: a\r\nX: <script>\r\n\r\n", id="trace"),
    ],
)
def test_B20_an_error_page_holds_no_byte_of_the_request(wire: Wire, request_bytes: bytes) -> None:
    with wire.client() as client:
        client.send(request_bytes)
        answer = client.read_until_close()
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"script" not in answer.lower()


def test_error_pages_say_who_made_them(wire: Wire) -> None:
    response = wire.assert_refused(get(host=b"/"), status=400)
    assert response.has(b"x-figway-error")
    assert response.has(b"content-length")
