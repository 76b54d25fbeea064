"""Every eligible request ends once, and is counted there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flags.snapshot import FlagSnapshot
from proxy.handover import Closed, Opened, Whole
from proxy.routing.route import Fallback, FallbackCause, Pool, RouteFile
from proxy.shadow_policy import DispatchAt, ObserverPolicy, WriteMode
from proxy.stages import Stage
from tests.rigs.raw_client import Truncated
from tests.rigs.scripted_observer import ScriptedObserver
from tests.rigs.scripted_origin import (
    Conversation,
    Script,
    ScriptedOrigin,
    answer,
    answer_then_close,
    answer_then_reset,
    closed_port,
)
from tests.wire.conftest import MakeWire, Wire
from tests.wire.message_bytes import chunked, get, in_chunks, ok, sized
from tests.wire.shadowing.rig import (
    EVERYTHING,
    assert_balanced,
    books,
    gate,
    play,
    shadowed,
    wait_until,
)


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
    # The proxy may hear of two things at once in any order; here the client left first.
    wait_until(wire, lambda: not wire.proxy.worker.wire.clients)
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
