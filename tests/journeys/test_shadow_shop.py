"""The shop compared: planted faults are found and explained, and where there are none, none is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.shadow_shop import Report, at_stage, brief, happened, settled, shadow_shop
from tests.rigs.shop import Visitor, seed_shop

REQUESTS = 2000
ROUTES = {
    *("product-page", "category-page", "search-page"),
    *("product-api", "category-api", "search-api", "old-product-address"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("shop")
    assert seed_shop(data).returncode == 0
    return data


@pytest.fixture(scope="module")
def faulty(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """The report on a catalog with every fault, after 2,000 requests."""
    with shadow_shop(data, tmp_path_factory.mktemp("faulty"), bugs="all") as shop:
        statuses = shop.crowd(REQUESTS)
        assert set(statuses) == {200, 404}, "no visitor has noticed"
        yield settled(shop.figway, REQUESTS)


def cause_at(report: Report, route: str, path: str) -> dict[str, Any]:
    """The one cause of a route that has this path."""
    found = [cause for cause in report[route]["causes"] if path in cause["paths"]]
    assert len(found) == 1, brief(report)
    return dict(found[0])


def test_five_planted_faults_come_out_as_five_causes(faulty: Report) -> None:
    assert len(faulty["product-api"]["causes"]) == 5, brief(faulty)
    compared = sum(faulty["product-api"]["outcomes"].values())
    for path, word, share in (
        ("$.price", "rounding", 0.01),
        ("$.stock[*]", "", 1),
        ("$.review_count", "int_to_string", 1),
        ("$.related", "order", 1),
        ("$.updated_at", "offset:+3600s", 1),
    ):
        cause = cause_at(faulty, "product-api", path)
        assert cause["cause"].startswith(word), brief(faulty)
        assert cause["count"] == pytest.approx(compared * share, rel=0.05, abs=10)
    assert faulty["product-api"]["verdict"] == "NO-GO"
    assert set(faulty) >= ROUTES


def test_each_cause_is_explained(faulty: Report) -> None:
    said = {cause["paths"][0]: cause["explanation"] for cause in faulty["product-api"]["causes"]}
    assert re.search(r'legacy ".*", new ".*": (rounded to|off by one|cut off)', said["$.price"])
    assert re.search(r"Linz.*the new side lacks an element", said["$.stock[*]"])
    assert re.search(r'legacy (\d+), new "\1": a number became a text', said["$.review_count"])
    assert "the new side is 1 hour later" in said["$.updated_at"]
    assert re.search(r"element \d of legacy is element \d of new", said["$.related"])


@pytest.mark.parametrize(
    ("route", "causes"),
    [
        ("category-api", {"rounding", "int_to_string"}),
        ("search-api", {"rounding", "int_to_string"}),
        ("product-page", {"rounding", "missing", "order"}),
        ("old-product-address", {"rounding", "missing", "order"}),
        ("category-page", {"rounding"}),
        ("search-page", {"rounding"}),
    ],
)
def test_other_routes_show_the_faults_that_reach_them_and_nothing_else(
    faulty: Report, route: str, causes: set[str]
) -> None:
    found = faulty[route]["causes"]
    assert {cause["cause"] for cause in found} == causes, brief(faulty)
    assert len(found) == len(causes), brief(faulty)


def test_one_fault_has_one_fingerprint_on_every_route(faulty: Report) -> None:
    for word in ("rounding", "int_to_string"):
        fingerprints = {
            cause["fingerprint"]
            for route in faulty.values()
            for cause in route["causes"]
            if cause["cause"] == word
        }
        assert len(fingerprints) == 1, brief(faulty)


def test_without_faults_nothing_differs_and_every_route_is_on_its_way(
    data: Path, tmp_path: Path
) -> None:
    with shadow_shop(data, tmp_path) as shop:
        shop.crowd(REQUESTS)
        report = settled(shop.figway, REQUESTS)
        assert set(report) >= ROUTES
        for name in ROUTES:
            route = report[name]
            assert set(happened(route)) <= {"match", "match_normalised"}, brief(report)
            assert route["causes"] == []
            assert route["epoch"]["legacy_version"] == "4.2"
            assert route["epoch"]["new_version"] == "1.0.0"
            if route["compared"] >= 324:
                assert route["verdict"] == "GO", brief(report)
            else:
                assert route["verdict"] == "NEED-MORE-DATA", brief(report)
                assert 0 < route["to_go"] <= 324 - route["compared"] + 1, brief(report)
        assert "GO" in {report[name]["verdict"] for name in ROUTES}


def test_a_live_route_asks_legacy_without_the_visitors_session(data: Path, tmp_path: Path) -> None:
    sessions = data / "sessions"
    with shadow_shop(data, tmp_path, routes=at_stage("product-api", "live")) as shop:
        visitor = Visitor(shop.port)
        visitor.get("/cart")
        own = sessions / f"sess_{visitor.cookies['PHPSESSID']}"
        touched = own.stat().st_mtime_ns
        before = set(sessions.iterdir())
        product = re.search(r'"url":"\\/product\\/([a-z0-9-]+)"', visitor.get("/api/products").text)
        assert product is not None
        touched = own.stat().st_mtime_ns
        for _ in range(10):
            answer = visitor.get(f"/api/products/{product[1]}")
            assert answer.header("x-served-by") == "catalog"
            assert answer.header("set-cookie") is None, "the shadow's cookies go nowhere"
        report = settled(shop.figway, 10)
        assert happened(report["product-api"]) == {"match": 10}, brief(report)
        # PHP touches the file of every session that it opens, and opens a new one without a cookie.
        assert own.stat().st_mtime_ns == touched
        assert len(set(sessions.iterdir()) - before) == 10


def test_nothing_of_a_trade_customer_is_copied(data: Path, tmp_path: Path) -> None:
    """The catalog knows retail prices only: comparing would tell of a fault that is none."""
    with shadow_shop(data, tmp_path) as shop:
        visitor = Visitor(shop.port)
        token = visitor.get("/login").csrf()
        visitor.post("/login", csrf=token, email="site@example.com", password="by-the-box")
        assert visitor.cookies["techflow_group"] == "trade"
        for target in ("/search?q=saw", "/api/search?q=saw", "/category/hammers"):
            assert visitor.get(target).status == 200
        Visitor(shop.port).get("/category/hammers")
        report = settled(shop.figway, 1)
        assert happened(report["category-page"]) == {"match": 1}, brief(report)


def test_a_php_warning_is_a_defect_of_legacy_and_no_mismatch(data: Path, tmp_path: Path) -> None:
    with shadow_shop(data, tmp_path, defect=True) as shop:
        visitor = Visitor(shop.port)
        product = re.search(r'href="/product/([a-z0-9-]+)"', visitor.get("/").text)
        assert product is not None
        page = visitor.get(f"/product/{product[1]}")
        assert "<b>Warning</b>:  Undefined array key" in page.text, "visitors see it, as ever"
        assert "<b>Warning</b>" in visitor.get(f"/api/products/{product[1]}").text
        report = settled(shop.figway, 2)
        for name in ("product-page", "product-api"):
            # The rest of the page is the same, so the new side is not to blame for anything.
            assert happened(report[name]) == {"match_normalised": 1}, brief(report)
            assert report[name]["causes"] == []
            [defect] = report[name]["defects"]
            assert defect["level"] == "Warning"
            assert defect["message"] == 'Undefined array key "note"'
