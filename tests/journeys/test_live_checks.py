"""figway check --live and figway diff --live: files held against a figway that runs."""

from __future__ import annotations

import json
from typing import Any

from tests.journeys.conftest import ROUTES, Shop
from tests.journeys.figway_process import FigwayProcess
from tests.proxy.replay.two_versions import combined


def found(figway: FigwayProcess, *words: str) -> dict[tuple[str, str], str]:
    """Findings of the live rules: rule and key to message."""
    told = figway.run("check", str(figway.config), "--live", *words, "--json")
    assert told.err == ""
    return {
        (each["rule"], each["key"]): each["message"]
        for each in told.json["findings"]
        if each["rule"].startswith("FLAG") or "now would be" in each["message"]
    }


def test_a_file_is_held_against_live_flags_and_traffic(shop: Shop) -> None:
    shop.write_routes(ROUTES.replace("role: legacy,", "role: legacy, capacity_rps: 0.001,"))
    shop.write_flags("routes: {product-page: {percent: 100}, capped: {percent: 80}}\n")
    figway = shop.start().serving()
    assert found(figway) == {
        ("FLAG001", "routes[2]"): "no source of flags speaks of group:purchase: cart and 1 more"
        " routes stays on legacy",
        ("FLAG003", "routes[1].max_percent"): "the flag of route:capped says 80 %, above"
        " max_percent 25: the ceiling holds",
    }
    for _ in range(10):
        assert figway.get("/account").headers["x-origin"] == "new"
    overload = figway.wait_until(lambda: found(figway).get(("CAP001", "upstreams.legacy")))
    assert overload.startswith("a rollback of everything now would be too much: legacy would get")

    sarif = figway.run("check", str(figway.config), "--live", "--format", "sarif")
    assert sarif.code == 1
    results = json.loads(sarif.out)["runs"][0]["results"]
    assert {"FLAG001", "FLAG003", "CAP001"} <= {result["ruleId"] for result in results}

    figway.stop()
    # Without its address the command would ask whoever listens at the default one.
    gone = figway.run("check", str(figway.config), "--live", "--admin", figway.admin)
    assert gone.code == 2
    assert "cannot reach figway" in gone.err


def test_a_log_is_replayed_with_live_flags_and_rollbacks(shop: Shop) -> None:
    figway = shop.start().serving()
    after = shop.folder / "after.yaml"
    after.write_text(figway.config.read_text().replace("max_percent: 100", "max_percent: 40"))
    log = shop.folder / "access.log"
    log.write_text("".join(combined(f"/product/{n}", n) + "\n" for n in range(50)))
    words = ("diff", str(figway.config), str(after), "--live", "--access-log", str(log), "--json")

    def told() -> dict[str, Any]:
        value: dict[str, Any] = figway.run(*words).json
        return value

    before = told()
    assert before["flags_before"].startswith("file as it is live, revision ")
    assert round(before["forecast"]["to_legacy"], 6) == 30
    assert figway.run("rollback", "--all", "--reason", "drill").code == 0
    # What is rolled back already is not moved by a lower ceiling.
    assert told()["forecast"]["changed"] == 0
