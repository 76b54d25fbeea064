"""Header fields (http.md 1B, 2C): what travels untouched, what is stripped, what is said anew."""

from __future__ import annotations

import gzip

import pytest

from tests.rigs.scripted_origin import answer
from tests.wire.conftest import MakeWire, Wire, limited, own_fields
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
