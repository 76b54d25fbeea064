"""What the observer gets of a request, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flags.snapshot import FlagSnapshot
from proxy.handover import Closed, Opened, Whole
from proxy.routing.route import Rewrite
from proxy.shadow_policy import DispatchAt, WriteMode
from proxy.stages import Reason, Side, Stage
from tests.rigs.scripted_observer import ScriptedObserver
from tests.rigs.scripted_origin import OK, Conversation, Script, answer
from tests.wire.conftest import MakeWire, Wire
from tests.wire.message_bytes import chunked, get, in_chunks, ok, sized
from tests.wire.shadowing.rig import EVERYTHING, assert_balanced, gate, play, shadowed

# What is handed over.


LARGE = bytes(range(256)) * 2000


TWO_COOKIES = b"Set-Cookie: a=1\r\nset-cookie: b=2; Path=/\r\nX-Byte: \xe9\r\n"


@pytest.mark.parametrize(
    ("script", "request_bytes", "method", "status", "fields", "body"),
    [
        pytest.param(
            play(ok(b"hello", TWO_COOKIES)),
            get(b"/s"),
            "GET",
            200,
            [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/"), (b"X-Byte", b"\xe9")],
            b"hello",
            id="with_a_length",
        ),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", in_chunks(b"ab", b"c")),
            get(b"/s"),
            "GET",
            200,
            [],
            b"abc",
            id="in_chunks",
        ),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(b"ab", b"c")),
            get(b"/s"),
            "GET",
            200,
            [],
            b"abc",
            id="in_chunks_at_once",
        ),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nto the end", close=True),
            get(b"/s"),
            "GET",
            200,
            [(b"X-A", b"1")],
            b"to the end",
            id="until_the_close",
        ),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX-A: 1\r\n\r\n"),
            b"HEAD /s HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD",
            200,
            [(b"X-A", b"1")],
            b"",
            id="head",
        ),
        pytest.param(
            play(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
            get(b"/s"),
            "GET",
            204,
            [(b"X-A", b"1")],
            b"",
            id="no_content",
        ),
        pytest.param(
            play(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
            get(b"/s"),
            "GET",
            304,
            [(b"ETag", b'"x"')],
            b"",
            id="not_modified",
        ),
        pytest.param(
            play(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"x", b"X-A: 1\r\n")),
            get(b"/s"),
            "GET",
            200,
            [(b"X-A", b"1")],
            b"x",
            id="after_early_hints",
        ),
        pytest.param(
            play(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ok(b"x", b"X-A: 1\r\n")),
            get(b"/s"),
            "GET",
            200,
            [(b"X-A", b"1")],
            b"x",
            id="some_time_after_early_hints",
        ),
        pytest.param(
            play(ok(b"hello", b"X-A: 1\r\n")),
            get(b"/s", b"Connection: close\r\n"),
            "GET",
            200,
            [(b"X-A", b"1")],
            b"hello",
            id="to_a_client_that_closes",
        ),
        pytest.param(
            play(ok(b"hello", b"X-A: 1\r\n")),
            get(b"/s", version=b"1.0"),
            "GET",
            200,
            [(b"X-A", b"1")],
            b"hello",
            id="to_an_http10_client",
        ),
        pytest.param(
            play(b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold", close=True),
            get(b"/s"),
            "GET",
            200,
            [(b"X-A", b"1")],
            b"old",
            id="from_an_http10_upstream",
        ),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE), LARGE),
            get(b"/s"),
            "GET",
            200,
            [],
            LARGE,
            id="large",
        ),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"a", b"b", b"c", b"d"),
            get(b"/s"),
            "GET",
            200,
            [],
            b"abcd",
            id="byte_by_byte",
        ),
        pytest.param(
            play(b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\nX-A: 1\r\n\r\nbad"),
            get(b"/s"),
            "GET",
            503,
            [(b"X-A", b"1")],
            b"bad",
            id="a_failure_of_the_application",
        ),
    ],
)
def test_the_observer_gets_what_the_upstream_answered(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    script: Script,
    request_bytes: bytes,
    method: str,
    status: int,
    fields: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    wire = make_shadow(script)
    response = wire.ask(request_bytes, method=method)
    assert (response.status, response.body) == (status, body)
    request, taken = observer.one_exchange()
    answered = taken.answer()
    framing = {b"content-length", b"transfer-encoding"}
    assert [(n, v) for n, v in answered.headers if n.lower() not in framing] == fields
    assert (answered.status, answered.body) == (status, body)
    assert request.asked().method == method
    assert 0.0 < taken.first_byte <= taken.elapsed < 20.0
    assert_balanced(wire, eligible=1, handed=1)


def test_the_request_is_the_one_that_the_primary_got(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/s/a?b=c", b"X-Some: thing\r\nCookie: figway_id=" + b"ab" * 16 + b"\r\n"))
    request, _ = observer.one_exchange()
    received = wire.origin.one_request()
    assert request.head == received.raw
    assert request.target == received.target == b"/s/a?b=c"
    assert request.asked().headers == received.headers
    assert request.field(b"x-request-id") == received.values(b"x-request-id")[0]
    assert request.started > 1_500_000_000
    decided = request.decided
    assert (decided.route, decided.stage, decided.reason) == (
        "shown",
        Stage.SHADOW,
        Reason.STAGE_SHADOW,
    )
    assert (decided.side, decided.upstream, decided.shadow) == (Side.LEGACY, "legacy", Side.NEW)
    assert (decided.config_revision, decided.flag_revision) == ("r1", 7)
    assert request.boot == observer.hellos[0].boot


def test_a_reverse_shadow_keeps_the_target_that_the_client_asked_for(
    make_wire: MakeWire, observer: ScriptedObserver
) -> None:
    wire = make_wire(
        routes=lambda origin: shadowed(
            "http://127.0.0.1:1",
            new=origin.url,
            stage=Stage.LIVE,
            rewrite=Rewrite(prefix="/products"),
        ),
        observer=str(observer.path),
    )
    observer.wait_for(lambda: bool(observer.hellos))
    assert wire.ask(get(b"/s/red?x=1")).status == 200
    request, _ = observer.one_exchange()
    assert request.target == b"/s/red?x=1"
    assert request.head.startswith(b"GET /products/red?x=1 HTTP/1.1\r\n")
    assert (request.decided.side, request.decided.shadow) == (Side.NEW, Side.LEGACY)


def test_what_the_proxy_adds_to_a_response_is_not_the_upstreams(
    make_wire: MakeWire, observer: ScriptedObserver
) -> None:
    wire = make_wire(
        answer(ok(b"x", b"X-A: 1\r\n")),
        routes=lambda origin: shadowed(origin.url, stage=Stage.CANARY, max_percent=50),
        flags=FlagSnapshot(route_basis_points={"shown": 1}),
        observer=str(observer.path),
    )
    observer.wait_for(lambda: bool(observer.hellos))
    response = wire.ask(get(b"/s"))
    assert response.values(b"set-cookie")
    _, taken = observer.one_exchange()
    assert taken.answer().headers == ((b"X-A", b"1"), (b"Content-Length", b"1"))


@pytest.mark.parametrize("mode", [WriteMode.RECORD, WriteMode.DRY_RUN, WriteMode.SANDBOX])
@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        pytest.param([sized(b"a=1&b=2")], b"a=1&b=2", id="with_a_length"),
        pytest.param([chunked(b"a=", b"1")], b"a=1", id="in_chunks"),
        pytest.param([sized(b"a=1")[:-2], b"=1"], b"a=1", id="in_pieces"),
        pytest.param([sized(b"")], b"", id="empty"),
        pytest.param([sized(LARGE)], LARGE, id="large"),
    ],
)
def test_a_write_is_handed_over_with_its_body(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    mode: WriteMode,
    pieces: list[bytes],
    body: bytes,
) -> None:
    wire = make_shadow(None, replace(EVERYTHING, writes=mode), path="/upload")
    assert wire.ask(*pieces, method="POST").status == 200
    request, _ = observer.one_exchange()
    assert request.body == body == wire.origin.one_request().body
    assert_balanced(wire, eligible=1, handed=1)


def test_one_exchange_for_each_request_of_a_connection(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow(lambda conversation: _echo_target(conversation))
    with wire.client() as client:
        client.send(b"".join(get(b"/s/%d" % n) for n in range(50)))
        for _ in range(50):
            assert client.read_response().status == 200
    exchanges = observer.wait_for_exchanges(50)
    assert [request.target for request, _ in exchanges] == [b"/s/%d" % n for n in range(50)]
    assert [taken.body for _, taken in exchanges] == [b"/s/%d" % n for n in range(50)]
    assert len({request.id for request, _ in exchanges}) == 50
    assert_balanced(wire, eligible=50, handed=50)


def _echo_target(conversation: Conversation) -> None:
    while True:
        conversation.send(ok(conversation.read_request().target))


def test_a_request_that_is_sent_twice_is_one_exchange(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    def dies_on_reuse(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        conversation.read_request()
        conversation.close()

    wire = make_shadow(dies_on_reuse)
    with wire.client() as client:
        client.send(get(b"/s/1"))
        assert client.read_response().status == 200
        wire.origin.script = answer(OK)
        client.send(get(b"/s/2"))
        assert client.read_response().status == 200
    assert wire.origin.targets.count(b"/s/2") == 2
    assert [r.target for r, _ in observer.wait_for_exchanges(2)] == [b"/s/1", b"/s/2"]
    assert_balanced(wire, eligible=2, handed=2)


# When it is handed over.


def test_on_response_announces_a_slow_response_with_its_head(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    wire = make_shadow(script)
    with wire.client() as client:
        client.send(get(b"/s"))
        wire.origin.wait_for_requests(1)
        assert observer.taken == []
        head.set()
        observer.wait_for(lambda: len(observer.of(Opened)) == 1)
        assert observer.of(Closed) == []
        end.set()
        assert client.read_response().body == b"abcd"
        request, taken = observer.one_exchange()
    assert (request.target, taken.body) == (b"/s", b"abcd")
    assert observer.of(Whole) == []
    assert_balanced(wire, eligible=1, handed=1)


def test_on_response_hands_over_whole_what_comes_whole(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/s"))
    observer.one_exchange()
    assert len(observer.of(Whole)) == 1


def test_concurrent_announces_a_request_before_there_is_a_response(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    wire = make_shadow(script, replace(EVERYTHING, dispatch=DispatchAt.CONCURRENT))
    with wire.client() as client:
        client.send(get(b"/s"))
        observer.wait_for(lambda: len(observer.of(Opened)) == 1)
        head.set()
        end.set()
        assert client.read_response().body == b"abcd"
        _, taken = observer.one_exchange()
    assert taken.body == b"abcd"
    assert_balanced(wire, eligible=1, handed=1)


def test_concurrent_waits_until_a_write_is_whole(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    policy = replace(EVERYTHING, dispatch=DispatchAt.CONCURRENT, writes=WriteMode.DRY_RUN)
    wire = make_shadow(None, policy, path="/upload")
    with wire.client() as client:
        client.send(sized(b"abcdef")[:-3])
        wire.origin.wait_for_connections(1)
        wire.origin.wait_for(lambda: b"abc" in wire.origin.received)
        assert observer.taken == []
        client.send(b"def")
        assert client.read_response("POST").status == 200
    request, _ = observer.one_exchange()
    assert request.body == b"abcdef"


def test_after_response_announces_nothing(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    head.set()
    wire = make_shadow(script, replace(EVERYTHING, dispatch=DispatchAt.AFTER_RESPONSE))
    with wire.client() as client:
        client.send(get(b"/s"))
        assert client.read_until(b"ab").endswith(b"ab")
        end.set()
        client.read_exactly(2)
        observer.one_exchange()
    assert len(observer.of(Whole)) == 1
    assert observer.of(Opened) == []
