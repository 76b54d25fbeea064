"""What the observer gets of a request, what is counted, and that the client never notices."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flags.snapshot import FlagSnapshot
from proxy.evidence.outcome import Outcome
from proxy.handover import Closed, Ended, Opened, Whole
from proxy.routing.route import (
    Fallback,
    FallbackCause,
    Match,
    PathKind,
    PathMatch,
    Pool,
    Rewrite,
    Route,
    RouteFile,
    Upstream,
)
from proxy.settings import MIB, Settings
from proxy.shadow_policy import (
    DispatchAt,
    ObserverPolicy,
    SampleKey,
    SampleKeyKind,
    ShadowPolicy,
    WriteMode,
)
from proxy.stages import Reason, Side, Stage
from proxy.tee import outlet as outlet_module
from proxy.tee import tee as tee_module
from proxy.tee.copy import Copy
from tests.rigs.raw_client import RawClient, Truncated
from tests.rigs.scripted_observer import ScriptedObserver, hang_up, never_read, talk
from tests.rigs.scripted_origin import (
    OK,
    Conversation,
    Script,
    ScriptedOrigin,
    answer,
    answer_then_close,
    answer_then_reset,
    closed_port,
)
from tests.rigs.worker_process import WorkerProcess
from tests.rigs.worker_thread import CATCH_ALL
from tests.wire.conftest import SETTINGS, TIMEOUTS, MakeWire, Wire
from tests.wire.message_bytes import chunked, get, in_chunks, ok, sized

EVERYTHING = ShadowPolicy(sample=1.0)


def shadowed(
    legacy: str,
    policy: ShadowPolicy = EVERYTHING,
    *,
    new: str = "http://127.0.0.1:1",
    stage: Stage = Stage.SHADOW,
    observer: ObserverPolicy = ObserverPolicy(),
    path: str = "/s",
    **route: Any,
) -> RouteFile:
    """One route under a prefix whose requests are copied, beside a monolith where nothing is."""
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=(legacy,), timeouts=TIMEOUTS),
            Upstream(name="new", side=Side.NEW, urls=(new,), timeouts=TIMEOUTS),
        ),
        routes=(
            Route(
                id="shown",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value=path)),
                new="new",
                stage=stage,
                shadow=policy,
                **route,
            ),
            CATCH_ALL,
        ),
        shadow=observer,
        revision="r1",
    )


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[ScriptedObserver]:
    with ScriptedObserver(tmp_path / "observer") as observer:
        yield observer


@pytest.fixture
def make_shadow(make_wire: MakeWire, observer: ScriptedObserver) -> Callable[..., Wire]:
    """A proxy whose route `shown` is copied to `observer`, connected already."""

    def make(
        script: Script | None = None,
        policy: ShadowPolicy = EVERYTHING,
        *,
        settings: Settings = SETTINGS,
        flags: FlagSnapshot | None = None,
        **options: Any,
    ) -> Wire:
        wire = make_wire(
            script,
            settings=settings,
            routes=lambda origin: shadowed(origin.url, policy, **options),
            flags=flags or FlagSnapshot(revision=7),
            observer=str(observer.path),
        )
        observer.wait_for(lambda: len(observer.hellos) == 1)
        return wire

    return make


def books(wire: Wire, route: str = "shown") -> tuple[int, int, dict[tuple[str, str], int]]:
    """(eligible, handed over, own ends) of a route; asked when nothing is in flight."""

    def ask() -> tuple[int, int, dict[tuple[str, str], int]]:
        found = wire.proxy.worker.books.of(route)
        ended = {(o.value, detail): count for (o, detail), count in found.ended.items()}
        return found.eligible, found.handed, ended

    eligible, handed, ended = wire.proxy.ask(ask)
    return eligible, handed, ended


def wait_until(wire: Wire, happened: Callable[[], bool]) -> None:
    """Poll a condition of the worker, on its own loop."""
    for _ in range(1000):
        if wire.proxy.ask(happened):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"in vain: {wire.proxy.worker.books.all()}")


def assert_balanced(wire: Wire, *, eligible: int, handed: int, **ended: int) -> None:
    """Every eligible request has one end; the worker's are named `outcome__detail`."""
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    wanted = {(key.partition("__")[0], key.partition("__")[2]): n for key, n in ended.items()}
    assert books(wire) == (eligible, handed, wanted)
    assert eligible == handed + sum(ended.values())
    assert wire.proxy.ask(lambda: wire.proxy.worker.outlet.held) == 0


# What is handed over.


def play(response: bytes, *more: bytes, close: bool = False) -> Script:
    """Script: these pieces, each in a send of its own that the proxy has read before the next."""

    def script(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(response)
            for piece in more:
                threading.Event().wait(0.01)
                conversation.send(piece)
            if close:
                conversation.half_close()
                conversation.wait_until_left()

    return script


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


def gate() -> tuple[Script, threading.Event, threading.Event]:
    """A script that answers in two halves; the events let the head and the end go."""
    head, end = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        head.wait(20)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        end.wait(20)
        conversation.send(b"cd")
        answer(OK)(conversation)

    return script, head, end


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


# What is eligible.


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        pytest.param(sized(b"x"), "method", id="post"),
        pytest.param(sized(b"x", method=b"PUT"), "method", id="put"),
        pytest.param(b"DELETE /upload HTTP/1.1\r\nHost: a\r\n\r\n", "method", id="delete"),
        pytest.param(get(b"/upload/logout"), "unsafe_get", id="logout"),
        pytest.param(get(b"/upload?action=delete"), "unsafe_get", id="action"),
        pytest.param(
            b"HEAD /upload/logout HTTP/1.1\r\nHost: a\r\n\r\n", "unsafe_get", id="head_logout"
        ),
        pytest.param(get(b"/upload", b"Range: bytes=0-1\r\n"), "range", id="range"),
        pytest.param(
            get(b"/upload", b"accept: Text/Event-Stream\r\n"), "event_stream", id="event_stream"
        ),
        pytest.param(
            get(
                b"/upload",
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            "upgrade",
            id="upgrade",
        ),
    ],
)
def test_what_is_not_eligible_is_counted_by_reason(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    request_bytes: bytes,
    reason: str,
) -> None:
    wire = make_shadow(path="/upload")
    method = request_bytes.partition(b" ")[0].decode()
    with wire.client() as client:
        client.send(request_bytes)
        assert client.read_response(method).status == 200
    ineligible = wire.proxy.ask(lambda: dict(wire.proxy.worker.books.of("shown").ineligible))
    assert ineligible == {reason: 1}
    assert_balanced(wire, eligible=0, handed=0)
    assert observer.taken == []


def test_an_ineligible_request_stays_so_when_its_head_is_recalled(
    make_shadow: Callable[..., Wire],
) -> None:
    wire = make_shadow()
    with wire.client() as client:
        for _ in range(3):
            client.send(get(b"/s", b"Range: bytes=0-1\r\n"))
            assert client.read_response().status == 200
    ineligible = wire.proxy.ask(lambda: dict(wire.proxy.worker.books.of("shown").ineligible))
    assert ineligible == {"range": 3}


def test_other_routes_are_neither_copied_nor_counted(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/other"))
    wire.ask(get(b"/s"))
    observer.one_exchange()
    assert [b.route for b in wire.proxy.ask(wire.proxy.worker.books.all)] == ["shown"]


def test_a_client_cannot_mute_the_upstreams(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/s", b"X-Figway-Shadow: 1\r\nx-figway-dry-run: 1\r\nX-Kept: 1\r\n"))
    request, _ = observer.one_exchange()
    received = wire.origin.one_request()
    assert not received.has(b"x-figway-shadow")
    assert not received.has(b"x-figway-dry-run")
    assert received.has(b"x-kept")
    assert request.field(b"x-figway-shadow") is None


@pytest.mark.parametrize("name", [b"X-Figway-Shadow", b"X-Figway-Dry-Run"])
def test_a_shadow_request_of_a_trusted_proxy_is_passed_on_and_not_copied_again(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver, name: bytes
) -> None:
    wire = make_shadow(settings=replace(SETTINGS, trusted_proxies=("127.0.0.1/32",)))
    wire.ask(get(b"/s", name + b": 1\r\n"))
    assert wire.origin.one_request().values(name) == [b"1"]
    ineligible = wire.proxy.ask(lambda: dict(wire.proxy.worker.books.of("shown").ineligible))
    assert ineligible == {"shadow": 1}
    assert observer.taken == []


# Sampling.


SESSIONS = [b"session-%d" % n for n in range(200)]


def sampled(wire: Wire, observer: ScriptedObserver, fields: list[bytes]) -> set[bytes]:
    """Ask twice in each session; give the fields whose requests were handed over, each twice."""
    with wire.client() as client:
        for number, field in enumerate(fields * 2):
            client.send(get(b"/s/%d" % (number % len(fields)), field))
            assert client.read_response().status == 200
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    _, handed, _ = books(wire)
    targets = [request.target for request, _ in observer.wait_for_exchanges(handed)]
    assert all(targets.count(target) == 2 for target in targets)
    return {fields[int(target[3:])] for target in targets}


@pytest.mark.parametrize(
    ("key", "field"),
    [
        pytest.param(SampleKey(), b"Cookie: figway_id=%032x\r\n", id="client"),
        pytest.param(
            SampleKey(kind=SampleKeyKind.COOKIE, name="PHPSESSID"),
            b"Cookie: a=b; PHPSESSID=s%d\r\n",
            id="cookie",
        ),
        pytest.param(
            SampleKey(kind=SampleKeyKind.HEADER, name="X-Customer"),
            b"x-customer: %d\r\n",
            id="header",
        ),
    ],
)
def test_a_session_is_wholly_in_the_sample_or_wholly_out(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver, key: SampleKey, field: bytes
) -> None:
    wire = make_shadow(None, ShadowPolicy(sample=0.3, key=key))
    fields = [field % n for n in range(200)]
    assert 30 <= len(sampled(wire, observer, fields)) <= 90
    found = wire.proxy.ask(lambda: wire.proxy.worker.books.of("shown"))
    assert found.eligible + found.ineligible["unsampled"] == 400


def test_a_larger_sample_holds_the_smaller_one(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow(None, ShadowPolicy(sample=0.1))
    fields = [b"Cookie: figway_id=%032x\r\n" % n for n in range(100)]
    small = sampled(wire, observer, fields)
    observer.frames.clear()
    wire.proxy.change(routes=shadowed(wire.origin.url, ShadowPolicy(sample=0.5)))
    wire.proxy.ask(lambda: setattr(wire.proxy.worker.books.of("shown"), "handed", 0))
    assert small < sampled(wire, observer, fields)


def test_a_client_without_the_key_is_known_by_its_address_and_gets_no_cookie(
    make_shadow: Callable[..., Wire],
) -> None:
    wire = make_shadow(None, ShadowPolicy(sample=0.5))
    for n in range(20):
        with wire.client(source=f"127.0.0.{n + 2}") as client:
            for _ in range(2):
                client.send(get(b"/s"))
                assert not client.read_response().values(b"set-cookie")
    found = wire.proxy.ask(lambda: wire.proxy.worker.books.of("shown"))
    assert found.eligible + found.ineligible["unsampled"] == 40
    assert found.eligible % 2 == 0
    assert 0 < found.eligible < 40


def test_a_whole_sample_needs_no_hash(
    make_shadow: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not(_: str) -> int:
        raise AssertionError

    monkeypatch.setattr(tee_module, "bucket_of", must_not)
    wire = make_shadow()
    assert wire.ask(get(b"/s")).status == 200
    assert_balanced(wire, eligible=1, handed=1)


# Every eligible request ends once.


def test_a_client_that_leaves_takes_the_exchange_with_it(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    wire = make_shadow(script)
    with wire.client() as client:
        client.send(get(b"/s"))
        wire.origin.wait_for_requests(1)
        client.reset()
    assert_balanced(wire, eligible=1, handed=0, aborted__client_disconnected=1)
    head.set()
    end.set()
    assert observer.taken == []


def test_a_client_that_leaves_during_the_response_ends_what_was_opened(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    head.set()
    wire = make_shadow(script)
    with wire.client() as client:
        client.send(get(b"/s"))
        observer.wait_for(lambda: len(observer.of(Opened)) == 1)
        client.reset()
    observer.wait_for(lambda: bool(observer.ended))
    end.set()
    assert observer.ended == [("aborted", "client_disconnected")]
    assert_balanced(wire, eligible=1, handed=1)


def test_a_write_that_outlives_its_client_is_no_exchange(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    wire = make_shadow(script, replace(EVERYTHING, writes=WriteMode.DRY_RUN), path="/upload")
    with wire.client() as client:
        client.send(sized(b"order"))
        wire.origin.wait_for_requests(1)
        client.reset()
    head.set()
    end.set()
    assert_balanced(wire, eligible=1, handed=0, aborted__client_disconnected=1)
    assert observer.taken == []


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        pytest.param(answer_then_reset(), "aborted__closed", id="no_answer"),
        pytest.param(answer_then_close(b"what?"), "aborted__broken_response", id="not_http"),
        pytest.param(
            answer_then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "", id="cut"
        ),
    ],
)
def test_a_primary_that_fails_leaves_nothing_to_compare(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver, script: Script, ended: str
) -> None:
    wire = make_shadow(script)
    if ended:
        assert wire.ask(get(b"/s")).status == 502
        assert_balanced(wire, eligible=1, handed=0, **{ended: 1})
    else:
        with pytest.raises(Truncated):
            wire.ask(get(b"/s"))
        observer.wait_for(lambda: bool(observer.ended))
        assert observer.ended == [("aborted", "closed")]
        assert_balanced(wire, eligible=1, handed=1)


def test_a_primary_that_cannot_be_reached_leaves_nothing_to_compare(
    make_wire: MakeWire, observer: ScriptedObserver
) -> None:
    wire = make_wire(
        routes=shadowed(f"http://127.0.0.1:{closed_port()}"), observer=str(observer.path)
    )
    assert wire.ask(get(b"/s")).status == 502
    assert_balanced(wire, eligible=1, handed=0, aborted__connect=1)


@pytest.mark.parametrize("dispatch", list(DispatchAt))
def test_a_fallback_leaves_nobody_to_compare_with(
    make_wire: MakeWire, observer: ScriptedObserver, dispatch: DispatchAt
) -> None:
    with ScriptedOrigin(answer(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")) as new:
        wire = make_wire(
            routes=lambda origin: shadowed(
                origin.url,
                replace(EVERYTHING, dispatch=dispatch),
                new=new.url,
                stage=Stage.LIVE,
                fallback=Fallback(when=tuple(FallbackCause)),
            ),
            observer=str(observer.path),
        )
        observer.wait_for(lambda: bool(observer.hellos))
        assert wire.ask(get(b"/s")).status == 200
    assert wire.origin.targets == [b"/s"]
    if dispatch is DispatchAt.CONCURRENT:
        observer.wait_for(lambda: bool(observer.ended))
        assert observer.ended == [("aborted", "fallback")]
        assert_balanced(wire, eligible=1, handed=1)
    else:
        assert_balanced(wire, eligible=1, handed=0, aborted__fallback=1)


def test_a_rollback_ends_what_waits_for_the_new_side(
    make_wire: MakeWire, observer: ScriptedObserver
) -> None:
    """It goes to legacy after all, so legacy is no shadow of it any more."""
    script, head, end = gate()
    with ScriptedOrigin(script) as new:

        def one_connection_each(origin: ScriptedOrigin) -> RouteFile:
            file = shadowed(origin.url, new=new.url, stage=Stage.LIVE)
            narrow = (replace(upstream, pool=Pool(connections=1)) for upstream in file.upstreams)
            return replace(file, upstreams=tuple(narrow))

        wire = make_wire(routes=one_connection_each, observer=str(observer.path))
        observer.wait_for(lambda: bool(observer.hellos))
        with wire.client() as first, wire.client() as second:
            first.send(get(b"/s/1"))
            new.wait_for_requests(1)
            second.send(get(b"/s/2"))
            wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 2)
            wire.proxy.change(flags=FlagSnapshot(revision=8, rollback_all=True))
            head.set()
            end.set()
            assert first.read_response().body == b"abcd"
            assert second.read_response().body == b"ok"
    assert wire.origin.targets == [b"/s/2"]
    assert_balanced(wire, eligible=2, handed=1, aborted__rollback=1)


BIG = ok(b"x" * 3000)


@pytest.mark.parametrize("dispatch", list(DispatchAt))
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(play(BIG), id="at_once"),
        pytest.param(play(BIG[:500], BIG[500:]), id="in_two"),
        pytest.param(
            play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", in_chunks(b"x" * 3000)),
            id="in_chunks",
        ),
        pytest.param(play(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 3000, close=True), id="until_close"),
    ],
)
def test_a_response_over_the_limit_is_shed(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    dispatch: DispatchAt,
    script: Script,
) -> None:
    wire = make_shadow(
        script, replace(EVERYTHING, dispatch=dispatch), observer=ObserverPolicy(max_body=2000)
    )
    assert wire.ask(get(b"/s")).body == b"x" * 3000
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    eligible, handed, ended = books(wire)
    if handed:
        observer.wait_for(lambda: bool(observer.ended))
        assert observer.ended == [("shed", "oversize")]
        assert (eligible, handed, ended) == (1, 1, {})
    else:
        assert (eligible, ended) == (1, {("shed", "oversize"): 1})
    assert observer.of(Whole, Closed) == []
    assert_balanced(wire, eligible=1, handed=handed, **({} if handed else {"shed__oversize": 1}))


def test_a_response_of_just_the_limit_is_not_shed(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow(play(ok(b"x" * 2000)), observer=ObserverPolicy(max_body=2000))
    wire.ask(get(b"/s"))
    _, taken = observer.one_exchange()
    assert len(taken.body) == 2000


def test_a_head_response_that_announces_much_is_not_shed(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script = play(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
    wire = make_shadow(script, observer=ObserverPolicy(max_body=2000))
    wire.ask(b"HEAD /s HTTP/1.1\r\nHost: a\r\n\r\n", method="HEAD")
    observer.one_exchange()


@pytest.mark.parametrize(
    "request_bytes",
    [sized(b"y" * 3000), chunked(b"y" * 1500, b"y" * 1500)],
    ids=["sized", "chunked"],
)
def test_a_request_over_the_limit_is_shed_and_goes_through(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver, request_bytes: bytes
) -> None:
    wire = make_shadow(
        None,
        replace(EVERYTHING, writes=WriteMode.RECORD),
        path="/upload",
        observer=ObserverPolicy(max_body=2000),
    )
    assert wire.ask(request_bytes, method="POST").status == 200
    assert wire.origin.one_request().body == b"y" * 3000
    assert_balanced(wire, eligible=1, handed=0, shed__oversize=1)
    assert observer.taken == []


def test_an_answer_before_the_request_was_whole_is_no_exchange(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    def early(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        conversation.wait_until_left()

    wire = make_shadow(early, replace(EVERYTHING, writes=WriteMode.DRY_RUN), path="/upload")
    with wire.client() as client:
        client.send(sized(b"abc")[:-2])
        assert client.read_response("POST").status == 413
    assert_balanced(wire, eligible=1, handed=0, aborted__early_response=1)


def test_a_broken_request_body_is_no_exchange(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow(None, replace(EVERYTHING, writes=WriteMode.DRY_RUN), path="/upload")
    with wire.client() as client:
        client.send(chunked(b"abc")[:-5])
        wire.origin.wait_for_connections(1)
        wire.origin.wait_for(lambda: b"abc" in wire.origin.received)
        client.send(b"zz\r\n")
        assert client.read_response("POST").status == 400
    assert_balanced(wire, eligible=1, handed=0, aborted__bad_request=1)


# The kill switch.


def has_no_tee(wire: Wire) -> bool:
    generation = wire.proxy.worker.generation
    return generation is not None and generation.tee is None


def test_a_pause_stops_copying_with_the_next_request(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    with wire.client() as client:
        client.send(get(b"/s"))
        assert client.read_response().status == 200
        observer.one_exchange()
        wire.proxy.change(flags=FlagSnapshot(revision=8, shadow_paused=True))
        client.send(get(b"/s"))
        assert client.read_response().status == 200
        assert has_no_tee(wire)
        wire.proxy.change(flags=FlagSnapshot(revision=9))
        client.send(get(b"/s/last"))
        assert client.read_response().status == 200
    (_, _), (request, _) = observer.wait_for_exchanges(2)
    assert request.target == b"/s/last"
    assert request.decided.flag_revision == 9
    assert_balanced(wire, eligible=2, handed=2)


def test_the_kill_switch_in_the_file_copies_nothing(make_shadow: Callable[..., Wire]) -> None:
    wire = make_shadow(observer=ObserverPolicy(kill_switch=True))
    assert wire.ask(get(b"/s")).status == 200
    assert has_no_tee(wire)
    assert_balanced(wire, eligible=0, handed=0)


def test_a_table_without_a_sample_has_no_tee(make_wire: MakeWire) -> None:
    wire = make_wire(routes=lambda origin: shadowed(origin.url, ShadowPolicy()))
    assert wire.ask(get(b"/s")).status == 200
    assert has_no_tee(wire)


# The observer misbehaves.


def test_without_an_observer_every_copy_is_shed_and_counted(make_wire: MakeWire) -> None:
    wire = make_wire(routes=lambda origin: shadowed(origin.url))
    for _ in range(3):
        assert wire.ask(get(b"/s")).status == 200
    assert_balanced(wire, eligible=3, handed=0, shed__observer_down=3)


@pytest.mark.parametrize("manner", [None, never_read, talk, hang_up])
def test_no_observer_changes_what_the_client_gets(
    make_wire: MakeWire, tmp_path: Path, manner: Callable[..., None] | None
) -> None:
    body = bytes(range(256)) * 40
    script = play(ok(body, b"X-Some: field\r\n"))
    with ScriptedObserver(tmp_path / "o", manner) as observer:
        observed = make_wire(
            script, routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        alone = make_wire(script, routes=lambda origin: shadowed(origin.url, ShadowPolicy()))
        raw = []
        for wire in (observed, alone):
            with wire.client() as client:
                for _ in range(100):
                    client.send(get(b"/s"))
                    assert client.read_response().body == body
                raw.append(bytes(client.received))
        assert raw[0] == raw[1]
        assert_sums_up(observed, eligible=100)


def assert_sums_up(wire: Wire, *, eligible: int) -> None:
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    counted, handed, ended = books(wire)
    assert counted == eligible == handed + sum(ended.values())
    assert set(ended) <= {("shed", "queue"), ("shed", "observer_down")}


def test_an_observer_that_does_not_read_costs_no_more_than_the_bound(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    body = b"x" * 100_000
    with ScriptedObserver(tmp_path / "o", never_read) as observer:
        wire = make_wire(
            play(ok(body)), routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        observer.wait_for(lambda: observer.connections == 1)
        with wire.client() as client:
            for _ in range(200):
                client.send(get(b"/s"))
                assert len(client.read_response().body) == len(body)
        waiting = wire.proxy.ask(lambda: wire.proxy.worker.outlet.waiting)
        assert len(body) < waiting <= outlet_module.WAITING_BYTES + 100_000
        _, handed, ended = books(wire)
        assert ended == {("shed", "queue"): 200 - handed}
        assert handed < 110
        assert_sums_up(wire, eligible=200)


@pytest.mark.parametrize(
    ("step", "size"),
    [
        pytest.param("_hand_over", 10, id="handing over"),
        pytest.param("_open", 300_000, id="opening"),
        pytest.param("_hold", 300_000, id="holding"),
    ],
)
def test_a_defect_of_the_copy_ends_the_copy_and_never_the_answer(
    make_shadow: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, step: str, size: int
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Copy, step, broken)
    body = b"x" * size
    wire = make_shadow(play(ok(body)))
    with wire.client() as client:
        for _ in range(3):
            client.send(get(b"/s"))
            assert client.read_response().body == body
    assert_balanced(wire, eligible=3, handed=0, shed__internal=3)
    assert [str(told["exception"]) for told in wire.proxy.unhandled] == ["a defect"] * 3
    wire.proxy.unhandled.clear()


def test_what_waited_for_an_observer_comes_whole_when_it_reads_again(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    go = threading.Event()

    def read_later(sock: socket.socket, over: threading.Event) -> None:
        while not (go.wait(0.01) or over.is_set()):
            pass
        observer.read(sock)

    with ScriptedObserver(tmp_path / "o", read_later) as observer:
        wire = make_wire(
            _echo_a_lot, routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        observer.wait_for(lambda: observer.connections == 1)
        with wire.client() as client:
            for n in range(150):
                client.send(get(b"/s/%d" % n))
                assert client.read_response().status == 200
        _, handed, ended = books(wire)
        assert ended == {("shed", "queue"): 150 - handed}
        go.set()
        exchanges = observer.wait_for_exchanges(handed)
        # The first ones: those that found no room came later.
        assert [r.target for r, _ in exchanges] == [b"/s/%d" % n for n in range(handed)]
        assert all(taken.body == r.target * 20_000 for r, taken in exchanges)
        assert wire.ask(get(b"/s/last")).status == 200
        assert observer.wait_for_exchanges(handed + 1)[-1][0].target == b"/s/last"


def _echo_a_lot(conversation: Conversation) -> None:
    while True:
        conversation.send(ok(conversation.read_request().target * 20_000))


def test_what_slow_clients_make_it_hold_is_bounded_too(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet_module, "HELD_BYTES", 250_000)
    monkeypatch.setattr(outlet_module, "WAITING_BYTES", 250_000)
    release = threading.Event()

    def slow(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60001\r\n\r\n" + b"x" * 60_000)
        release.wait(20)
        conversation.send(b"x")
        conversation.wait_until_left()

    wire = make_shadow(slow, observer=ObserverPolicy(max_body=61_000))
    clients = [wire.client() for _ in range(10)]
    for client in clients:
        client.send(get(b"/s"))
        client.read_until(b"x" * 60_000)
    assert wire.proxy.ask(lambda: wire.proxy.worker.outlet.held) <= 250_000
    release.set()
    for client in clients:
        client.read_exactly(1)
    whole = observer.wait_for_exchanges(4)
    assert all(len(taken.body) == 60_001 for _, taken in whole)
    assert_balanced(wire, eligible=10, handed=4, shed__queue=6)


def test_memory_stays_bounded_with_an_observer_that_never_reads(tmp_path: Path) -> None:
    body = b"x" * 500_000
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin(play(ok(body))))
        observer = stack.enter_context(ScriptedObserver(tmp_path / "o", never_read))
        process = stack.enter_context(
            WorkerProcess(shadowed(origin.url), SETTINGS, observer=str(observer.path))
        )
        observer.wait_for(lambda: observer.connections == 1)
        client = stack.enter_context(RawClient(process.address))
        for _ in range(5):
            client.send(get(b"/s"))
            assert len(client.read_response().body) == len(body)
            client.received.clear()
        before = process.resident_bytes()
        for _ in range(200):
            client.send(get(b"/s"))
            assert len(client.read_response().body) == len(body)
            client.received.clear()
        assert process.resident_bytes() - before < 32 * MIB


# Coming and going.


def test_an_observer_that_comes_later_is_found_and_told_everything(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    path = tmp_path / "o"
    wire = make_wire(routes=lambda origin: shadowed(origin.url), observer=str(path))
    wire.ask(get(b"/s"))
    wire.ask(sized(b"x").replace(b"/upload", b"/s"), method="POST")
    with ScriptedObserver(path) as observer:
        observer.wait_for(lambda: "shown" in observer.ledger())
        row = observer.ledger()["shown"]
        assert (row.eligible, row.handed) == (1, 0)
        assert row.ended == {(Outcome.SHED, "observer_down"): 1}
        assert row.ineligible == {"method": 1}
        wire.ask(get(b"/s"))
        observer.one_exchange()
        observer.wait_for(lambda: observer.ledger()["shown"].handed == 1)


def test_after_an_observer_was_replaced_the_books_tell_what_was_handed_to_both(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    path = tmp_path / "o"
    with ScriptedObserver(path) as first:
        wire = make_wire(routes=lambda origin: shadowed(origin.url), observer=str(path))
        first.wait_for(lambda: bool(first.hellos))
        wire.ask(get(b"/s/1"))
        first.one_exchange()
    wait_until(wire, lambda: wire.proxy.worker.outlet.connection == 0)
    wire.ask(get(b"/s/2"))
    with ScriptedObserver(path) as second:
        second.wait_for(lambda: "shown" in second.ledger())
        wire.ask(get(b"/s/3"))
        second.one_exchange()
        second.wait_for(lambda: second.ledger()["shown"].handed == 2)
        assert second.hellos[0].boot == first.hellos[0].boot
        row = second.ledger()["shown"]
        assert (row.eligible, row.ended) == (3, {(Outcome.SHED, "observer_down"): 1})


def test_what_was_opened_before_is_not_closed_for_another_observer(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    script, head, end = gate()
    head.set()
    with ScriptedObserver(tmp_path / "o") as observer:
        wire = make_wire(
            script, routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        observer.wait_for(lambda: bool(observer.hellos))
        with wire.client() as client:
            client.send(get(b"/s"))
            observer.wait_for(lambda: len(observer.of(Opened)) == 1)
            observer.drop_connections()
            observer.wait_for(lambda: len(observer.hellos) == 2)
            end.set()
            assert client.read_response().body == b"abcd"
        assert_balanced(wire, eligible=1, handed=1)
        wire.origin.script = answer(OK)
        wire.ask(get(b"/s/next"))
        observer.wait_for(lambda: len(observer.of(Whole)) == 1)
        assert observer.of(Closed, Ended) == []


def test_the_last_books_are_told_when_a_worker_drains(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    head.set()
    wire = make_shadow(script)
    with wire.client() as client:
        client.send(get(b"/s"))
        observer.wait_for(lambda: len(observer.of(Opened)) == 1)
        wire.proxy.do(wire.proxy.worker.drain(0.1))
        end.set()
    observer.wait_for(lambda: bool(observer.ended) and "shown" in observer.ledger())
    assert observer.ended == [("aborted", "client_disconnected")]
    row = observer.ledger()["shown"]
    assert (row.eligible, row.handed) == (1, 1)


def test_a_new_route_table_keeps_the_books(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/s"))
    wire.proxy.with_revision("r2")
    wire.ask(get(b"/s"))
    (first, _), (second, _) = observer.wait_for_exchanges(2)
    assert (first.decided.config_revision, second.decided.config_revision) == ("r1", "r2")
    assert_balanced(wire, eligible=2, handed=2)


def test_more_decisions_than_a_connection_has_numbers_for(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet_module, "_NUMBERS", 3)
    wire = make_shadow()
    for revision in range(8):
        wire.proxy.with_revision(f"r{revision}")
        wire.ask(get(b"/s"))
    exchanges = observer.wait_for_exchanges(8)
    assert [r.decided.config_revision for r, _ in exchanges] == [f"r{n}" for n in range(8)]


def test_the_metrics_tell_the_workers_share(make_wire: MakeWire) -> None:
    wire = make_wire(routes=lambda origin: shadowed(origin.url))
    wire.ask(get(b"/s"))
    wire.ask(get(b"/s", b"Range: bytes=0-1\r\n"))
    series = {
        (s.metric, s.labels): s.value for s in wire.proxy.ask(wire.proxy.worker.snapshot).series
    }
    assert series["figway_shadow_eligible_total", ("shown",)] == 1
    assert series["figway_shadow_outcomes_total", ("shown", "shed", "")] == 1
    assert series["figway_shadow_drops_total", ("shown", "shed", "observer_down")] == 1
    assert series["figway_shadow_ineligible_total", ("shown", "range")] == 1
    assert series["figway_shadow_handed_over_total", ("shown",)] == 0
