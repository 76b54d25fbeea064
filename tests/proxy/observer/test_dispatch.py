"""What becomes of an exchange in the observer: exactly one outcome, whatever the shadow does."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from proxy.evidence.outcome import Outcome
from proxy.observer.settling import NO_ANSWER
from proxy.routing.route import Timeouts, Upstream
from proxy.shadow_policy import ObserverPolicy, SessionUse, ShadowPolicy, WriteMode
from proxy.stages import Side, Stage
from tests.proxy.observer.rig import BRIEF, CALM, NO_REPROBE, Asked, response, rig
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


def only_announced(conversation: Conversation) -> None:
    """A head that declares a gigabyte, and nothing more."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    conversation.wait_until_left()


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
    pytest.param(only_announced, CALM, "incomparable/oversize", id="a_gigabyte_announced"),
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


async def test_a_304_of_the_primary_is_incomparable_and_asks_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        player = made.worker()
        player.whole(answered=b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")
        assert await made.settled(1) == {"incomparable/conditional": 1}
        assert made.new.requests == []
        number = player.open()
        player.close(number, b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")
        assert await made.settled(2) == {"incomparable/conditional": 2}


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


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"204 No Content")])
async def test_what_has_no_body_may_speak_of_a_gigabyte(
    tmp_path: Path, method: bytes, status: bytes
) -> None:
    fields = b"Content-Type: text/plain\r\nContent-Length: 1000000000\r\n\r\n"
    reply = b"HTTP/1.1 " + status + b"\r\n" + fields
    async with rig(tmp_path, new=answer(reply), policy=CALM) as made:
        player = made.worker()
        player.whole(Asked(method=method), reply)
        assert await made.settled(1) == {"match": 1}
