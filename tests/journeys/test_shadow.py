"""Shadow traffic over the assembled program: no client ever notices, and the books balance."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.journeys.shadow_stand import (
    BODY,
    SHADOW,
    SHARED,
    Stand,
    ask,
    client,
    get,
    pid_of_observer,
    report,
    response,
    settled,
    stand,
)
from tests.rigs.scripted_origin import (
    Conversation,
    Script,
    answer,
    answer_then_reset,
    closed_port,
    never_answer,
    reset_at_once,
)

__all__ = ["stand"]

# No client ever notices.


def endless(conversation: Conversation) -> None:
    """Ten megabytes, for every request."""
    while True:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        for _ in range(160):
            conversation.send(bytes(65_536))


def drip(conversation: Conversation) -> None:
    """A byte a second, as good as."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not conversation.left.wait(0.2):
        conversation.send(b"x")


BRIEF = "{loop_lag_shed: 0s, deadline: 500ms}"


FAULTS = [
    pytest.param(answer(response()), SHARED, {"match"}, id="healthy"),
    pytest.param(never_answer, BRIEF, {"shadow_timeout", "shed"}, id="hangs"),
    pytest.param(reset_at_once, SHARED, {"shadow_error", "shed"}, id="resets"),
    pytest.param(
        answer_then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        SHARED,
        {"shadow_error", "shed"},
        id="resets_in_the_body",
    ),
    pytest.param(answer(response(status=500)), SHARED, {"mismatch"}, id="500"),
    pytest.param(endless, SHARED, {"incomparable"}, id="ten_megabytes"),
    pytest.param(drip, BRIEF, {"shadow_timeout", "shed"}, id="a_byte_a_second"),
    pytest.param(answer(b"\x16\x03\x01 garbage"), SHARED, {"shadow_error", "shed"}, id="garbage"),
    pytest.param(
        answer(response(more=b"Set-Cookie: sid=evil; Path=/\r\nX-Shadow-Leak: 1\r\n")),
        SHARED,
        {"mismatch", "match_normalised"},
        id="cookies_of_its_own",
    ),
]


@pytest.mark.parametrize(("script", "shared", "expected"), FAULTS)
def test_whatever_the_shadow_does_the_client_gets_the_primarys_bytes(
    stand: Stand, script: Script, shared: str, expected: set[str]
) -> None:
    stand.new.script = script
    stand.write(shared=shared)
    figway = stand.start()
    with client(figway) as connection:
        connection.send(get("/plain/1"))
        untouched = connection.read_response("GET").raw
        for number in range(20):
            connection.send(get(f"/item/{number}"))
            assert connection.read_response("GET").raw == untouched
    assert set(settled(figway, 20)) <= expected
    assert len(stand.legacy.requests) == 21


def test_a_shadow_side_that_is_not_there_is_an_error_and_no_more(stand: Stand) -> None:
    stand.write(new=f"http://127.0.0.1:{closed_port()}")
    figway = stand.start()
    for number in range(10):
        assert ask(figway, get(f"/item/{number}")).body == BODY
    found = settled(figway, 10)
    # Those under way when the fifth failed were asked as well: all, where they came at once.
    assert found["shadow_error"] >= 5
    assert found["shadow_error"] + found.get("shed", 0) == 10
    assert figway.metric("figway_shadow_breaker_open", upstream="catalog") == 1


def test_with_the_whole_sample_and_no_budget_every_request_is_shadowed(stand: Stand) -> None:
    figway = stand.start()
    with client(figway) as connection:
        for number in range(600):
            connection.send(get(f"/item/{number}?n={number}"))
            assert connection.read_response("GET").status == 200
    assert settled(figway, 600) == {"match": 600}
    assert sorted(stand.new.targets) == sorted(b"/item/%d?n=%d" % (n, n) for n in range(600))


def test_bodies_of_both_sides_may_be_of_any_size_up_to_the_cap(stand: Stand) -> None:
    large = b"[" + b"1," * 300_000 + b"1]"
    stand.legacy.script = answer(response(large))
    stand.new.script = answer(response(large.replace(b"1]", b"2]")))
    figway = stand.start()
    assert ask(figway, get("/item/1")).body == large
    assert settled(figway, 1) == {"mismatch": 1}
    (cause,) = report(figway)["causes"]
    assert cause["paths"] == ["$[*]"]


LARGE = response(b"x" * 500_000)


def hung(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.wait_until_left()


def half(conversation: Conversation) -> None:
    """The head at once, the rest never."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    conversation.wait_until_left()


MEMORY = [
    pytest.param(answer(LARGE), hung, id="large_primaries_and_a_hung_shadow"),
    pytest.param(half, answer(LARGE), id="large_shadows_and_a_hung_primary"),
    pytest.param(answer(LARGE), endless, id="large_primaries_and_ten_megabytes"),
    pytest.param(answer(LARGE), answer(LARGE.replace(b"xx", b"yx")), id="large_and_different"),
]


@pytest.mark.parametrize(("legacy", "new"), MEMORY)
def test_the_memory_of_the_observer_has_a_bound(stand: Stand, legacy: Script, new: Script) -> None:
    """200 times half a megabyte, and no more in hand than 64 largest bodies and 16 on their way."""
    stand.legacy.script, stand.new.script = legacy, new
    stand.write(shared="{loop_lag_shed: 0s, deadline: 20s, queue: 5000}")
    figway = stand.start()
    pid, workers = pid_of_observer(figway), figway.worker_pids()
    clients = []
    for number in range(200):
        connection = client(figway)
        clients.append(connection)
        connection.send(get(f"/item/{number}", "Connection: close"))
        if legacy is not half:
            connection.read_response("GET")
            connection.close()
    figway.wait_until(
        lambda: (
            figway.metric("figway_shadow_handed_over_total")
            + figway.metric("figway_shadow_drops_total")
            == 200
        )
    )
    figway.wait_until(lambda: figway.metric("figway_shadow_queue") < 200)
    assert figway.metric("figway_shadow_held_bytes") <= (64 + 16) * 1024 * 1024
    assert resident(pid) < 256 * 1024 * 1024
    for connection in clients:
        connection.close()
    # All of it would be waited for.
    figway.signal(signal.SIGKILL)
    for each in (pid, *workers):
        os.kill(each, signal.SIGKILL)


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# What the shadow side sees.


def test_the_copy_is_marked_and_carries_the_same_names(stand: Stand) -> None:
    figway = stand.start()
    trace = "0af7651916cd43dd8448eb211c80319c"
    ask(
        figway,
        get(
            "/item/7?q=%C3%A4&x",
            f"traceparent: 00-{trace}-b7ad6b7169203331-01",
            "baggage: tenant=a",
            "X-Request-Id: r-1",
            "Accept-Encoding: br, gzip",
            "If-None-Match: W/1",
            "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT",
            "Cookie: theme=dark; PHPSESSID=abc",
            "Connection: keep-alive, X-Hop",
            "X-Hop: 1",
            "X-Figway-Shadow: 0",
        ),
    )
    settled(figway, 1)
    shadow, primary = stand.new.one_request(), stand.legacy.one_request()
    assert shadow.target == primary.target == b"/item/7?q=%C3%A4&x"
    for name in (
        *(b"host", b"x-request-id", b"accept-encoding", b"cookie"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"via"),
    ):
        assert shadow.values(name) == primary.values(name) != [], name
    (ours,), (theirs,) = shadow.values(b"traceparent"), primary.values(b"traceparent")
    assert ours.split(b"-")[1] == theirs.split(b"-")[1] == trace.encode()
    assert ours.split(b"-")[2] != theirs.split(b"-")[2]
    assert shadow.values(b"baggage") == [b"tenant=a,shadow=1"]
    assert shadow.values(b"x-figway-shadow") == [b"1"]
    assert primary.values(b"x-figway-shadow") == []
    assert primary.values(b"if-none-match") == [b"W/1"]
    for name in (b"if-none-match", b"if-modified-since", b"x-hop", b"connection"):
        assert not shadow.has(name), name


def test_a_304_is_told_apart_from_a_difference(stand: Stand) -> None:
    stand.legacy.script = answer(b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")
    figway = stand.start()
    assert ask(figway, get("/item/1", "If-None-Match: 1")).status == 304
    settled(figway, 1)
    assert report(figway)["outcome_details"]["incomparable"] == {"conditional": 1}


LIVE_FLAGS = "rollback: false\nroutes:\n  item: {percent: 100}\n"


def test_after_the_cut_over_legacy_is_the_shadow_without_the_visitors_session(stand: Stand) -> None:
    stand.write(stage="live", flags=LIVE_FLAGS)
    figway = stand.start()
    served = ask(figway, get("/item/1", "Cookie: theme=dark; PHPSESSID=abc"))
    assert served.status == 200
    assert settled(figway, 1) == {"match": 1}
    assert stand.new.one_request().values(b"cookie") == [b"theme=dark; PHPSESSID=abc"]
    shadow = stand.legacy.one_request()
    assert shadow.values(b"cookie") == [b"theme=dark"]
    assert shadow.values(b"x-figway-shadow") == [b"1"]


def test_of_a_canary_the_part_that_legacy_serves_is_copied_until_it_is_rolled_back(
    stand: Stand,
) -> None:
    stand.write(stage="canary")
    figway = stand.start()
    ask(figway, get("/item/1"))
    assert settled(figway, 1) == {"match": 1}
    assert stand.new.one_request().values(b"x-figway-shadow") == [b"1"]
    assert figway.run("rollback", "--all", "--reason", "drill", "--wait").code == 0
    ask(figway, get("/item/2"))
    assert figway.run("resume", "--all", "--reason", "over").code == 0
    # All of it on the new side: nobody is the shadow of a canary's new part.
    stand.write(stage="canary", flags=LIVE_FLAGS)
    assert figway.run("reload").code == 0
    assert ask(figway, get("/item/3")).status == 200
    assert settled(figway, 1) == {"match": 1}
    assert stand.new.targets == [b"/item/1", b"/item/3"]
    assert stand.legacy.targets == [b"/item/1", b"/item/2"]


def test_a_write_is_copied_only_in_a_mode_that_says_so(stand: Stand) -> None:
    figway = stand.start()
    post = b"POST /item/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx=1"
    assert ask(figway, post).status == 200
    stand.write(shadow=f"{SHADOW}, writes: dry_run")
    figway.run("reload")
    figway.wait_until(lambda: figway.metric("figway_shadow_ineligible_total", reason="method") == 1)
    assert ask(figway, post).status == 200
    assert settled(figway, 1) == {"match": 1}
    shadow = stand.new.one_request()
    assert (shadow.method, shadow.body) == (b"POST", b"x=1")
    assert shadow.values(b"x-figway-dry-run") == [b"1"]


# Switches.


def test_a_pause_stops_with_the_next_request_and_outlives_a_restart(stand: Stand) -> None:
    figway = stand.start()
    ask(figway, get("/item/1"))
    settled(figway, 1)
    assert figway.run("shadow", "pause", "--reason", "deploy").code == 0
    for number in range(5):
        assert ask(figway, get(f"/item/{number}")).body == BODY
    assert len(stand.new.requests) == 1
    assert figway.stop() == 0
    again = stand.start()
    ask(again, get("/item/2"))
    assert len(stand.new.requests) == 1
    assert again.run("shadow", "resume", "--reason", "done").code == 0
    ask(again, get("/item/3"))
    stand.new.wait_for_requests(2)
    assert stand.new.targets == [b"/item/1", b"/item/3"]


def test_a_reload_in_the_middle_ends_what_is_no_longer_shadowed(stand: Stand) -> None:
    held, release = threading.Event(), threading.Event()

    def slow(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            held.set()
            release.wait(20)
            conversation.send(response())

    stand.new.script = slow
    stand.write(shared="{loop_lag_shed: 0s, deadline: 20s, workers: 1}")
    figway = stand.start()
    for number in range(3):
        ask(figway, get(f"/item/{number}"))
    assert held.wait(20)
    figway.wait_until(lambda: figway.metric("figway_shadow_queue") == 2)
    stand.write(stage="legacy", shared="{loop_lag_shed: 0s, deadline: 20s, workers: 1}")
    assert figway.run("reload").code == 0
    # The observer hears of it in its own time.
    figway.wait_until(lambda: report(figway)["stage"] == "legacy")
    release.set()
    assert settled(figway, 3) == {"match": 1, "incomparable": 2}
    assert len(stand.new.requests) == 1


def test_a_stop_finishes_the_shadows_that_were_begun(stand: Stand) -> None:
    release = threading.Event()

    def slow(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            release.wait(20)
            conversation.send(response())

    stand.new.script = slow
    figway = stand.start()
    for number in range(5):
        ask(figway, get(f"/item/{number}"))
    stand.new.wait_for_requests(5)
    figway.signal(signal.SIGTERM)
    figway.wait_for("draining")
    release.set()
    assert figway.wait() == 0
    assert not figway.events("observer_cut_short")
    again = stand.start()
    assert settled(again, 5) == {"match": 5}
