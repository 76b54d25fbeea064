"""The feed against a server that answers exactly as badly as it is told to."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flags.unleash.answers import EPOCH, Judged, judge
from flags.unleash.feed import Names
from tests.flags.unleash.conftest import Connect, prepared
from tests.flags.unleash.listening import PATIENCE_SECONDS, Listening
from tests.rigs.certificates import Authority
from tests.rigs.fake_unleash import FakeUnleash


def answers(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, headers={"ETag": '"x"'})


GARBAGE = [
    pytest.param(lambda _: answers("<html>welcome to the captive portal"), id="html"),
    pytest.param(lambda _: answers(""), id="nothing"),
    pytest.param(lambda _: answers('{"version": 2'), id="half an answer"),
    pytest.param(lambda _: answers("[]"), id="a list"),
    pytest.param(lambda _: answers('{"features": null}'), id="no features"),
    pytest.param(lambda _: answers('{"features": []}'), id="an empty list"),
    pytest.param(lambda _: answers('{"features": [{"enabled": true}]}'), id="no name"),
    pytest.param(lambda _: answers('{"features": [' * 100_000), id="deep nesting"),
    pytest.param(lambda _: web.Response(body=b'{"features": ["\xff'), id="not UTF-8"),
    pytest.param(
        lambda _: answers(json.dumps({"features": [{"name": "other", "enabled": True}]})),
        id="the flags of somebody else",
    ),
]


@pytest.mark.parametrize("fault", GARBAGE)
async def test_provider_answers_200_with_garbage_or_an_empty_list_reject_keep_alert(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect, fault: object
) -> None:
    prepared(fake_unleash)
    feed = connect()
    await listening.until(lambda: bool(listening.news) and listening.health.state == "ok")
    fake_unleash.fault = fault  # type: ignore[assignment] # what the table holds
    await listening.until(lambda: listening.health.state in ("rejected", "down"))
    # The clock of staleness goes on.
    confirmed = listening.health.confirmed_at
    await listening.another_look()

    assert len(listening.news) == 1
    assert listening.percent("catalog") == 25
    assert listening.health.state in ("rejected", "down")
    assert listening.health.detail
    assert listening.health.confirmed_at == confirmed
    assert feed.fetches["rejected"] + feed.fetches["failed"] > 1

    fake_unleash.fault = None
    fake_unleash.flag("figway-catalog", percent=30, group="catalog")
    await listening.until(lambda: listening.percent("catalog") == 30)
    await listening.until(lambda: listening.health.state == "ok")


async def test_a_payload_that_drops_more_than_half_of_our_flags_is_refused_until_accepted(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    prepared(fake_unleash)
    feed = connect()
    await listening.until(lambda: listening.percent("catalog") == 25)

    fake_unleash.remove("figway-home")
    fake_unleash.remove("figway-rollback")
    fake_unleash.flag("figway-catalog", percent=100, group="catalog")
    await listening.until(lambda: listening.health.state == "rejected")

    assert "2 of our 3 flags (figway-home, figway-rollback)" in listening.health.detail
    assert "figway reload" in listening.health.detail
    assert listening.percent("catalog") == 25

    feed.accept()
    await listening.until(lambda: listening.health.state == "ok")
    assert listening.percent("catalog") == 100
    # What it is silent about is held all the same.
    assert listening.percent("home") == 5
    assert listening.health.held == ("route:home",)


async def test_a_rollback_in_a_refused_payload_is_heard(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    """Somebody cleared up the flags, and at night the kill switch is needed."""
    prepared(fake_unleash)
    connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    before = listening.state.revision

    fake_unleash.remove("figway-home")
    fake_unleash.remove("figway-catalog")
    fake_unleash.flag("figway-rollback", enabled=True)
    await listening.until(lambda: listening.state.rollback is True)

    assert listening.state.revision > before
    assert listening.percent("catalog") == 25
    assert listening.health.state in ("ok", "rejected")


async def test_a_flag_missing_or_archived_holds_its_last_value_and_alerts_never_false(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    prepared(fake_unleash)
    connect()
    await listening.until(lambda: listening.percent("home") == 5)

    fake_unleash.remove("figway-home")
    await listening.until(lambda: listening.health.held == ("route:home",))

    assert listening.percent("home") == 5
    assert any("route:home" in problem for problem in listening.health.problems)
    assert listening.state.rollback is False

    fake_unleash.flag("figway-home", percent=0, group="home")
    await listening.until(lambda: listening.percent("home") == 0)
    await listening.until(lambda: listening.health.held == ())


async def test_no_poll_goes_backwards_and_a_restored_database_is_accepted_by_an_operator(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    prepared(fake_unleash)
    fake_unleash.revision = 500
    feed = connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    assert listening.state.revision == 500

    fake_unleash.revision = 40
    fake_unleash.flag("figway-catalog", percent=80, group="catalog")
    await listening.until(lambda: listening.health.state == "rejected")
    assert listening.percent("catalog") == 25
    assert "older than 500" in listening.health.detail
    assert feed.fetches["older"] > 0

    feed.accept()
    await listening.until(lambda: listening.percent("catalog") == 80)
    assert listening.state.revision == EPOCH + 41
    assert feed.source_revision == 41

    # What was accepted is the line that nothing goes behind from now on.
    fake_unleash.revision = 39
    fake_unleash.flag("figway-catalog", percent=90, group="catalog")
    await listening.until(lambda: listening.health.state == "rejected")
    assert listening.percent("catalog") == 80


async def test_a_server_that_counts_no_revisions_is_counted_for(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.has_revisions = False
    prepared(fake_unleash)
    connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    first = listening.state.revision
    fake_unleash.flag("figway-catalog", percent=26, group="catalog")
    await listening.until(lambda: listening.percent("catalog") == 26)
    assert listening.state.revision > first


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        pytest.param(401, "refused", "refuses the backend token (401)", id="wrong token"),
        pytest.param(403, "refused", "refuses the backend token (403)", id="forbidden"),
        pytest.param(404, "down", "check the address", id="no client API there"),
        pytest.param(429, "down", "answers 429", id="too many requests"),
        pytest.param(500, "down", "answers 500", id="broken"),
        pytest.param(503, "down", "answers 503", id="unavailable"),
    ],
)
async def test_a_refusal_is_told_in_words_and_changes_nothing(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    status: int,
    state: str,
    words: str,
) -> None:
    prepared(fake_unleash)
    connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    fake_unleash.fault = lambda _: answers("{}", status)
    await listening.until(lambda: listening.health.state == state)
    assert words in listening.health.detail
    assert "secret" not in listening.health.detail
    assert listening.percent("catalog") == 25
    fake_unleash.fault = None
    await listening.until(lambda: listening.health.state == "ok")


async def test_a_server_that_accepts_and_never_answers_is_given_up(
    listening: Listening, connect: Connect
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        feed = connect(url=f"http://127.0.0.1:{port}", patience=1.0)
        await listening.until(lambda: listening.health.state == "down")
        assert "no answer in time" in listening.health.detail
        await feed.close()


async def test_a_certificate_that_is_not_trusted_is_told_of(
    listening: Listening, connect: Connect, tmp_path: Path
) -> None:
    context = Authority(tmp_path).sign("unleash.example").server_context()
    server = TestServer(web.Application(), host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    feed = connect(url=str(server.make_url("")))
    await listening.until(lambda: listening.health.state == "down")
    assert "certificate is not trusted" in listening.health.detail
    await feed.close()
    await server.close()


async def test_an_answer_without_end_is_not_read_to_its_end(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flags.unleash.client.MAX_ANSWER", 1_000_000)
    fake_unleash.fault = lambda _: answers('{"features": [' + " " * 2_000_000)
    connect()
    await listening.until(lambda: listening.health.state == "down")
    assert "can be read" in listening.health.detail


async def test_names_that_come_into_use_are_read_out_of_what_is_held(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    names = [Names(routes=("catalog",))]
    prepared(fake_unleash)
    feed = connect(names=lambda: names[0])
    await listening.until(lambda: listening.percent("catalog") == 25)
    assert listening.percent("home") is None
    names[0] = Names(routes=("home",))
    feed.reread()
    assert listening.percent("home") == 5
    assert "catalog" not in listening.state.routes


async def test_names_that_come_into_use_while_a_large_answer_is_read_are_not_forgotten(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [Names(routes=("catalog",))]
    prepared(fake_unleash)
    feed = connect(names=lambda: names[0], poll=600.0)
    await listening.until(lambda: listening.health.state == "ok")
    reading, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **named: Any) -> Judged:
        reading.set()
        go_on.wait(PATIENCE_SECONDS)
        return judge(*arguments, **named)

    monkeypatch.setattr("flags.unleash.feed._LARGE", 0)
    monkeypatch.setattr("flags.unleash.feed.judge", slowly)
    fake_unleash.flag("figway-catalog", percent=30, group="catalog")
    feed.refetch()
    await asyncio.to_thread(reading.wait, PATIENCE_SECONDS)
    names[0] = Names(routes=("catalog", "home"))
    feed.reread()
    go_on.set()
    await listening.until(lambda: listening.percent("catalog") == 30)
    assert listening.percent("home") == 5


async def test_unchanged_flags_are_asked_for_with_their_etag_and_now_and_then_without(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    prepared(fake_unleash)
    feed = connect(full_fetch=0.3)
    await listening.until(lambda: feed.fetches["unchanged"] > 3)
    confirmed = listening.health.confirmed_at
    seen = len(fake_unleash.fetches())
    await listening.until(
        lambda: any("If-None-Match" not in each.headers for each in fake_unleash.fetches()[seen:])
    )
    asked = fake_unleash.fetches()
    assert "If-None-Match" not in asked[0].headers
    assert "If-None-Match" in asked[1].headers
    assert listening.health.confirmed_at > confirmed
    assert feed.fetches["changed"] == 1


async def test_replicas_do_not_ask_in_step(
    fake_unleash: FakeUnleash, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(fake_unleash)
    feed = connect(poll=5.0)
    spread = {round(feed._pause(), 1) for _ in range(300)}
    assert min(spread) >= 4.0
    assert max(spread) <= 6.0
    assert len(spread) > 15


async def test_the_application_registers_and_reports_what_the_workers_counted(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    counted = {"figway-catalog": (10, 30), "figway-home": (0, 0)}

    async def usage() -> dict[str, tuple[int, int]]:
        return dict(counted)

    prepared(fake_unleash)
    feed = connect(usage=usage, report=0.05, instance="replica-7")
    metrics = "/api/client/metrics"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not fake_unleash.to(metrics):
            await listening.another_look()
    register = fake_unleash.to("/api/client/register")[0]
    assert register.body["appName"] == "figway"
    assert register.body["instanceId"] == "replica-7"
    assert "flexibleRollout" in register.body["strategies"]
    first = fake_unleash.to(metrics)[0].body
    assert first["bucket"]["toggles"] == {"figway-catalog": {"yes": 10, "no": 30, "variants": {}}}

    # A report that is refused is made up for by the next.
    fake_unleash.refusals["POST", metrics] = 500
    counted["figway-catalog"] = (15, 31)
    assert feed._reporter is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not feed._reporter.counts["failed"]:
            await listening.another_look()
    counted["figway-catalog"] = (16, 31)
    fake_unleash.refusals.clear()
    sent = len(fake_unleash.to(metrics))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while feed._reporter.counts["sent"] < 2:
            await listening.another_look()
    taken = fake_unleash.to(metrics)[sent:]
    yes = sum(each.body["bucket"]["toggles"]["figway-catalog"]["yes"] for each in taken)
    assert yes in (5, 6)
    await feed.close()
    total = sum(
        each.body["bucket"]["toggles"].get("figway-catalog", {"yes": 0})["yes"]
        for each in (fake_unleash.to(metrics)[0], *fake_unleash.to(metrics)[sent:])
    )
    assert total == 16


async def test_without_the_extra_it_says_what_to_install_and_what_the_disk_kept_holds(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared(fake_unleash)
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    await feed.close()
    monkeypatch.setattr("flags.unleash.connection.importlib.util.find_spec", lambda name: None)
    connect()
    await listening.until(lambda: listening.health.state == "down")
    assert "pip install 'figway[unleash]'" in listening.health.detail
    assert listening.percent("catalog") == 25


async def test_a_defect_in_reading_is_told_and_polling_goes_on(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared(fake_unleash)
    with monkeypatch.context() as broken:
        broken.setattr("flags.unleash.feed.judge", lambda *_, **__: 1 / 0)
        connect()
        await listening.until(lambda: "ZeroDivisionError" in listening.health.detail)
    await listening.until(lambda: listening.percent("catalog") == 25)


async def test_the_official_client_keeps_no_files_and_runs_no_timers_of_its_own(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home))
    prepared(fake_unleash)
    connect()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not fake_unleash.to("/api/client/register"):
            await listening.another_look()
    assert list(home.iterdir()) == []
    # All that runs is ours: the poll, and what it began.
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "unleash-poll" in names
    assert names.isdisjoint({"unleash-_fetch_and_load", "unleash-flush"})


async def test_many_flags_are_read_beside_the_event_loop(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    for number in range(2000):
        fake_unleash.flag(f"other-{number}", percent=50)
    prepared(fake_unleash)
    connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
