"""Retry classes and fallback (http.md section 0, E1-E4): counted at the origin, not believed."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from proxy.routing.route import (
    Fallback,
    FallbackCause,
    Match,
    PathKind,
    PathMatch,
    Pool,
    Route,
    RouteFile,
    Stickiness,
    StickyKind,
    Upstream,
)
from proxy.stages import Side, Stage
from tests.rigs.fault import FaultProxy, LimitData, ResetPeer, Slicer
from tests.rigs.ledger import Ledger
from tests.rigs.scripted_origin import (
    OK,
    Conversation,
    ScriptedOrigin,
    answer,
    answer_then_close,
    closed_port,
    hang_up,
    never_answer,
)
from tests.rigs.worker_thread import CATCH_ALL, all_to
from tests.wire.conftest import TIMEOUTS, MakeWire, limited
from tests.wire.message_bytes import get, ok, sized

# As the ledger writes it, with a number of two or three digits.
HEAD = b"HTTP/1.1 200 OK\r\nX-Number: 100\r\nContent-Length: 3000\r\n\r\n"


def dies_on_reuse(how: str) -> object:
    """Script: the first request of a connection is answered, the second is read and cut off."""

    def play(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        conversation.read_request()
        conversation.reset() if how == "reset" else conversation.close()

    return play


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize(
    ("method", "idempotent", "again"),
    [
        pytest.param(b"GET", False, True, id="get"),
        pytest.param(b"HEAD", False, True, id="head"),
        pytest.param(b"OPTIONS", False, True, id="options"),
        pytest.param(b"POST", False, False, id="post"),
        pytest.param(b"PUT", False, False, id="put"),
        pytest.param(b"DELETE", False, False, id="delete"),
        pytest.param(b"POST", True, True, id="post-on-an-idempotent-route"),
    ],
)
def test_E1b_only_what_may_run_twice_is_sent_again_when_a_reused_connection_dies(
    make_wire: MakeWire, how: str, method: bytes, idempotent: bool, again: bool
) -> None:
    route = replace(CATCH_ALL, idempotent=idempotent)
    wire = make_wire(
        dies_on_reuse(how),  # type: ignore[arg-type]  # a script
        routes=lambda origin: replace(all_to(origin.url, timeouts=TIMEOUTS), routes=(route,)),
    )
    body = b"" if method in (b"GET", b"HEAD", b"OPTIONS") else b"hello"
    message = method + b" /again HTTP/1.1\r\nHost: a\r\n"
    message += b"Content-Length: 5\r\n\r\nhello" if body else b"\r\n"
    with wire.client() as client:
        client.send(get(b"/warm"))
        assert client.read_response().status == 200
        wire.origin.script = answer(OK[:-2] if method == b"HEAD" else OK)
        client.send(message)
        assert client.read_response(method.decode()).status == (200 if again else 502)
    attempts = wire.origin.targets.count(b"/again")
    assert attempts == (2 if again else 1)
    if again and body:
        assert [r.body for r in wire.origin.requests if r.target == b"/again"] == [b"hello"] * 2


def test_E1_a_safe_request_on_a_fresh_connection_is_not_hammered(make_wire: MakeWire) -> None:
    """A connection that dies on its first request is no keep-alive race."""
    wire = make_wire(answer_then_close())
    assert wire.ask(get()).status == 502
    assert len(wire.origin.requests) <= 2


@pytest.mark.parametrize(
    "partial", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"]
)
def test_E1c_nothing_is_sent_again_after_a_byte_of_the_response(
    make_wire: MakeWire, partial: bytes
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        conversation.read_request()
        conversation.send(partial)
        conversation.half_close()
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get(b"/warm"))
        assert client.read_response().status == 200
        client.send(get(b"/again"))
        received = client.read_until_close() if b"\r\n\r\n" in partial else client.read_response()
        assert b"502" in (received if isinstance(received, bytes) else b"502") or (
            isinstance(received, bytes) and received.endswith(b"he")
        )
    assert wire.origin.targets.count(b"/again") == 1


def two_endpoints(first: str, second: str, **upstream: object) -> RouteFile:
    file = all_to(first)
    legacy = Upstream(
        name="legacy",
        side=Side.LEGACY,
        urls=(first, second),
        timeouts=TIMEOUTS,
        **upstream,  # type: ignore[arg-type]  # keyword arguments of the test
    )
    return replace(file, upstreams=(legacy,))


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_E1a_a_refused_connection_sends_any_method_to_another_endpoint(
    make_wire: MakeWire, method: bytes
) -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    wire = make_wire(routes=lambda origin: two_endpoints(dead, origin.url))
    for _ in range(4):
        assert wire.ask(sized(b"hello", method=method)).status == 200
    assert [r.body for r in wire.origin.requests] == [b"hello"] * 4


def test_E1a_a_hung_up_connection_is_not_proof_that_nothing_ran(make_wire: MakeWire) -> None:
    with ScriptedOrigin(answer_then_close()) as bad:
        wire = make_wire(routes=lambda origin: two_endpoints(bad.url, origin.url))
        for _ in range(10):
            wire.ask(sized(b"hello"))
        executed = [*bad.requests, *wire.origin.requests]
        assert len(executed) == 10


def test_several_endpoints_share_the_load_by_least_requests(make_wire: MakeWire) -> None:
    may_answer = threading.Event()

    def slow(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            assert may_answer.wait(20)
            conversation.send(OK)

    with ScriptedOrigin(slow) as other:
        wire = make_wire(slow, routes=lambda origin: two_endpoints(origin.url, other.url))
        clients = [wire.client() for _ in range(10)]
        for number, client in enumerate(clients):
            client.send(get())
            wire.origin.wait_for(lambda: True)
            deadline = threading.Event()
            for _ in range(2000):
                if len(wire.origin.requests) + len(other.requests) > number:
                    break
                deadline.wait(0.005)
        assert (len(wire.origin.requests), len(other.requests)) == (5, 5)
        may_answer.set()
        for client in clients:
            assert client.read_response().status == 200


def test_E2_a_body_over_the_replay_limit_is_never_sent_twice(make_wire: MakeWire) -> None:
    route = replace(CATCH_ALL, idempotent=True)
    wire = make_wire(
        dies_on_reuse("fin"),  # type: ignore[arg-type]  # a script
        settings=limited(replay_bytes=1000),
        routes=lambda origin: replace(all_to(origin.url, timeouts=TIMEOUTS), routes=(route,)),
    )
    with wire.client() as client:
        client.send(get(b"/warm"))
        assert client.read_response().status == 200
        wire.origin.script = answer(OK)
        client.send(sized(b"x" * 1001))
        assert client.read_response("POST").status == 502
    assert wire.origin.targets.count(b"/upload") == 1


def test_D9_the_keep_alive_race_loses_and_duplicates_nothing(make_wire: MakeWire) -> None:
    """The origin closes idle connections just when they are used again; 2,000 POSTs and GETs."""
    ledger = Ledger(response_size=100)

    def script(conversation: Conversation) -> None:
        # Each connection serves between one and five requests and then hangs up without a word.
        for _ in range(1 + conversation.number * 7 % 5):
            conversation.send(ledger.execute(conversation.read_request()))
        conversation.close()

    wire = make_wire(script, pool=Pool(connections=4))

    def ask(kind: int) -> None:
        client = wire.client()
        for turn in range(250):
            number = ledger.next_number("POST" if (turn + kind) % 2 else "GET")
            if not ledger.exchange(client, number, 20):
                client.close()
                client = wire.client()
        client.close()

    threads = [threading.Thread(target=ask, args=(kind,)) for kind in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = ledger.close()
    assert (verdict.lost, verdict.duplicated, verdict.torn) == ((), (), ())
    assert verdict.succeeded + len(verdict.failed) == 2000
    # GETs are sent again, so only POSTs may have failed, and visibly.
    assert {ledger.methods[n] for n in verdict.failed} <= {"POST"}


@pytest.mark.parametrize(
    "toxic",
    [
        pytest.param(LimitData(size=11_000), id="limit_data-inside-the-fourth-response"),
        pytest.param(ResetPeer(after_bytes=7_000), id="reset_peer-inside-the-third-response"),
        pytest.param(LimitData(size=2 * (3000 + len(HEAD))), id="limit_data-between-responses"),
        pytest.param(ResetPeer(after_bytes=3000 + len(HEAD)), id="reset_peer-between-responses"),
    ],
)
def test_E1_faults_on_the_wire_lose_duplicate_and_tear_nothing(
    make_wire: MakeWire, toxic: LimitData | ResetPeer
) -> None:
    ledger = Ledger(response_size=3000)
    with ScriptedOrigin(ledger.serve) as origin:
        slicer = Slicer(size=900, variation=500)
        fault = FaultProxy(("127.0.0.1", origin.port), downward=(slicer, toxic), seed=8)
        with fault:
            wire = make_wire(routes=all_to(fault.url, timeouts=TIMEOUTS))
            client = wire.client()
            for turn in range(200):
                number = ledger.next_number("POST" if turn % 2 else "GET")
                if not ledger.exchange(client, number, 50):
                    client.close()
                    client = wire.client()
            client.close()
    verdict = ledger.close()
    assert (verdict.lost, verdict.duplicated, verdict.torn) == ((), (), ())
    assert verdict.failed
    assert verdict.succeeded > 50


def moved(legacy: str, new: str, fallback: Fallback | None, **route: object) -> RouteFile:
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=(legacy,), timeouts=TIMEOUTS),
            Upstream(
                name="fresh",
                side=Side.NEW,
                urls=(new,),
                timeouts=replace(TIMEOUTS, first_byte=0.3, connect=0.3),
            ),
        ),
        routes=(
            Route(
                id="moved",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/"), hosts=("a",)),
                new="fresh",
                stage=Stage.LIVE,
                stickiness=Stickiness(kind=StickyKind.NONE),
                fallback=fallback,
                **route,  # type: ignore[arg-type]  # keyword arguments of the test
            ),
            CATCH_ALL,
        ),
        revision="test",
    )


EVERYTHING = Fallback(when=tuple(FallbackCause), methods=("GET", "HEAD"), budget=1.0)


def status(code: int) -> object:
    return answer(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % code)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    ("broken", "code"),
    [
        pytest.param(None, 502, id="refused"),
        pytest.param(hang_up, 502, id="hangs-up"),
        pytest.param(never_answer, 504, id="never-answers"),
        pytest.param(status(500), 500, id="500"),
        pytest.param(status(502), 502, id="502"),
        pytest.param(status(503), 503, id="503"),
        pytest.param(status(504), 504, id="504"),
    ],
)
def test_E4_legacy_answers_for_a_new_side_that_cannot(
    make_wire: MakeWire, broken: object, code: int, method: bytes
) -> None:
    with ScriptedOrigin(broken or hang_up) as new:  # type: ignore[arg-type]  # a script
        url = new.url if broken else f"http://127.0.0.1:{closed_port()}"
        wire = make_wire(routes=lambda legacy: moved(legacy.url, url, EVERYTHING))
        response = wire.ask(sized(b"hello", method=method))
        if method == b"GET":
            assert (response.status, response.body) == (200, b"ok")
            assert wire.origin.one_request().body == b"hello"
        else:
            assert response.status == code
            assert wire.origin.requests == []
            assert len(new.requests) <= 1


@pytest.mark.parametrize("code", [200, 404, 501, 505, 429])
def test_E4_a_response_that_is_no_listed_failure_is_kept(make_wire: MakeWire, code: int) -> None:
    with ScriptedOrigin(status(code)) as new:  # type: ignore[arg-type]  # a script
        wire = make_wire(routes=lambda legacy: moved(legacy.url, new.url, EVERYTHING))
        assert wire.ask(get()).status == code
        assert wire.origin.requests == []


def test_E4_without_a_fallback_the_failure_is_shown(make_wire: MakeWire) -> None:
    with ScriptedOrigin(status(503)) as new:  # type: ignore[arg-type]  # a script
        wire = make_wire(routes=lambda legacy: moved(legacy.url, new.url, None))
        assert wire.ask(get()).status == 503
        assert wire.origin.requests == []


def test_E4_after_the_first_byte_of_the_response_there_is_no_fallback(make_wire: MakeWire) -> None:
    cut = answer_then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
    with ScriptedOrigin(cut) as new:
        wire = make_wire(routes=lambda legacy: moved(legacy.url, new.url, EVERYTHING))
        with wire.client() as client:
            client.send(get())
            received = client.read_until_close()
            assert b"ok" not in received.partition(b"\r\n\r\n")[2]
        assert wire.origin.requests == []


def test_E3_the_fallback_budget_bounds_what_legacy_gets(make_wire: MakeWire) -> None:
    tenth = replace(EVERYTHING, budget=0.1)
    with ScriptedOrigin(status(503)) as new:  # type: ignore[arg-type]  # a script
        wire = make_wire(routes=lambda legacy: moved(legacy.url, new.url, tenth))
        with wire.client() as client:
            statuses = []
            for _ in range(300):
                client.send(get())
                statuses.append(client.read_response().status)
        assert set(statuses) == {200, 503}
        # A tenth of 300 requests, and whatever reserve a fresh bucket starts with.
        assert 20 <= statuses.count(200) <= 60
        assert len(wire.origin.requests) == statuses.count(200)


def test_E3_retries_do_not_multiply_the_load_on_an_upstream_that_fails(
    make_wire: MakeWire,
) -> None:
    """Every connection answers once and dies on its second request: each GET could be retried."""
    wire = make_wire(dies_on_reuse("fin"), pool=Pool(connections=4))  # type: ignore[arg-type]  # a script
    statuses = []
    with wire.client() as client:
        for _ in range(200):
            client.send(get())
            statuses.append(client.read_response().status)
    assert set(statuses) == {200, 502}
    # A fifth of the requests, and the reserve of ten that every bucket starts with.
    retries = len(wire.origin.requests) - len(statuses)
    assert 10 < retries <= 10 + 0.2 * len(wire.origin.requests)


def test_a_fallback_hands_the_client_exactly_what_legacy_said(make_wire: MakeWire) -> None:
    with ScriptedOrigin(status(503)) as new:  # type: ignore[arg-type]  # a script
        wire = make_wire(
            answer(ok(b"legacy", b"Set-Cookie: a=1\r\nX-\xe4: 1\r\n".replace(b"X-\xe4", b"X-A"))),
            routes=lambda legacy: moved(legacy.url, new.url, EVERYTHING),
        )
        response = wire.ask(get(b"/p?q="))
        assert response.body == b"legacy"
        assert response.values(b"set-cookie") == [b"a=1"]
        assert wire.origin.one_request().target == b"/p?q="
