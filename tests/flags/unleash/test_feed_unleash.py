"""The feed against a real Unleash: what an operator clicks there, and what becomes of it here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flags.provider import FlagSourceError
from flags.unleash.connection import UnleashConnection
from flags.unleash.feed import UnleashFeed
from flags.unleash.webhook import Webhook
from tests.flags.unleash.conftest import NAMES
from tests.flags.unleash.listening import PATIENCE_SECONDS, Listening
from tests.rigs.unleash_server import Unleash

Start = Callable[..., UnleashFeed]
EVENTS = (
    "feature-environment-enabled",
    "feature-environment-disabled",
    "feature-strategy-update",
)


@pytest.fixture
async def start(
    loop: asyncio.AbstractEventLoop, unleash: Unleash, listening: Listening, tmp_path: Path
) -> AsyncIterator[Start]:
    """Start a feed on the real server."""
    feeds: list[UnleashFeed] = []

    def started(*, usage: Any = None, **other: Any) -> UnleashFeed:
        settings = {"url": unleash.url, "token": unleash.client_token, "poll": 0.2}
        settings["admin_token"] = unleash.admin_token
        feed = UnleashFeed(
            UnleashConnection(**{**settings, **other}),
            names=lambda: NAMES,
            last_good=tmp_path / "last-good-unleash.json",
            usage=usage,
        )
        feeds.append(feed)
        feed.start(listening)
        return feed

    yield started
    for feed in feeds:
        await feed.close()


async def click(action: Callable[..., object], *arguments: object, **named: object) -> None:
    """What a person does in Unleash, while the feed goes on."""
    await asyncio.to_thread(action, *arguments, **named)


async def at_25_percent(unleash: Unleash) -> None:
    await click(unleash.admin.create_flag, "figway-catalog")
    await click(unleash.admin.set_percentage, "figway-catalog", 25, group="catalog")
    await click(unleash.admin.turn_on, "figway-catalog")
    await click(unleash.admin.create_flag, "figway-rollback", kind="kill-switch")


async def caught_up(unleash: Unleash, feed: UnleashFeed, listening: Listening) -> None:
    """Wait until Unleash counts its newest event: it may serve a change before that."""
    newest = (await asyncio.to_thread(unleash.admin.events))[0]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while feed.source_revision < newest["id"]:
            await listening.another_look()


async def test_what_is_clicked_in_unleash_is_told_and_what_workers_counted_stands_there(
    unleash: Unleash, listening: Listening, start: Start
) -> None:
    async def usage() -> dict[str, tuple[int, int]]:
        return {"figway-catalog": (10, 30)}

    await at_25_percent(unleash)
    # To turn on a flag without a strategy is several events, and the first may be seen alone.
    await click(unleash.admin.add_strategy, "figway-rollback")
    feed = start(usage=usage, report=0.1, instance="replica-1")
    await listening.until(
        lambda: listening.percent("catalog") == 25 and listening.state.rollback is False
    )
    await listening.until(lambda: listening.health.state == "ok")
    assert feed._environment == "production"

    await caught_up(unleash, feed, listening)
    await click(unleash.admin.turn_on, "figway-rollback")
    await listening.until(lambda: listening.state.rollback is True)
    news = await feed.attribute(listening.news[-1])
    assert news.who
    newest = (await asyncio.to_thread(unleash.admin.events))[0]
    assert newest["type"] == "feature-environment-enabled"
    assert str(newest["id"]) in news.event.split(", ")
    await caught_up(unleash, feed, listening)

    await click(unleash.admin.turn_off, "figway-rollback")
    await listening.until(lambda: listening.state.rollback is False)
    await click(unleash.admin.turn_off, "figway-catalog")
    await listening.until(lambda: listening.percent("catalog") == 0)

    segment = await asyncio.to_thread(
        unleash.admin.create_segment,
        "nordic",
        [{"contextName": "country", "operator": "IN", "values": ["SE", "NO"]}],
    )
    await click(unleash.admin.create_flag, "figway-home")
    await click(unleash.admin.add_strategy, "figway-home", segments=[segment])
    await click(unleash.admin.turn_on, "figway-home")
    await listening.until(
        lambda: (
            "home" in listening.state.routes
            and listening.state.routes["home"].rule is not None
            and listening.state.routes["home"].rule.enabled
        )
    )
    rule = listening.state.routes["home"].rule
    assert rule is not None
    assert [c.segment for c in rule.strategies[0].constraints] == ["nordic"]

    await click(unleash.admin.archive, "figway-catalog")
    feed.accept()
    await listening.until(lambda: listening.health.held == ("route:catalog",))
    assert listening.percent("catalog") == 0

    def seen() -> Any:
        # Unleash writes what it was told every five seconds.
        return unleash.admin.call("GET", "/api/admin/client-metrics/features/figway-catalog")

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (said := await asyncio.to_thread(seen))["lastHourUsage"]:
            await listening.another_look()
    assert said["seenApplications"] == ["figway"]
    assert [(u["yes"], u["no"]) for u in said["lastHourUsage"]] == [(10, 30)]


async def test_figway_percent_writes_through_the_admin_api(
    unleash: Unleash, listening: Listening, start: Start
) -> None:
    await at_25_percent(unleash)
    await click(unleash.admin.create_flag, "figway-purchase")
    feed = start()
    await listening.until(lambda: listening.percent("catalog") == 25)

    await feed.set_percent("route:catalog", 4000)
    assert listening.percent("catalog") == 40
    # Off, and without a strategy.
    await feed.set_percent("group:purchase", 700)
    assert listening.state.groups["purchase"].basis_points == 700
    await feed.set_percent("route:catalog", 0)
    assert listening.percent("catalog") == 0

    features = await asyncio.to_thread(unleash.features)
    assert features["figway-catalog"]["enabled"]
    assert features["figway-purchase"]["strategies"][0]["parameters"]["groupId"] == "purchase"

    with pytest.raises(FlagSourceError, match=r"whole percentages, and 12\.5 % is none"):
        await feed.set_percent("route:catalog", 1250)
    with pytest.raises(FlagSourceError, match=f"no flag figway-home: create it at {unleash.url}"):
        await feed.set_percent("route:home", 100)

    # What only a person can decide is left alone, with the place to click.
    await click(unleash.admin.add_strategy, "figway-catalog", "remoteAddress", {"IPs": "10.0.0.1"})
    with pytest.raises(
        FlagSourceError,
        match=r"strategies flexibleRollout, remoteAddress.*/features/figway-catalog",
    ):
        await feed.set_percent("route:catalog", 1000)


async def test_constraints_stay_when_the_percentage_is_set(
    unleash: Unleash, listening: Listening, start: Start
) -> None:
    await click(unleash.admin.create_flag, "figway-catalog")
    await click(
        unleash.admin.add_strategy,
        "figway-catalog",
        "flexibleRollout",
        {"rollout": "5", "stickiness": "default", "groupId": "catalog"},
        constraints=[{"contextName": "country", "operator": "IN", "values": ["SE"]}],
    )
    await click(unleash.admin.turn_on, "figway-catalog")
    feed = start()
    await listening.until(lambda: bool(listening.news))
    await feed.set_percent("route:catalog", 2000)
    rule = listening.state.routes["catalog"].rule
    assert rule is not None
    assert rule.percentages() == (2000,)
    assert rule.strategies[0].constraints[0].values == ("SE",)


async def test_a_token_of_no_use_is_told_in_words(
    unleash: Unleash, listening: Listening, start: Start
) -> None:
    start(token="default:production.no-such-token")
    await listening.until(lambda: listening.health.state == "refused")
    assert "refuses the backend token (401)" in listening.health.detail
    assert "no-such-token" not in listening.health.detail


async def test_a_provider_that_is_down_keeps_state_and_its_webhook_is_faster_than_any_poll(
    unleash: Unleash, listening: Listening, start: Start
) -> None:
    await at_25_percent(unleash)
    feed = start(poll=0.1)
    await listening.until(lambda: listening.percent("catalog") == 25)
    webhooks: list[Webhook] = []

    async def hook(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(status=webhooks[-1].received(request.headers["Authorization"], body))

    app = web.Application()
    app.router.add_post("/api/v1/hooks/unleash", hook)
    async with TestServer(app, host="127.0.0.1") as server:
        await click(
            unleash.admin.add_webhook,
            str(server.make_url("/api/v1/hooks/unleash")),
            authorization="Bearer hook-secret",
            events=EVENTS,
        )

        await asyncio.to_thread(unleash.kill)
        await listening.until(lambda: listening.health.state == "down")
        assert "cannot be asked" in listening.health.detail
        confirmed = listening.health.confirmed_at
        await listening.another_look()
        assert listening.percent("catalog") == 25
        assert listening.health.confirmed_at == confirmed

        # Cold start: the disk has it. Nothing would be heard of a change by polling.
        await feed.close()
        listening.news.clear()
        again = start(poll=600.0)
        webhooks.append(Webhook(again, token="hook-secret"))
        assert listening.percent("catalog") == 25
        assert listening.health.from_disk
        await listening.until(lambda: listening.health.state == "down")

        await asyncio.to_thread(unleash.start)
        again.refetch()
        await listening.until(lambda: listening.health.state == "ok")
        assert not listening.health.from_disk

        await click(unleash.admin.turn_on, "figway-rollback")
        await listening.until(lambda: listening.state.rollback is True)
        told = listening.news[-1]
        # Told by the webhook itself: nobody had to ask the admin API.
        assert told.event == str(told.state.revision)
        assert told.who
        assert listening.elsewhere >= 1

        await click(unleash.admin.set_percentage, "figway-catalog", 50, group="catalog")
        await listening.until(lambda: listening.percent("catalog") == 50)
        assert again.fetches["older"] == 0
    assert webhooks[0].counts["accepted"] >= 2
    assert webhooks[0].counts["refused"] == 0
