"""What becomes of an exchange in the observer: exactly one outcome, whatever the shadow does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from proxy.evidence.outcome import Outcome
from proxy.observer import carry as carry_module
from proxy.observer.settling import NO_ANSWER
from proxy.routing.route import Timeouts, Upstream
from proxy.shadow_policy import ObserverPolicy, SessionUse, ShadowPolicy, WriteMode
from proxy.stages import Side, Stage
from tests.proxy.observer.rig import NO_REPROBE, Asked, response, rig
from tests.rigs.scripted_origin import (
    Conversation,
    Script,
    answer,
    answer_then_reset,
    closed_port,
    hang_up,
    never_answer,
    reset_at_once,
)

# Loop lag is no reason in tests: the machine may be busy with others.
CALM = ObserverPolicy(loop_lag_shed=0.0)
BRIEF = replace(CALM, deadline=0.3)


async def test_equal_answers_are_a_match(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response(b'{"a": 1}'))) as made:
        player = made.worker()
        player.whole(answered=response(b'{"a": 1}'))
        assert await made.settled(1) == {"match": 1}
        await made.balanced(player)


async def test_a_redirect_that_names_the_host_that_was_asked_is_one_that_does_not(
    tmp_path: Path,
) -> None:
    new = answer(response(status=302, more=b"Location: /a/2\r\n"))
    async with rig(tmp_path, new=new) as made:
        player = made.worker()
        player.whole(answered=response(status=302, more=b"Location: http://shop.example/a/2\r\n"))
        assert await made.settled(1) == {"match_normalised": 1}


async def test_different_answers_are_a_mismatch_with_its_cause(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response(b'{"price": "12"}'))) as made:
        player = made.worker()
        player.whole(Asked(target=b"/a/1?q=2"), response(b'{"price": 12}'))
        await made.settled(1)
        (settled,) = made.store.settled
        assert settled.outcome is Outcome.MISMATCH
        assert [cause.paths for cause in settled.causes] == [("$.price",)]
        assert settled.legacy_status == settled.new_status == 200
        assert settled.id
        assert settled.signature
        assert settled.epoch is not None
        await made.balanced(player)


async def test_an_open_exchange_is_asked_before_and_compared_after_the_primary(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, new=answer(response(b"[]"))) as made:
        player = made.worker()
        number = player.open()
        await made.until(lambda: made.new.requests)
        await made.until(lambda: not made.observer.dispatch.asking)
        player.tell_books()
        assert made.store.settled == []
        player.close(number, response(b"[]"))
        assert await made.settled(1) == {"match": 1}
        await made.balanced(player)


def endless(conversation: Conversation) -> None:
    """A body that never ends."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while not conversation.left.is_set():
        conversation.send(bytes(100_000))


def drip(conversation: Conversation) -> None:
    """A byte now and then."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not conversation.left.wait(0.02):
        conversation.send(b"x")


OUTCOMES = [
    pytest.param(never_answer, BRIEF, "shadow_timeout/timeout", id="hangs"),
    pytest.param(drip, BRIEF, "shadow_timeout/timeout", id="one_byte_now_and_then"),
    pytest.param(hang_up, CALM, "shadow_error/closed", id="closes_at_once"),
    pytest.param(reset_at_once, CALM, "shadow_error/*", id="resets_at_once"),
    pytest.param(
        answer_then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        CALM,
        "shadow_error/closed",
        id="resets_in_the_body",
    ),
    pytest.param(
        answer(b"SSH-2.0-OpenSSH_9.2\r\n"), CALM, "shadow_error/broken_response", id="no_http"
    ),
    pytest.param(
        answer(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        CALM,
        "shadow_error/broken_response",
        id="switches_though_nobody_asked",
    ),
    pytest.param(endless, CALM, "incomparable/oversize", id="a_gigabyte"),
    pytest.param(
        answer(response(bytes(1024 * 1024 + 1))), CALM, "incomparable/oversize", id="over_the_cap"
    ),
    pytest.param(answer(response(b"{}", status=500)), CALM, "mismatch/critical", id="500"),
    pytest.param(
        answer(response(b"", status=302, more=b"Location: /login\r\n")),
        CALM,
        "mismatch/critical",
        id="a_redirect_is_not_followed",
    ),
    pytest.param(
        answer(response(b"{}", more=b"Set-Cookie: sid=1; Path=/\r\n")),
        CALM,
        "mismatch/*",
        id="a_cookie_more",
    ),
    pytest.param(
        answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response()),
        CALM,
        "match",
        id="an_interim_response_first",
    ),
]


@pytest.mark.parametrize(("script", "policy", "expected"), OUTCOMES)
async def test_whatever_the_shadow_does_is_one_outcome(
    tmp_path: Path, script: Script, policy: ObserverPolicy, expected: str
) -> None:
    async with rig(tmp_path, new=script, policy=policy) as made:
        player = made.worker()
        player.whole()
        (found,) = await made.settled(1)
        assert fnmatch(found, expected)
        assert made.observer.dispatch.held == 0
        await made.balanced(player)
        # Nothing of it is left: no connection, no memory.
        assert not [c for c in made.observer.upstreams.wire.upstreams if c.asker is not None]


async def test_nobody_listening_is_an_error_and_a_cause(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        refusing = Upstream(name="new", side=Side.NEW, urls=(f"http://127.0.0.1:{closed_port()}",))
        made.apply(replace(made.file, upstreams=(made.file.upstreams[0], refusing)))
        player = made.worker()
        player.whole()
        assert await made.settled(1) == {"shadow_error/connect": 1}
        (cause,) = made.store.settled[0].causes
        assert (cause.cause, cause.paths) == ("shadow_error:connect", (NO_ANSWER,))
        await made.balanced(player)


async def test_a_slow_first_byte_is_a_timeout_of_the_upstream(tmp_path: Path) -> None:
    patience = Timeouts(first_byte=0.2)
    async with rig(tmp_path, new=never_answer, policy=CALM, timeouts=patience) as made:
        player = made.worker()
        player.whole()
        assert await made.settled(1) == {"shadow_timeout/first_byte_timeout": 1}


async def test_an_idle_connection_that_closes_is_no_failure_of_the_shadow(tmp_path: Path) -> None:
    """The race of a keep-alive that ends as it is used: the request is sent once more."""
    last = threading.Event()

    def once(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response())
        # The second request on this connection is read, and not answered.
        conversation.read_request()
        last.set()
        conversation.close()

    async with rig(tmp_path, new=once, policy=CALM) as made:
        player = made.worker()
        player.whole()
        await made.settled(1)
        made.new.script = answer(response())
        player.whole()
        assert await made.settled(2) == {"match": 2}
        assert last.is_set()


# Conditional requests.


async def test_a_304_of_the_primary_is_incomparable_and_asks_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        player = made.worker()
        player.whole(answered=b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")
        assert await made.settled(1) == {"incomparable/conditional": 1}
        assert made.new.requests == []
        number = player.open()
        player.close(number, b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")
        assert await made.settled(2) == {"incomparable/conditional": 2}


# What the worker says of the primary.


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [
        pytest.param(Outcome.ABORTED, "client_disconnected", id="the_client_left"),
        pytest.param(Outcome.ABORTED, "closed", id="the_primary_failed"),
        pytest.param(Outcome.SHED, "oversize", id="the_primary_grew_too_large"),
    ],
)
async def test_what_was_opened_and_ends_is_settled_as_the_worker_says(
    tmp_path: Path, outcome: Outcome, detail: str
) -> None:
    async with rig(tmp_path, new=never_answer, policy=CALM) as made:
        player = made.worker()
        number = player.open()
        await made.until(lambda: made.new.received)
        player.end(number, outcome, detail)
        assert await made.settled(1) == {f"{outcome.value}/{detail}": 1}
        # The shadow request is given up: nobody waits for its answer.
        await made.until(lambda: made.new.conversations[0].left.is_set())
        await made.until(lambda: not made.observer.dispatch.at_work)
        await made.balanced(player)


# Limits.


async def test_a_burst_beyond_the_queue_waits_where_it_is_and_all_of_it_is_shadowed(
    tmp_path: Path,
) -> None:
    release = threading.Event()

    def held(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            release.wait(20)
            conversation.send(response())

    policy = replace(CALM, queue=5, concurrency=2, deadline=20.0)
    async with rig(tmp_path, new=held, policy=policy) as made:
        player, other = made.worker(), made.worker("c" * 32)
        for _ in range(20):
            player.whole()
            other.whole()
        await made.until(
            lambda: [c.is_held_back for c in made.observer.intake.connections] == [True] * 2
        )
        assert (made.observer.dispatch.asking, made.observer.dispatch.queued) == (2, 5)
        assert made.observer.counts.received["a"] == 7
        release.set()
        assert await made.settled(40) == {"match": 40}
        await made.balanced(player)
        await made.balanced(other)


async def test_what_was_held_back_too_long_is_shed_as_it_comes(tmp_path: Path) -> None:
    policy = replace(CALM, queue=2, concurrency=1, deadline=0.6)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(30):
            player.whole()
        found = await made.settled(30)
        assert found["shed/queue"] >= 20
        assert set(found) <= {"shed/queue", "shadow_timeout/timeout", "shed/breaker"}
        await made.balanced(player)


async def test_what_is_held_back_when_a_drain_begins_is_known_before_it_ends(
    tmp_path: Path,
) -> None:
    policy = replace(CALM, queue=2, concurrency=1, deadline=20.0)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(30):
            player.whole()
        player.tell_books()
        player.socket.close()
        await made.until(lambda: made.observer.dispatch.queued == 2)
        assert not await made.observer.drain(0.05)
        assert made.store.outcomes == {"shed/queue": 27, "shed/observer_lost": 3}
        assert made.store.ledgers["b" * 32, "a"].eligible == 30


async def test_a_worker_that_dies_held_back_is_heard_to_the_end(tmp_path: Path) -> None:
    release = threading.Event()

    def held(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            release.wait(20)
            conversation.send(response())

    policy = replace(CALM, queue=2, concurrency=1, deadline=20.0)
    async with rig(tmp_path, new=held, policy=policy) as made:
        player = made.worker()
        for _ in range(10):
            player.whole()
        player.tell_books()
        player.socket.close()
        await made.until(lambda: made.observer.dispatch.queued == 2)
        release.set()
        assert await made.settled(10) == {"match": 10}
        await made.until(lambda: made.store.ledgers)
        assert not any(made.store.unaccounted.values())


async def test_what_waits_holds_no_more_bytes_than_it_may(tmp_path: Path) -> None:
    policy = replace(CALM, queue=1000, concurrency=1, deadline=20.0, max_body=10_000)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(200):
            await asyncio.to_thread(player.whole, answered=response(bytes(9_000)))
        await made.until(lambda: made.store.outcomes["shed/queue"] > 100)
        await made.until(lambda: made.observer.counts.received["a"] == 200)
        assert made.observer.dispatch.held <= 65 * 10_000


async def test_answers_that_wait_for_a_slow_primary_are_bounded_too(tmp_path: Path) -> None:
    policy = replace(CALM, queue=1000, deadline=20.0, max_body=10_000)
    reply = response(bytes(9_000))
    async with rig(tmp_path, new=answer(reply), policy=policy) as made:
        player = made.worker()
        numbers = [player.open() for _ in range(200)]
        await made.until(lambda: made.observer.dispatch.at_work > 60)
        await made.until(lambda: not made.observer.dispatch.asking)
        # Those that are asked at the same time may each bring one body more.
        assert made.observer.dispatch.held <= (64 + policy.concurrency) * 10_000
        assert made.observer.dispatch.queued > 50
        for number in numbers:
            await asyncio.to_thread(player.close, number, reply)
        assert await made.settled(200) == {"match": 200}
        assert made.observer.dispatch.held == 0
        await made.balanced(player)


async def test_what_waits_behind_a_hung_shadow_ends_before_its_deadline(tmp_path: Path) -> None:
    policy = replace(CALM, concurrency=1, deadline=4.0)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(10):
            player.whole()
        assert await made.settled(9) == {"shed/queue": 9}
        assert made.observer.dispatch.asking == 1


async def test_one_that_waited_too_long_is_not_held_against_the_shadow(tmp_path: Path) -> None:
    policy = replace(CALM, concurrency=1, deadline=0.4)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        assert await made.settled(3) == {"shadow_timeout/timeout": 1, "shed/queue": 2}


async def test_a_shadow_that_fails_in_a_row_is_left_alone_and_tried_again(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer_then_reset(b""), policy=CALM) as made:
        player = made.worker()
        for count in range(1, 6):
            player.whole()
            await made.settled(count)
        player.whole()
        assert await made.settled(6) == {"shadow_error/closed": 5, "shed/breaker": 1}
        assert made.value("figway_shadow_breaker_open", "new") == 1
        made.new.script = answer(response())
        while made.store.outcomes["match"] < 1:
            player.whole()
            await made.settled(len(made.store.settled) + 1)
        assert made.value("figway_shadow_breaker_open", "new") == 0
        await made.balanced(player)


async def test_the_budget_of_a_route_is_kept(tmp_path: Path) -> None:
    shadow = ShadowPolicy(sample=1.0, budget_rps=3.0, aa=NO_REPROBE)
    async with rig(tmp_path, new=answer(response()), policy=CALM, shadow=shadow) as made:
        player = made.worker()
        for _ in range(50):
            player.whole()
        found = await made.settled(50)
        assert found["shed/budget"] >= 40
        assert found["match"] >= 3
        assert set(found) == {"shed/budget", "match"}


async def test_a_loop_that_lags_takes_no_new_work(tmp_path: Path) -> None:
    policy = replace(CALM, loop_lag_shed=0.05)
    async with rig(tmp_path, new=answer(response()), policy=policy) as made:
        player = made.worker()
        made.observer.lag.stop()
        made.observer.lag.seconds = 0.06
        player.whole()
        assert await made.settled(1) == {"shed/loop_lag": 1}


# Switches and reloads.


async def test_a_pause_sheds_what_waits_and_what_comes(tmp_path: Path) -> None:
    policy = replace(CALM, concurrency=1, deadline=20.0)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        await made.until(lambda: made.observer.dispatch.queued == 2)
        made.apply(paused=True)
        assert made.store.outcomes == {"shed/paused": 2}
        player.whole()
        assert await made.settled(3) == {"shed/paused": 3}
        made.apply(paused=False)
        made.new.script = answer(response())
        await made.until(lambda: made.observer.dispatch.asking == 1)


async def test_the_kill_switch_of_the_file_does_the_same(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        made.apply(replace(made.file, shadow=replace(CALM, kill_switch=True)))
        player.whole()
        assert await made.settled(1) == {"shed/paused": 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"stage": Stage.LEGACY}, id="back_to_legacy"),
        pytest.param({"stage": Stage.LIVE}, id="the_other_direction"),
        pytest.param({"shadow": ShadowPolicy(sample=0.0)}, id="nothing_is_sampled"),
        pytest.param({"id": "b"}, id="gone"),
    ],
)
async def test_a_reload_that_takes_the_route_away_ends_what_waits(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    policy = replace(CALM, concurrency=1, deadline=20.0)
    release = threading.Event()

    def held(conversation: Conversation) -> None:
        conversation.read_request()
        release.wait(20)
        conversation.send(response())

    async with rig(tmp_path, new=held, policy=policy) as made:
        player = made.worker()
        player.whole()
        player.whole()
        await made.until(lambda: made.observer.dispatch.queued == 1)
        route = replace(made.file.routes[0], **change)
        made.apply(replace(made.file, routes=(route,), revision="r2"))
        release.set()
        found = await made.settled(2)
        assert found == {"match": 1, "incomparable/config_changed": 1}
        await made.balanced(player)


async def test_a_revision_that_is_still_on_its_way_is_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.whole(Asked(revision="r2", route="b"))
        await made.until(lambda: made.observer.dispatch.at_work)
        route = replace(made.file.routes[0], id="b")
        made.apply(replace(made.file, routes=(route,), revision="r2"))
        assert await made.settled(1) == {"match": 1}


# Writes and sessions.


@pytest.mark.parametrize(
    ("shadow", "asked", "expected", "seen"),
    [
        pytest.param(
            {"writes": WriteMode.RECORD}, {"method": b"POST"}, "incomparable/recorded", 0,
            id="a_recorded_write_is_kept_and_not_sent",
        ),
        pytest.param(
            {"writes": WriteMode.DRY_RUN}, {"method": b"POST"}, "match", 1, id="dry_run_is_sent"
        ),
        pytest.param(
            {"writes": WriteMode.NEVER}, {"method": b"DELETE"}, "incomparable/write", 0,
            id="a_write_that_should_not_have_come_is_not_sent",
        ),
    ],
)  # fmt: skip
async def test_a_write_is_treated_as_its_mode_says(
    tmp_path: Path, shadow: dict[str, Any], asked: dict[str, Any], expected: str, seen: int
) -> None:
    policy = ShadowPolicy(sample=1.0, aa=NO_REPROBE, **shadow)
    async with rig(tmp_path, new=answer(response()), policy=CALM, shadow=policy) as made:
        player = made.worker()
        player.whole(Asked(body=b"a=1", **asked))
        assert await made.settled(1) == {expected: 1}
        assert len(made.new.requests) == seen
        assert [r.body for r in made.new.requests] == [b"a=1"] * seen


async def test_a_sandbox_answers_writes_and_the_new_side_reads(tmp_path: Path) -> None:
    policy = ShadowPolicy(sample=1.0, aa=NO_REPROBE, writes=WriteMode.SANDBOX, sandbox="sandbox")
    async with rig(tmp_path, new=answer(response()), policy=CALM, shadow=policy) as made:
        made.legacy.script = answer(response())
        sandbox = Upstream(name="sandbox", side=Side.NEW, urls=(made.legacy.url,))
        made.apply(replace(made.file, upstreams=(*made.file.upstreams, sandbox)))
        player = made.worker()
        player.whole(Asked(method=b"PUT", body=b"x"))
        player.whole(Asked())
        assert await made.settled(2) == {"match": 2}
        assert [r.method for r in made.legacy.requests] == [b"PUT"]
        assert [r.method for r in made.new.requests] == [b"GET"]


@pytest.mark.parametrize(
    ("sessions", "expected", "cookies"),
    [
        pytest.param(SessionUse.DROP, "match", [b"theme=dark"], id="drop"),
        pytest.param(SessionUse.KEEP, "match", [b"theme=dark; PHPSESSID=s3cret"], id="keep"),
        pytest.param(SessionUse.SKIP, "incomparable/session", None, id="skip"),
    ],
)
async def test_a_reverse_shadow_treats_the_session_as_the_route_says(
    tmp_path: Path, sessions: SessionUse, expected: str, cookies: list[bytes] | None
) -> None:
    policy = ShadowPolicy(sample=1.0, sessions=sessions, aa=NO_REPROBE)
    async with rig(tmp_path, policy=CALM, shadow=policy, stage=Stage.LIVE) as made:
        made.legacy.script = answer(response())
        player = made.worker()
        player.whole(
            Asked(side=Side.NEW, fields=b"Cookie: theme=dark; PHPSESSID=s3cret\r\n"), response()
        )
        assert await made.settled(1) == {expected: 1}
        assert made.new.requests == []
        seen = [request.values(b"cookie") for request in made.legacy.requests]
        assert seen == ([] if cookies is None else [cookies])


# The books.


async def test_a_defect_costs_one_exchange_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        with monkeypatch.context() as patch:
            patch.setattr(carry_module, "shadow_request", defect)
            player.whole()
            assert await made.settled(1) == {"incomparable/internal": 1}
        assert [event for event, _ in made.told if event == "exchange_failed"]
        player.whole()
        assert await made.settled(2) == {"incomparable/internal": 1, "match": 1}
        await made.balanced(player)


async def test_an_exchange_that_gets_lost_is_seen_in_the_books(tmp_path: Path) -> None:
    """The check itself: without it a lost exchange would look like a pending one for ever."""
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.whole()
        await made.settled(1)
        await made.balanced(player)
        made.store.settled.clear()
        player.tell_books()
        player.whole()
        player.tell_books()
        await made.until(lambda: any(made.store.unaccounted.values()))
        assert made.value("figway_shadow_unaccounted") >= 1
        made.observer.counts.received["a"] += 1
        assert made.observer.dispatch.lost() == 1


async def test_a_worker_that_counts_more_than_it_hands_over_is_seen(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.whole()
        await made.settled(1)
        await made.balanced(player)
        player.handed["a"] += 1
        player.eligible["a"] += 1
        player.tell_books()
        await made.until(lambda: made.value("figway_shadow_unaccounted") == 1)


async def test_what_was_lost_on_the_way_is_counted_with_the_next_connection(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        first = made.worker()
        first.whole()
        await made.settled(1)
        first.handed["a"] += 2
        first.eligible["a"] += 2
        first.socket.close()
        again = made.worker()
        again.handed, again.eligible = first.handed, first.eligible
        again.tell_books()
        assert await made.settled(3) == {"match": 1, "shed/observer_lost": 2}
        await made.balanced(again)


async def test_an_exchange_whose_connection_ends_open_is_not_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.open()
        await made.until(lambda: made.new.requests)
        player.socket.close()
        # The process that played the worker, this one, is still alive.
        assert await made.settled(1) == {"shed/observer_lost": 1}
        assert made.store.ended_boots == []


async def test_the_boot_of_a_dead_worker_is_ended_and_its_open_exchanges_with_it(
    tmp_path: Path,
) -> None:
    play = (
        "import sys; from tests.proxy.observer.rig import Player;"
        "player = Player(sys.argv[1]); player.open(); player.tell_books(); sys.stdin.read()"
    )
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        with subprocess.Popen(  # noqa: ASYNC220 -- it is waited for on the socket
            [sys.executable, "-c", play, made.path], stdin=subprocess.PIPE, env=os.environ
        ) as process:
            await made.until(lambda: made.store.ledgers)
            process.kill()
            assert await made.settled(1) == {"aborted/worker_lost": 1}
            await made.until(lambda: made.store.ended_boots == ["b" * 32])


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no_frame"),
        pytest.param(b"", id="nothing_but_an_end"),
        pytest.param(bytes(64), id="zeros"),
    ],
)
async def test_garbage_ends_its_connection_and_nothing_else(tmp_path: Path, garbage: bytes) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player, stranger = made.worker(), made.worker("c" * 32)
        player.whole()
        stranger.socket.sendall(garbage)
        stranger.socket.close()
        await made.settled(1)
        await made.until(lambda: len(made.observer.intake.connections) == 1)
        player.whole()
        assert await made.settled(2) == {"match": 2}


# The end.


async def test_a_drain_finishes_what_is_in_hand(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        for _ in range(10):
            player.whole()
        player.tell_books()
        player.socket.close()
        # Whatever the worker wrote before it ended is heard, though nothing was read yet.
        assert await made.observer.drain(10.0)
        assert made.store.outcomes == {"match": 10}
        assert made.store.ledgers["b" * 32, "a"].eligible == 10


async def test_a_drain_that_is_out_of_time_counts_what_it_leaves(tmp_path: Path) -> None:
    async with rig(tmp_path, new=never_answer, policy=replace(CALM, deadline=20.0)) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        await made.until(lambda: made.observer.dispatch.asking == 3)
        assert not await made.observer.drain(0.05, 0.05)
        assert made.store.outcomes == {"shed/observer_lost": 3}


async def test_many_exchanges_at_once_all_get_their_outcome(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        players = [made.worker("b" * 32), made.worker("c" * 32)]
        for _ in range(100):
            for player in players:
                player.whole()
            await asyncio.sleep(0)
        found = await made.settled(200)
        assert found == Counter({"match": 200})
        for player in players:
            await made.balanced(player)


@pytest.mark.parametrize("method", [b"HEAD", b"OPTIONS"])
async def test_the_other_safe_methods_are_shadowed_too(tmp_path: Path, method: bytes) -> None:
    head_only = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
    reply = head_only if method == b"HEAD" else head_only + b"hello"
    async with rig(tmp_path, new=answer(reply), policy=CALM) as made:
        player = made.worker()
        for _ in range(3):
            player.whole(Asked(method=method), reply)
        assert await made.settled(3) == {"match": 3}
        assert {request.method for request in made.new.requests} == {method}
        # One connection serves them all: the end of a HEAD response is known.
        assert len(made.new.conversations) <= 3
