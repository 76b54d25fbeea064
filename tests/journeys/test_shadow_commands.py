"""figway shadow against the real program: copies, their report, and the switch that stops them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import FigwayProcess

ROUTES = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"], version: "4.2"}}
  catalog: {{urls: ["{new}"], version: "1.0"}}
routes:
  - id: copied
    match: {{path: {{prefix: /copied}}}}
    new: catalog
    stage: shadow
    shadow: {{sample: 100%}}
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""
KILL_SWITCH = ROUTES + "shadow: {{kill_switch: true}}\n"
PATIENCE = 30.0


@pytest.fixture
def figway(shop: Shop) -> FigwayProcess:
    """A figway that copies everything of one route, with its observer ready."""
    shop.write_routes(ROUTES)
    figway = shop.start(workers=1)
    return ready(figway)


def ready(figway: FigwayProcess) -> FigwayProcess:
    figway.serving()
    figway.wait_until(lambda: figway.status()["observer"]["state"] == "ready")
    figway.wait_for("worker_connected")
    return figway


def visit(figway: FigwayProcess, count: int, path: str = "/copied") -> None:
    for number in range(count):
        answer = figway.get(f"{path}/{number}")
        assert (answer.status, answer.body) == (200, b"legacy\n")


def route(figway: FigwayProcess) -> dict[str, Any]:
    done = figway.run("shadow", "report", "copied", "--json")
    assert done.code in (0, 1), done.err
    routes = done.json.get("routes", []) if done.code == 0 else []
    return dict(routes[0]) if routes else {"eligible": 0, "outcomes": {}, "pending": 0}


def settled(figway: FigwayProcess, eligible: int) -> dict[str, Any]:
    """The report once so many requests are eligible and each has its outcome."""
    end = time.monotonic() + PATIENCE
    while True:
        found = route(figway)
        ended = sum(found["outcomes"].values())
        if found["eligible"] == ended >= eligible and not found["pending"]:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_what_was_copied_is_reported_shown_and_triaged(shop: Shop, figway: FigwayProcess) -> None:
    visit(figway, 3)
    found = settled(figway, 3)
    assert found["eligible"] == 3
    assert found["outcomes"]["mismatch"] == 3
    assert found["verdict"] == "NO-GO"
    assert found["stage"] == "shadow"
    (cause,) = found["causes"]
    text = figway.run("shadow", "report")
    assert "copied  NO-GO  stage shadow" in text.out
    assert cause["fingerprint"] in text.out
    assert "What these figures do not say:" in text.out
    assert figway.run("shadow", "report", "--fail-on", "no-go").code == 1
    shown = figway.run("shadow", "show", cause["exemplars"][0])
    assert shown.code == 0, shown.err
    assert "legacy (legacy)  200" in shown.out
    assert "new (catalog)  200" in shown.out
    noted = figway.run("shadow", "triage", "copied", cause["fingerprint"], "--ticket", "SHOP-12")
    assert noted.code == 0, noted.err
    (again,) = route(figway)["causes"]
    assert again["ticket"] == "SHOP-12"
    assert [line["action"] for line in figway.audit()] == ["shadow_triage"]


def test_a_draft_rule_is_tried_on_what_was_kept(figway: FigwayProcess) -> None:
    visit(figway, 2)
    found = settled(figway, 2)
    path = found["causes"][0]["paths"][0]
    draft = figway.folder / "draft.yaml"
    draft.write_text(f"- {{path: {path}, op: ignore, reason: T-1, expires: 2099-01-01}}\n")
    tried = figway.run("shadow", "rules", "copied", "--draft", str(draft))
    assert tried.code == 1, tried.err
    assert "2 mismatch now and 0 would" in tried.out
    assert "no noise would be masked" in tried.out
    assert figway.run("shadow", "rules", "copied").code == 0


def test_a_replay_asks_both_sides_again_and_changes_no_figure(
    shop: Shop, figway: FigwayProcess
) -> None:
    visit(figway, 1)
    found = settled(figway, 1)
    before = len(shop.legacy.seen), len(shop.new.seen)
    replayed = figway.run("shadow", "replay", found["causes"][0]["exemplars"][0])
    assert replayed.code == 1, replayed.err
    assert "they differ" in replayed.out
    assert (len(shop.legacy.seen), len(shop.new.seen)) == (before[0] + 1, before[1] + 1)
    assert route(figway)["eligible"] == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(("report", "copid"), 2, "did you mean copied", id="misspelt route"),
        pytest.param(("show", "nothing"), 1, "nothing", id="no exemplar"),
        pytest.param(("triage", "copied", "ab", "--note", "x"), 1, "ab", id="no cause"),
        pytest.param(("triage", "copied", "ab"), 1, "ticket or note", id="no word"),
    ],
)
def test_what_is_not_there_is_refused_with_words(
    figway: FigwayProcess, words: tuple[str, ...], code: int, says: str
) -> None:
    done = figway.run("shadow", *words)
    assert done.code == code
    assert says in done.err


def test_a_pause_holds_from_the_next_request_on_and_over_a_restart(
    shop: Shop, figway: FigwayProcess
) -> None:
    visit(figway, 1)
    settled(figway, 1)
    paused = figway.run("shadow", "pause", "--reason", "legacy is slow")
    assert paused.code == 0, paused.err
    assert "shadow traffic is paused: 1 worker confirmed" in paused.out
    visit(figway, 5)
    assert figway.metric("figway_shadow_eligible_total", route="copied") == 1
    assert figway.metric("figway_shadow_paused") == 1
    assert len(shop.new.seen) == 1
    status = figway.run("status")
    assert "shadow traffic is paused by" in status.out
    assert "legacy is slow" in status.out
    assert [line["action"] for line in figway.audit()] == ["shadow_pause"]

    assert figway.stop() == 0
    figway = ready(shop.start(workers=1))
    figway.wait_for("shadow_pause_holds")
    visit(figway, 1)
    assert len(shop.new.seen) == 1

    resumed = figway.run("shadow", "resume", "--reason", "well again")
    assert resumed.code == 0, resumed.err
    visit(figway, 1)
    figway.wait_until(lambda: len(shop.new.seen) == 2)
    assert figway.metric("figway_shadow_paused") == 0


def test_the_kill_switch_of_the_file_stops_copies_and_is_named_by_a_resume(
    shop: Shop, figway: FigwayProcess
) -> None:
    shop.write_routes(KILL_SWITCH)
    assert figway.run("reload").code == 0
    visit(figway, 3)
    assert figway.metric("figway_shadow_eligible_total", route="copied") == 0
    assert shop.new.seen == []
    resumed = figway.run("shadow", "resume", "--reason", "x")
    assert resumed.code == 1
    assert "still stopped by shadow.kill_switch in routes.yaml" in resumed.out
    shop.write_routes(ROUTES)
    assert figway.run("reload").code == 0
    visit(figway, 1)
    figway.wait_until(lambda: len(shop.new.seen) == 1)


def test_what_the_visitor_gets_is_never_the_copys(shop: Shop, figway: FigwayProcess) -> None:
    answer = figway.get("/copied/1")
    assert answer.headers["x-origin"] == "legacy"
    figway.wait_until(lambda: shop.new.seen == [("GET", "/copied/1", 0)])
