"""figway conform against the real shop, and from the shadow traffic of a real figway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import Command, figway
from tests.rigs.child import ROOT, free_ports
from tests.rigs.shop import seed_shop, start_catalog, start_shop

PATIENCE = 30.0
CASES = str(ROOT / "cases.yaml")
ROUTES = str(ROOT / "routes.yaml")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A seeded shop."""
    folder = tmp_path / "data"
    assert seed_shop(folder, "--products", "120").returncode == 0
    return folder


@pytest.fixture
def shop_port(data: Path) -> Iterator[int]:
    """The PHP shop, listening."""
    (port,) = free_ports(1)
    with start_shop(data, port):
        yield port


def conform(data: Path, shop_port: int, *words: str, bugs: str = "") -> Command:
    """Run the cases of the shop against the PHP shop and a catalog."""
    (port,) = free_ports(1)
    with start_catalog(data, port, bugs=bugs) as catalog:
        catalog.wait_for_output("took over 120 products")
        return figway(
            *("conform", CASES, "--routes", ROUTES),
            *("--legacy", f"http://127.0.0.1:{shop_port}", "--new", f"http://127.0.0.1:{port}"),
            *words,
        )


def test_the_catalog_answers_as_the_shop_does(data: Path, shop_port: int) -> None:
    done = conform(data, shop_port, "--json", "--concurrency", "2")
    assert done.code == 0, done.out
    told = done.json
    assert told["passed"] == len(told["cases"]) >= 10
    routes = {step["route"] for case in told["cases"] for step in case["steps"]}
    assert {"product-page", "product-api", "category-page", "search-api"} <= routes
    visitor = told["cases"][-1]
    assert [sorted({"legacy", "new"} & step.keys()) for step in visitor["steps"]] == [
        ["legacy"],
        ["legacy", "new"],
    ]


def test_planted_faults_fail_their_cases_with_their_causes(
    data: Path, shop_port: int, tmp_path: Path
) -> None:
    junit = tmp_path / "conform.xml"
    done = conform(data, shop_port, "--json", "--junit", str(junit), bugs="all")
    assert done.code == 1, done.err
    failed = {case["name"]: case for case in done.json["cases"] if case["outcome"] == "failed"}
    causes = {
        (cause["paths"][0], cause["cause"])
        for cause in failed["a product for a program"]["steps"][0]["comparison"]["causes"]
    }
    assert ("$.review_count", "int_to_string") in causes
    assert ("$.updated_at", "offset:+3600s") in causes
    assert ("$.related", "order") in causes
    assert any(path.startswith("$.stock") for path, _ in causes)
    root = ElementTree.parse(junit).getroot()
    assert root.get("failures") == str(len(failed))


SHADOWED = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"]}}
  catalog: {{urls: ["{new}"]}}
routes:
  - id: copied
    match: {{path: {{prefix: /copied}}}}
    new: catalog
    stage: shadow
    shadow: {{sample: 100%}}
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""


def test_what_shadow_traffic_found_becomes_a_case_that_fails_alike(
    shop: Shop, tmp_path: Path
) -> None:
    shop.write_routes(SHADOWED)
    running = shop.start(workers=1).serving()
    running.wait_until(lambda: running.status()["observer"]["state"] == "ready")
    running.wait_for("worker_connected")
    assert running.get("/copied/1?token=s3cr3t-value").status == 200
    assert running.get("/copied/2").status == 200
    end = time.monotonic() + PATIENCE
    while len(exemplars(running)) < 2:
        assert time.monotonic() < end, exemplars(running)
        time.sleep(0.05)
    recorded = running.run("conform", "record", "--from-shadow", "copied")
    assert recorded.code == 0, recorded.err
    assert "s3cr3t-value" not in recorded.out
    cases = tmp_path / "cases.yaml"
    cases.write_text(recorded.out)
    done = figway(
        *("conform", str(cases), "--routes", str(shop.folder / "routes.yaml"), "--json"),
        *("--legacy", shop.legacy.url, "--new", shop.new.url),
    )
    assert done.code == 1, done.err
    outcomes = {case["name"]: case["outcome"] for case in done.json["cases"]}
    assert outcomes == {
        "GET /copied/2": "failed",
        "GET /copied/1?token=${QUERY_TOKEN}": "skipped",
    }


def exemplars(running: Any) -> list[Any]:
    answer = running.api("/api/v1/shadow/exemplars?route=copied")
    return list(answer.json["exemplars"]) if answer.status == 200 else []
