"""What happens when something fails: the table of docs/fleet.md, over the real program.

Redis that dies, and everything at once: test_fleet_outage.py. What a start keeps and an invalid
routes.yaml: test_supervisor.py. What a store that is slow or refuses is told as: tests/flags/redis.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import FigwayProcess, ask
from tests.journeys.fleet import Fleet
from tests.rigs.fake_unleash import TOKEN, FakeUnleash
from tests.rigs.fault import FaultProxy
from tests.rigs.redis_server import RedisServer


@pytest.fixture
def server() -> Iterator[FakeUnleash]:
    """An Unleash that fails as it is told, on a loop of its own."""
    loop, fake = asyncio.new_event_loop(), FakeUnleash()
    loop.run_until_complete(fake.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    fake.flag("figway-product-page", percent=100, group="product-page")
    fake.flag("figway-account", percent=100, group="account")
    fake.flag("figway-capped", percent=25, group="capped")
    yield fake
    asyncio.run_coroutine_threadsafe(fake.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def down(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


def start(shop: Shop, server: FakeUnleash, **environ: str) -> FigwayProcess:
    told = {
        "FIGWAY_UNLEASH_URL": f"{server.url}/api",
        "FIGWAY_UNLEASH_TOKEN": TOKEN,
        "FIGWAY_FLAGS_UNLEASH_POLL": "100ms",
    }
    return shop.start(workers=1, environ={**told, **environ}).serving()


def side(figway: FigwayProcess, path: str = "/product/a") -> str:
    return figway.get(path).headers["x-origin"]


def provider(figway: FigwayProcess) -> Any:
    return figway.status()["provider"]


def test_flag_provider_down_running_keeps_the_state_and_after_a_while_legacy_where_that_is_wanted(
    shop: Shop, server: FakeUnleash
) -> None:
    routes = (shop.folder / "routes.yaml").read_text()
    held = "  - id: account\n    when_stale: hold\n"
    (shop.folder / "routes.yaml").write_text(routes.replace("  - id: account\n", held))
    figway = start(
        shop,
        server,
        FIGWAY_FLAGS_WARN_AFTER="1s",
        FIGWAY_FLAGS_STALE_AFTER="15m",
        FIGWAY_FLAGS_WHEN_STALE="legacy",
    )
    assert [side(figway), side(figway, "/account")] == ["new", "new"]
    server.fault = down
    figway.wait_for("flags_late")
    assert side(figway) == "new", "what it said before holds"
    assert figway.metric("figway_flags_source_up", source="unleash") == 0
    assert figway.stop() == 0

    server.fault = None
    # The age is looked at once a second, so one that is late for a second may be stale at once.
    figway = start(
        shop,
        server,
        FIGWAY_FLAGS_WARN_AFTER="2s",
        FIGWAY_FLAGS_STALE_AFTER="2s",
        FIGWAY_FLAGS_WHEN_STALE="legacy",
    )
    assert [side(figway), side(figway, "/account")] == ["new", "new"]
    server.fault = down
    stale = figway.wait_for("flags_stale")
    assert "product-page" in stale["to_legacy"]
    figway.wait_until(lambda: side(figway) == "legacy")
    assert side(figway, "/account") == "new", "this route holds"
    assert figway.metric("figway_flags_age_seconds", source="unleash") >= 2
    assert ask(figway.admin, "GET", "/readyz").status == 200
    explained = figway.run("explain", "GET", "http://shop.example/product/a")
    assert "not confirmed for too long" in explained.out
    server.fault = None
    figway.wait_for("flags_confirmed_again")
    figway.wait_until(lambda: side(figway) == "new")


def test_flag_provider_down_cold_start_last_known_good_then_the_flag_file_then_legacy(
    shop: Shop, server: FakeUnleash
) -> None:
    shop.write_flags("routes:\n  product-page: {percent: 0}\n  account: {percent: 100}\n")
    figway = start(shop, server)
    assert side(figway) == "new"
    assert figway.stop() == 0
    server.fault = down

    figway = start(shop, server)
    assert side(figway) == "new", "what Unleash said last"
    assert ask(figway.admin, "GET", "/readyz").status == 200
    assert provider(figway)["from_disk"]
    assert "kept" in figway.run("status").out
    assert not provider(figway)["confirmed"]
    assert "not heard of since the start" in figway.run("status").out
    explained = figway.run("explain", "GET", "http://shop.example/product/a").out
    assert "kept from before the start" in explained, "nobody confirmed it"
    assert figway.stop() == 0

    (figway.state / "last-good-unleash.json").write_text("{torn")
    figway = start(shop, server)
    assert side(figway) == "legacy", "what the flag file says"
    assert side(figway, "/account") == "new"
    assert figway.stop() == 0

    (figway.state / "last-good-unleash.json").unlink(missing_ok=True)
    for kept in (shop.folder / "flags.yaml", figway.state / "last-good-flags.json"):
        kept.unlink()
    figway = start(shop, server)
    assert side(figway) == "legacy", "nobody said anything"
    assert side(figway, "/account") == "new", "stage live is the word of Git"
    assert ask(figway.admin, "GET", "/readyz").status == 200


def test_flag_missing_or_archived_holds_and_garbage_or_an_empty_list_is_rejected(
    shop: Shop, server: FakeUnleash
) -> None:
    figway = start(shop, server)
    assert side(figway) == "new"
    server.remove("figway-product-page")
    assert figway.wait_for("flag_missing")["flag"] == "route:product-page"
    assert side(figway) == "new", "never false"
    assert figway.metric("figway_flags_held", source="unleash") == 1

    for number, text in enumerate(("<html>", '{"features": []}', '{"features": [{}]}'), start=1):
        server.fault = lambda _, text=text: web.Response(text=text, content_type="application/json")
        before = figway.metric("figway_unleash_fetches_total", outcome="rejected")
        figway.wait_until(
            lambda before=before: (
                figway.metric("figway_unleash_fetches_total", outcome="rejected") > before
            )
        )
        assert side(figway) == "new", number
        assert provider(figway)["connection"] == "rejected"
    server.fault = None

    # To end a flag one says so.
    server.flag("figway-product-page", percent=0, group="product-page")
    figway.wait_until(lambda: side(figway) == "legacy")


def test_rollback_active_and_provider_lost_stays_until_the_flag_is_explicitly_off(
    shop: Shop, server: FakeUnleash
) -> None:
    figway = start(shop, server)
    server.flag("figway-rollback")
    figway.wait_until(lambda: side(figway) == "legacy")
    server.fault = down
    figway.wait_for("provider_failing")
    assert side(figway) == "legacy"
    assert figway.stop() == 0
    figway = start(shop, server)
    assert side(figway) == "legacy"
    server.remove("figway-rollback")
    server.fault = None
    figway.wait_until(lambda: provider(figway)["connection"] == "ok")
    assert side(figway) == "legacy", "a flag that is gone has not said off"
    refused = figway.run("resume", "--all", "--reason", "try")
    assert refused.code == 1
    assert "turn figway-rollback off in Unleash" in refused.out
    server.flag("figway-rollback", enabled=False)
    figway.wait_until(lambda: side(figway) == "new")
    assert figway.stop() == 0
    assert side(start(shop, server)) == "new"


def test_replica_cannot_confirm_says_so_stays_ready_and_steps_back_only_for_a_fresh_peer(
    shop: Shop, redis_server: RedisServer
) -> None:
    with Fleet(shop, redis_server, size=1) as fleet:
        with FaultProxy(("127.0.0.1", redis_server.port)) as way:
            cut = fleet.launch(
                2,
                FIGWAY_REDIS_URL=f"redis://127.0.0.1:{way.port}",
                FIGWAY_PEERS=fleet.admin_url(1),
                FIGWAY_CONTROL_STALE_AFTER="1s",
                FIGWAY_CONTROL_UNREADY_AFTER="2s",
            ).serving()
            fleet.wait_until(lambda: len(cut.status()["replicas"]) == 2)
            assert ask(cut.admin, "GET", "/readyz").status == 200
        fleet.wait_until(lambda: cut.status()["fleet"]["stale"])
        assert cut.metric("figway_control_plane_stale") == 1
        assert cut.get("/product/a").headers["x-origin"] == "new", "traffic is unchanged"
        fleet.wait_until(lambda: ask(cut.admin, "GET", "/readyz").status == 503)
        assert fleet.admin_url(1) in ask(cut.admin, "GET", "/readyz").body.decode()

        # Nobody is fresh any more: better a stale replica than none.
        redis_server.kill()
        fleet.wait_until(lambda: ask(cut.admin, "GET", "/readyz").status == 200)
