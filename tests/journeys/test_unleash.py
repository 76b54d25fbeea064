"""Flags from Unleash over the real program: its webhook, its counts, its restored database.

What happens when it fails: test_fail_safe.py. A real one, and a fleet: test_fleet_unleash.py.
"""

from __future__ import annotations

import json

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import ask
from tests.journeys.test_fail_safe import server, start
from tests.rigs.fake_unleash import FakeUnleash

__all__ = ["server"]

METRICS = "/api/client/metrics"
HOOK = "/api/v1/hooks/unleash"
REQUESTS = 7


def test_unleash_is_told_how_many_requests_each_flag_was_on_for_at_the_end_too(
    shop: Shop, server: FakeUnleash
) -> None:
    server.flag("figway-rollback", enabled=False)
    figway = start(shop, server, FIGWAY_REPLICA="replica-7")
    closed = ask(figway.admin, "POST", HOOK, b"{}")
    assert closed.status == 404
    assert b"FIGWAY_UNLEASH_WEBHOOK_TOKEN" in closed.body
    figway.wait_until(lambda: bool(server.to("/api/client/register")))
    for _ in range(REQUESTS):
        assert figway.get("/product/a").headers["x-origin"] == "new"
    # What it has counted until now is told at its end.
    counted = {"route": "product-page", "upstream": "catalog", "reason": "bucket_in"}
    assert figway.metric("figway_requests_total", code="200", **counted) == REQUESTS
    assert figway.stop() == 0

    [registered] = server.to("/api/client/register")
    assert registered.body["instanceId"] == "replica-7"
    told: dict[str, tuple[int, int]] = {}
    for each in server.to(METRICS):
        assert each.body["instanceId"] == "replica-7"
        for flag, said in each.body["bucket"]["toggles"].items():
            yes, no = told.get(flag, (0, 0))
            told[flag] = (yes + said["yes"], no + said["no"])
    assert told["figway-product-page"] == (REQUESTS, 0)
    # The kill switch was asked by each of them, and said no.
    assert told["figway-rollback"] == (0, REQUESTS)
    # Flags that Unleash does not have are not told of.
    assert set(told) <= set(server.features)


def test_the_webhook_needs_its_own_token_and_makes_a_change_known_at_once(
    shop: Shop, server: FakeUnleash
) -> None:
    figway = start(
        shop,
        server,
        FIGWAY_FLAGS_UNLEASH_POLL="10m",
        FIGWAY_UNLEASH_WEBHOOK_TOKEN="hook-secret",
    )
    server.flag("figway-rollback")
    event = {
        "id": server.revision,
        "type": "feature-environment-enabled",
        "createdBy": "ada@example.com",
        "featureName": "figway-rollback",
        "environment": "production",
    }

    def call(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return ask(figway.admin, "POST", HOOK, json.dumps(event).encode(), headers).status

    # Whoever may move traffic is not who may ring: the tokens do not open each other's doors.
    for wrong in ("guess", "", figway.token):
        assert call(wrong) == 401
    other = {"Authorization": "Bearer hook-secret"}
    assert ask(figway.admin, "GET", "/api/v1/status", headers=other).status == 401
    assert figway.get("/product/a").headers["x-origin"] == "new"

    assert call("hook-secret") == 202
    figway.wait_until(lambda: figway.get("/product/a").headers["x-origin"] == "legacy")
    moved = figway.wait_for("flags_applied")
    assert (moved["actor"], moved["event_id"]) == ("ada@example.com", str(event["id"]))
    assert figway.metric("figway_unleash_webhooks_total", outcome="accepted") == 1
    assert figway.metric("figway_unleash_webhooks_total", outcome="refused") == 3


def test_a_restored_database_of_unleash_is_refused_until_a_reload_accepts_it(
    shop: Shop, server: FakeUnleash
) -> None:
    server.revision = 900
    figway = start(shop, server)
    assert figway.get("/product/a").headers["x-origin"] == "new"

    server.revision = 40
    server.flag("figway-product-page", percent=0, group="product-page")
    failing = figway.wait_for("provider_failing")
    assert "older than 900" in failing["detail"]
    assert "figway reload" in failing["detail"]
    assert figway.get("/product/a").headers["x-origin"] == "new"

    assert figway.run("reload").code == 0
    figway.wait_until(lambda: figway.get("/product/a").headers["x-origin"] == "legacy")
    assert figway.status()["provider"]["connection"] == "ok"
    assert figway.status()["provider"]["revision"] == 41


@pytest.mark.parametrize(
    ("token", "words"),
    [
        pytest.param("*:*.abc", "this is an admin token", id="an admin token"),
        pytest.param("a b", "holds a space", id="a space"),
    ],
)
def test_a_token_that_cannot_work_is_refused_before_anything_is_started(
    shop: Shop, server: FakeUnleash, token: str, words: str
) -> None:
    environ = {"FIGWAY_UNLEASH_URL": server.url, "FIGWAY_UNLEASH_TOKEN": token}
    figway = shop.start(workers=1, environ=environ)
    assert figway.wait() == 2
    assert words in figway.err
