"""The plan before the flip, over the real program."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.conftest import ROUTES, Shop
from tests.journeys.figway_process import FigwayProcess


def of(plan: dict[str, Any], upstream: str) -> dict[str, Any]:
    return next(each for each in plan["upstreams"] if each["upstream"] == upstream)


def ask_until_counted(figway: FigwayProcess, scope: str = "all") -> dict[str, Any]:
    """The plan, as soon as the first look at the workers' counters is in it."""
    plan: dict[str, Any] = figway.wait_until(
        lambda: (
            answer if (answer := figway.api(f"/api/v1/plan?scope={scope}").json)["routes"] else None
        )
    )
    return plan


def test_a_plan_tells_the_load_that_legacy_would_get_and_changes_nothing(shop: Shop) -> None:
    shop.write_routes(ROUTES.replace("role: legacy,", "role: legacy, capacity_rps: 0.001,"))
    figway = shop.start().serving()
    before = figway.run("rollback", "--all", "--plan")
    assert before.code == 0
    assert "nothing is known of the traffic yet" in before.out
    for _ in range(20):
        assert figway.get("/product/a").headers["x-origin"] == "new"
        assert figway.get("/done").headers["x-origin"] == "new"
        assert figway.get("/other").headers["x-origin"] == "legacy"
    plan = ask_until_counted(figway)
    assert plan["verdict"] == "exceeds"
    moving = {route["route"]: route for route in plan["routes"]}
    assert moving["product-page"]["rps"] > 0
    assert not moving["product-page"]["stays"]
    assert moving["done"]["stays"]
    legacy = of(plan, "legacy")
    moved = sum(route["rps"] for route in moving.values() if not route["stays"])
    assert legacy["rps_after"] == pytest.approx(legacy["rps_before"] + moved, abs=0.01)
    told = figway.run("rollback", "--all", "--plan")
    assert told.code == 1
    assert "MORE THAN IT BEARS" in told.out
    assert "stays on the new side (stage complete): done" in told.out
    assert figway.status()["holds"] == []
    assert figway.get("/product/a").headers["x-origin"] == "new"
    assert figway.run("rollback", "--route", "nowhere", "--plan").code == 2

    rolled_back = figway.run("rollback", "--all", "--reason", "drill")
    assert rolled_back.code == 0, rolled_back.err
    assert rolled_back.out.startswith("plan: legacy would get ")
    assert figway.get("/product/a").headers["x-origin"] == "legacy"


def test_a_reason_is_needed_for_what_changes_something(shop: Shop) -> None:
    figway = shop.start().serving()
    refused = figway.run("rollback", "--all")
    assert refused.code == 2
    assert "--reason" in refused.err
    assert figway.run("rollback", "--all", "--plan", "--json").json["verdict"] == "unknown"
    assert figway.api("/api/v1/plan?scope=nonsense").status == 400
    assert figway.api("/api/v1/plan?scope=route:nowhere").status == 404
    assert figway.api("/api/v1/plan?scop=all").status == 400
