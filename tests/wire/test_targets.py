"""Request lines, targets and Host (http.md 1B, 2B; RFC 9112, 3): read and forwarded exactly."""

from __future__ import annotations

import pytest

from flags.snapshot import FlagSnapshot
from proxy.routing.route import (
    Match,
    PathKind,
    PathMatch,
    Route,
    RouteFile,
    Stickiness,
    StickyKind,
    Upstream,
)
from proxy.stages import Side, Stage
from tests.rigs.scripted_origin import ScriptedOrigin, answer
from tests.rigs.worker_thread import CATCH_ALL
from tests.wire.conftest import TIMEOUTS, MakeWire, Wire, limited
from tests.wire.message_bytes import CANARY, get, ok

H = b"Host: a\r\n"


def line(request_line: bytes, fields: bytes = H) -> bytes:
    return request_line + b"\r\n" + fields + b"\r\n"


REFUSED_LINES = [
    pytest.param(line(b"GET / HTTP/1.2"), 505, id="2B-40-1.2"),
    pytest.param(line(b"GET / HTTP/2.0"), 505, id="2B-40-2.0"),
    pytest.param(line(b"GET / HTTP/0.9"), 505, id="2B-40-0.9"),
    pytest.param(line(b"GET / HTTP/9.9"), 505, id="2B-40-9.9"),
    pytest.param(line(b"GET / HTTP/3.0"), 505, id="A9-3.0"),
    pytest.param(line(b"GET / HTTP/1.1 "), 400, id="2B-40-space-behind"),
    pytest.param(line(b"GET / http/1.1"), 400, id="2B-40-lower-case"),
    pytest.param(line(b"GET / HTTP/01.1"), 400, id="2B-40-leading-zero"),
    pytest.param(line(b"GET / HTTP/1"), 400, id="2B-40-no-minor"),
    pytest.param(line(b"GET / HTTP/1.10"), 400, id="2B-40-1.10"),
    pytest.param(line(b"GET / HTTP/ 1.1"), 400, id="2B-40-space-inside"),
    pytest.param(line(b"GET / HTTPS/1.1"), 400, id="2B-40-https"),
    pytest.param(line(b"GET / ICAP/1.0"), (400, 505), id="2B-40-icap"),
    pytest.param(line(b"GET / RTSP/1.0"), (400, 505), id="2B-40-rtsp"),
    pytest.param(b"GET /\r\n\r\n", (400, 505), id="2B-41-0.9-request"),
    pytest.param(b"GET /\r\nHost: a\r\n\r\n", (400, 505), id="2B-41-no-version"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505), id="2B-42-http2-preface"),
    pytest.param(
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), 400, id="2B-43-tls"
    ),
    pytest.param(line(b"GET  / HTTP/1.1"), 400, id="2B-44-two-spaces-before-target"),
    pytest.param(line(b"GET /  HTTP/1.1"), 400, id="2B-44-two-spaces-behind-target"),
    pytest.param(line(b"GET\t/\tHTTP/1.1"), 400, id="2B-44-tabs"),
    pytest.param(line(b"GET\t/ HTTP/1.1"), 400, id="2B-44-tab-before-target"),
    pytest.param(line(b"GET /\tHTTP/1.1"), 400, id="2B-44-tab-behind-target"),
    pytest.param(line(b" GET / HTTP/1.1"), 400, id="2B-44-leading-space"),
    pytest.param(line(b"GET /a b HTTP/1.1"), 400, id="2B-44-space-in-target"),
    pytest.param(line(b"GET /a\x0bb HTTP/1.1"), 400, id="2B-44-vtab-in-target"),
    pytest.param(line(b"GET http://other/ HTTP/1.1"), 400, id="2B-46-authority-is-not-host"),
    pytest.param(line(b"GET http://a:81/ HTTP/1.1"), 400, id="2B-46-port-is-not-hosts"),
    pytest.param(line(b"GET http://user:pw@a/ HTTP/1.1"), 400, id="2B-47-userinfo"),
    pytest.param(line(b"GET http://@a/ HTTP/1.1"), 400, id="2B-47-empty-userinfo"),
    pytest.param(line(b"GET http://a@evil/ HTTP/1.1"), 400, id="B9-userinfo-before-evil"),
    pytest.param(line(b"GET https://a/ HTTP/1.1"), 400, id="2B-48-https-on-plaintext"),
    pytest.param(line(b"GET ftp://a/ HTTP/1.1"), 400, id="2B-48-ftp"),
    pytest.param(line(b"GET http:///x HTTP/1.1"), 400, id="2B-46-no-authority"),
    pytest.param(line(b"GET a/b HTTP/1.1"), 400, id="2B-48-relative"),
    pytest.param(line(b"GET ?x HTTP/1.1"), 400, id="2B-48-query-only"),
    pytest.param(line(b"GET * HTTP/1.1"), 400, id="B8-star-with-get"),
    pytest.param(line(b"POST * HTTP/1.1"), 400, id="B8-star-with-post"),
    pytest.param(line(b"OPTIONS ** HTTP/1.1"), 400, id="B8-two-stars"),
    pytest.param(
        line(b"GET http://169.254.169.254/latest HTTP/1.1"), 400, id="2B-50-metadata-address"
    ),
    pytest.param(line(b"CONNECT a:443 HTTP/1.1"), 405, id="2B-52-connect"),
    pytest.param(line(b"CONNECT / HTTP/1.1"), (400, 405), id="2B-52-connect-path"),
    pytest.param(line(b"TRACE / HTTP/1.1"), 405, id="2B-52-trace"),
    pytest.param(line(b"GET /x#frag HTTP/1.1"), 400, id="2B-54-fragment"),
    pytest.param(line(b"GET /# HTTP/1.1"), 400, id="2B-54-empty-fragment"),
    pytest.param(line(b"GET /caf\xc3\xa9 HTTP/1.1"), 400, id="B11-utf8-in-target"),
    pytest.param(line(b"GET /caf\xe9 HTTP/1.1"), 400, id="B11-latin1-in-target"),
    pytest.param(line(b"GET /\x7f HTTP/1.1"), 400, id="B11-del-in-target"),
    pytest.param(line(b"GET /\x00 HTTP/1.1"), 400, id="B11-nul-in-target"),
    pytest.param(line(b"GET /?\xff HTTP/1.1"), 400, id="B11-byte-in-query"),
    pytest.param(line(b"FOO / HTTP/1.1"), 501, id="E11-unknown-method"),
    pytest.param(line(b"GETX / HTTP/1.1"), 501, id="E11-longer-method"),
    pytest.param(line(b"get / HTTP/1.1"), 501, id="E11-lower-case-method"),
    pytest.param(line(b"G\x00T / HTTP/1.1"), 400, id="E11-nul-in-method"),
    pytest.param(line(b"GET/ HTTP/1.1"), 400, id="E11-no-space-behind-method"),
]


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED_LINES)
def test_a_request_line_that_is_not_clear_is_refused(
    wire: Wire, request_bytes: bytes, status: int | tuple[int, ...]
) -> None:
    wire.assert_refused(request_bytes + CANARY, status=status)


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED_LINES)
def test_its_refusal_does_not_depend_on_how_it_arrives(
    wire: Wire, request_bytes: bytes, status: int | tuple[int, ...]
) -> None:
    with wire.client() as client:
        for byte in request_bytes:
            client.send_as_far_as_taken(bytes([byte]))
        client.send_as_far_as_taken(CANARY)
        response = client.read_response()
        assert response.status in ((status,) if isinstance(status, int) else status)
        client.read_nothing_more()
    wire.settle()
    assert wire.origin.targets == [b"/settle"]


REFUSED_HOSTS = [
    pytest.param(b"", id="none"),
    pytest.param(H + H, id="two-equal"),
    pytest.param(H + b"Host: b\r\n", id="two-different"),
    pytest.param(H + b"hOST: a\r\n", id="two-in-different-case"),
    *(
        pytest.param(b"Host: " + value + b"\r\n", id=name)
        for name, value in {
            "comma": b"a, b",
            "slash": b"a/b",
            "userinfo": b"u@a",
            "port-too-large": b"a:99999",
            "port-0": b"a:0",
            "port-word": b"a:http",
            "port-signed": b"a:+80",
            "two-ports": b"a:1:2",
            "empty": b"",
            "spaces": b"   ",
            "open-bracket": b"[::1",
            "close-bracket": b"::1]",
            "bare-ipv6": b"::1",
            "bad-ipv6": b"[::zz]",
            "nul": b"a\x00.b",
            "space-inside": b"a b",
            "tab-inside": b"a\tb",
            "query": b"a?b",
            "fragment": b"a#b",
            "backslash": b"a\\b",
            "percent": b"a%2eb",
            "scheme": b"http://a",
            "quote": b'"a"',
            "bytes": b"caf\xe9",
            "dots": b"...",
            "colon": b":80",
        }.items()
    ),
]


@pytest.mark.parametrize("hosts", REFUSED_HOSTS)
def test_2B_58_a_host_that_is_not_one_valid_host_is_400(wire: Wire, hosts: bytes) -> None:
    wire.assert_refused(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n" + CANARY, status=400)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(h, id=h.decode())
        for h in (
            b"A.EXAMPLE.",
            b"a.example:80",
            b"[::1]",
            b"[2001:DB8::1]:8080",
            b"127.0.0.1",
            b"x_y.example",
            b"xn--caf-dma.example",
            b"a:",
        )
    ],
)
def test_2B_59_a_valid_host_goes_on_as_it_came(wire: Wire, host: bytes) -> None:
    if host == b"a:":
        # RFC 3986, 3.2.3 lets the port be empty; nobody sends it, so either answer is right.
        with wire.client() as client:
            client.send(get(host=host))
            assert client.read_response().status in (200, 400)
        return
    assert wire.ask(get(host=host)).status == 200
    assert wire.origin.one_request().values(b"host") == [host]


def test_2B_58_a_1_0_request_needs_no_host_and_gets_one_upstream(wire: Wire) -> None:
    assert wire.ask(b"GET /old HTTP/1.0\r\n\r\n").status == 200
    request = wire.origin.one_request()
    assert request.line == b"GET /old HTTP/1.1"
    # RFC 9112, 3.2: "A client MUST send a Host header field in all HTTP/1.1 request messages".
    assert request.values(b"host") == [wire.origin.authority]


EXACT_TARGETS = [
    pytest.param(target, id=f"{row}{target.decode()[:40]}")
    for row, targets in {
        "2B-49-": [b"//evil.example/x", b"///", b"//", b"/\\evil"],
        "2B-53-": [
            b"/a%2Fb",
            b"/a%2fb",
            b"/%41",
            b"/%7Euser",
            b"/~user",
            b"/a;b=c",
            b"/a//b",
            b"/a/./b",
            b"/a/../b",
            b"/..%2f..%2fetc",
            b"/%2e%2e/x",
            b"/..",
            b"/.",
            b"/%c0%af",
            b"/%00",
            b"/%0d%0aX:y",
        ],
        "2B-54-": [
            b"/x?",
            b"/x?a=%21&a=!",
            b"/x?a=b?c",
            b"/x?a+b",
            b"/x?%",
            b"/x?[]=1",
            b"/x??",
            b"/x?&&==&",
            b"/?",
            b"/x?a=//../;%2f",
            b"/x?http://evil/",
        ],
        "2B-55-": [b"/bar%", b"/bar%1", b"/%zz", b"/%%%"],
        "B10-": [b"/", b"/!$&'()*+,;=:@-._~", b'/"<>^`{|}', b"/index.php?route=product/product"],
    }.items()
    for target in targets
]


@pytest.mark.parametrize("target", EXACT_TARGETS)
def test_a_target_goes_upstream_byte_for_byte(wire: Wire, target: bytes) -> None:
    assert wire.ask(get(target)).status == 200
    request = wire.origin.one_request()
    assert request.line == b"GET " + target + b" HTTP/1.1"
    assert request.values(b"host") == [b"a"]


ABSOLUTE = [
    pytest.param(b"http://a/x?y", b"a", b"/x?y", id="2B-46-equal-host"),
    pytest.param(b"http://a", b"a", b"/", id="2B-46-no-path"),
    pytest.param(b"http://a?q", b"a", b"/?q", id="2B-46-no-path-but-query"),
    pytest.param(b"http://a:80/x", b"a", b"/x", id="2B-46-default-port"),
    pytest.param(b"http://a/x", b"a:80", b"/x", id="2B-46-default-port-in-host"),
    pytest.param(b"http://A.Example/x", b"a.example", b"/x", id="2B-46-case"),
    pytest.param(b"HTTP://a/x", b"a", b"/x", id="2B-46-scheme-case"),
    pytest.param(b"http://a//evil/../x", b"a", b"//evil/../x", id="B7-path-untouched"),
    pytest.param(b"http://a/%2F?", b"a", b"/%2F?", id="B7-bare-question-mark"),
]


@pytest.mark.parametrize(("target", "host", "origin_form"), ABSOLUTE)
def test_B7_absolute_form_becomes_origin_form(
    wire: Wire, target: bytes, host: bytes, origin_form: bytes
) -> None:
    assert wire.ask(get(target, host=host)).status == 200
    request = wire.origin.one_request()
    assert request.line == b"GET " + origin_form + b" HTTP/1.1"
    assert request.values(b"host") == [host]


def test_B7_absolute_form_without_host_in_1_0(wire: Wire) -> None:
    assert wire.ask(b"GET http://a.example/x HTTP/1.0\r\n\r\n").status == 200
    request = wire.origin.one_request()
    assert request.target == b"/x"
    assert request.values(b"host") == [b"a.example"]


def test_B9_a_request_never_chooses_the_origin(make_wire: MakeWire) -> None:
    with ScriptedOrigin(answer(ok(b"evil"))) as evil:
        wire = make_wire()
        for target, host in (
            (b"//" + evil.authority + b"/x", b"a"),
            (b"http://" + evil.authority + b"/x", evil.authority),
            (b"/x", evil.authority),
            (b"/@" + evil.authority, b"a"),
        ):
            assert wire.ask(get(target, host=host)).body == b"ok"
        assert evil.conversations == []
        assert len(wire.origin.requests) == 4


def test_B8_options_star_goes_upstream_as_star(wire: Wire) -> None:
    assert wire.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", method="OPTIONS").status == 200
    if wire.origin.requests:
        assert wire.origin.one_request().line == b"OPTIONS * HTTP/1.1"


@pytest.mark.parametrize("length", [8000, 8190])
def test_2B_57_a_request_line_up_to_the_limit_passes(wire: Wire, length: int) -> None:
    target = b"/" + b"x" * (length - len(b"GET / HTTP/1.1"))
    assert wire.ask(get(target)).status == 200
    assert wire.origin.one_request().target == target


@pytest.mark.parametrize("length", [8191, 10_000, 60_000, 1_000_000])
@pytest.mark.parametrize("finished", [True, False], ids=["whole", "endless"])
def test_2B_57_a_longer_request_line_is_414(wire: Wire, length: int, finished: bool) -> None:
    target = b"/" + b"x" * (length - len(b"GET / HTTP/1.1"))
    message = get(target) if finished else b"GET " + target
    if not finished and length < 8192 + 100:
        message += b"x" * 200
    wire.assert_refused(message, status=414)


def test_2B_57_the_limit_is_configurable_to_the_byte(make_wire: MakeWire) -> None:
    wire = make_wire(settings=limited(request_line_bytes=100))
    room = 100 - len(b"GET / HTTP/1.1")
    assert wire.ask(get(b"/" + b"x" * room)).status == 200
    assert wire.ask(get(b"/" + b"x" * (room + 1))).status == 414


AMBIGUOUS = [
    pytest.param(target, id=target.decode())
    for target in (
        b"/new/..",
        b"/new/../new/x",
        b"/new/./x",
        b"/new/.",
        b"/new/%2e%2e/x",
        b"/new/.%2E/x",
        b"/new/%2e/x",
        b"/new//x",
        b"//new/x",
        b"/new/x;y",
        b"/new/a%2Fb",
        b"/new/a%2fb",
        b"/new/a%5Cb",
        b"/new/a\\b",
        b"/new/%c0%af",
        b"/new/%e0%80%af",
        b"/new/%ff",
        b"/new/%zz",
        b"/new/%",
        b"/new/%1",
        b"/new/%00",
        b"/new/%u0041",
    )
]


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_B11_an_ambiguous_target_stays_on_legacy_byte_for_byte(
    make_wire: MakeWire, target: bytes
) -> None:
    with ScriptedOrigin(answer(ok(b"new"))) as new:
        wire = make_wire(routes=lambda legacy: both_sides(legacy, new))
        assert wire.ask(get(b"/new/x?clear")).body == b"new"
        assert wire.ask(get(target)).body == b"ok"
        assert wire.origin.one_request().target == target
        assert new.targets == [b"/new/x?clear"]


def both_sides(legacy: ScriptedOrigin, new: ScriptedOrigin) -> RouteFile:
    """`/new` is live on the new side, everything else stays on legacy."""
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=(legacy.url,), timeouts=TIMEOUTS),
            Upstream(name="fresh", side=Side.NEW, urls=(new.url,), timeouts=TIMEOUTS),
        ),
        routes=(
            Route(
                id="moved",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/new")),
                new="fresh",
                stage=Stage.LIVE,
                stickiness=Stickiness(kind=StickyKind.NONE),
            ),
            CATCH_ALL,
        ),
        revision="test",
    )


def test_E7_a_request_is_decided_once_and_a_rollback_counts_for_the_next(
    make_wire: MakeWire,
) -> None:
    with ScriptedOrigin(answer(ok(b"new"))) as new:
        wire = make_wire(routes=lambda legacy: both_sides(legacy, new))
        with wire.client() as client:
            client.send(get(b"/new/1"))
            assert client.read_response().body == b"new"
            wire.proxy.change(flags=FlagSnapshot(revision=2, rollback_all=True))
            client.send(get(b"/new/2"))
            assert client.read_response().body == b"ok"
        assert new.targets == [b"/new/1"]
        assert wire.origin.targets == [b"/new/2"]


def test_B12_hosts_that_mean_the_same_choose_the_same_route(make_wire: MakeWire) -> None:
    with ScriptedOrigin(answer(ok(b"new"))) as new:

        def by_host(legacy: ScriptedOrigin) -> RouteFile:
            file = both_sides(legacy, new)
            moved = Route(
                id="moved",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/"), hosts=("a.example",)),
                new="fresh",
                stage=Stage.LIVE,
                stickiness=Stickiness(kind=StickyKind.NONE),
            )
            return RouteFile(upstreams=file.upstreams, routes=(moved, CATCH_ALL), revision="test")

        wire = make_wire(routes=by_host)
        for host in (b"a.example", b"A.EXAMPLE.", b"a.example:80", b"A.example.:8080"):
            assert wire.ask(get(host=host)).body == b"new"
        assert wire.ask(get(host=b"b.a.example")).body == b"ok"
        assert [r.values(b"host") for r in new.requests] == [
            [b"a.example"],
            [b"A.EXAMPLE."],
            [b"a.example:80"],
            [b"A.example.:8080"],
        ]
