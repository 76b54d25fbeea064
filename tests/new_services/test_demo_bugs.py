"""Faults on purpose: each shows where a real one would, and nowhere else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from new_services.catalog.demo_bugs import Bug, FaultyStore, is_rounded, read_bugs
from new_services.catalog.follow import Follower
from new_services.catalog.product import Product
from new_services.catalog.store import Store
from tests.new_services.conftest import Sides
from tests.new_services.test_catalog import run_command
from tests.rigs.child import free_ports
from tests.rigs.shop import Visitor, start_catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """The right store, and a wrong service for every fault."""

    store: Store
    visitor: Callable[[Bug], Visitor]


@pytest.fixture(scope="module")
def faulty(sides: Sides, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    folder = tmp_path_factory.mktemp("faulty")
    database = folder / "catalog.sqlite"
    follower = Follower(sides.data / "shop.sqlite", Store(database))
    assert follower.step() == 2000
    follower.close()
    ports = dict(zip(Bug, free_ports(len(Bug)), strict=True))
    services = [
        start_catalog(folder, port, bugs=bug, follow=None, log=f"{bug}.log")
        for bug, port in ports.items()
    ]
    store = Store(database)
    try:
        yield Faulty(store=store, visitor=lambda bug: Visitor(ports[bug]))
    finally:
        store.close()
        for service in services:
            service.end()


def products(faulty: Faulty) -> list[Product]:
    found = [faulty.store.product(number) for number in range(1, 2001)]
    return [product for product in found if product is not None]


def both_documents(sides: Sides, faulty: Faulty, bug: Bug, target: str) -> tuple[Any, Any]:
    return (
        json.loads(sides.php.get(target).body),
        json.loads(faulty.visitor(bug).get(target).body),
    )


def test_a_hundredth_of_the_products_has_rounded_prices_everywhere(
    sides: Sides, faulty: Faulty
) -> None:
    every = products(faulty)
    rounded = [product for product in every if is_rounded(product)]
    assert len(rounded) / len(every) == pytest.approx(0.01, abs=0.003)
    for product in rounded[:5]:
        php, catalog = both_documents(sides, faulty, Bug.ROUNDING, f"/api/products/{product.slug}")
        whole = f"{round(float(php['price']))}.00"
        assert php["price"] != whole
        assert catalog["price"] == whole
        changed = {key for key in php if php[key] != catalog[key]}
        assert changed in ({"price"}, {"price", "price_tiers"})
        page = faulty.visitor(Bug.ROUNDING).get(f"/product/{product.slug}").text
        assert f"€{int(float(whole)):,}.00 <span" in page
    right = next(product for product in every if not is_rounded(product))
    target = f"/product/{right.slug}"
    if not any(is_rounded(other) for other in faulty.store.products(right.related)):
        assert faulty.visitor(Bug.ROUNDING).get(target).body == sides.php.get(target).body


def test_the_last_warehouse_is_lost_and_the_sum_is_right(sides: Sides, faulty: Faulty) -> None:
    slug = products(faulty)[39].slug
    php, catalog = both_documents(sides, faulty, Bug.WAREHOUSE, f"/api/products/{slug}")
    assert catalog["stock"] == php["stock"][:-1]
    assert {**catalog, "stock": php["stock"]} == php
    page = sides.php.get(f"/product/{slug}").text.splitlines(keepends=True)
    [lost] = [line for line in page if "<li>Linz: " in line]
    page.remove(lost)
    assert faulty.visitor(Bug.WAREHOUSE).get(f"/product/{slug}").text == "".join(page)


@pytest.mark.parametrize(
    "target", ["/api/products/{slug}", "/api/categories/hammers", "/api/search?q=saw"]
)
def test_a_count_becomes_a_string_in_every_document(
    sides: Sides, faulty: Faulty, target: str
) -> None:
    slug = products(faulty)[39].slug
    visitor = faulty.visitor(Bug.INT_AS_STRING)
    php = sides.php.get(target.format(slug=slug)).text
    catalog = visitor.get(target.format(slug=slug)).text
    assert '"review_count":"' in catalog
    assert '"review_count":"' not in php
    as_numbers = json.loads(catalog)
    for product in as_numbers.get("products", [as_numbers]):
        product["review_count"] = int(product["review_count"])
    assert as_numbers == json.loads(php)
    page = f"/product/{slug}"
    assert visitor.get(page).body == sides.php.get(page).body


def test_related_products_come_in_the_order_of_their_numbers(sides: Sides, faulty: Faulty) -> None:
    product = products(faulty)[39]
    php, catalog = both_documents(sides, faulty, Bug.ORDER, f"/api/products/{product.slug}")
    assert catalog["related"] != php["related"]
    assert sorted(catalog["related"]) == sorted(php["related"])
    assert {**catalog, "related": php["related"]} == php
    target = f"/product/{product.slug}"
    wrong = faulty.visitor(Bug.ORDER).get(target).text.splitlines()
    right = sides.php.get(target).text.splitlines()
    assert wrong != right
    assert sorted(wrong) == sorted(right)


def test_a_time_is_an_hour_late(sides: Sides, faulty: Faulty) -> None:
    slug = products(faulty)[39].slug
    php, catalog = both_documents(sides, faulty, Bug.TIMEZONE, f"/api/products/{slug}")
    assert php["updated_at"] == "2025-01-01T00:00:00Z"
    assert catalog["updated_at"] == "2025-01-01T01:00:00Z"
    assert {**catalog, "updated_at": php["updated_at"]} == php


@pytest.mark.parametrize("bug", Bug)
def test_a_release_with_a_fault_is_another_release(faulty: Faulty, bug: Bug) -> None:
    assert faulty.visitor(bug).get("/healthz").header("x-app-version") == f"1.0.0+{bug}"


def test_what_the_store_holds_stays_right(sides: Sides, tmp_path: Path) -> None:
    faulty = FaultyStore(tmp_path / "catalog.sqlite", frozenset(Bug))
    follower = Follower(sides.data / "shop.sqlite", faulty)
    follower.step()
    follower.close()
    right = Store(tmp_path / "catalog.sqlite")
    with closing(sqlite3.connect(sides.data / "shop.sqlite")) as shop:
        [(stock,)] = shop.execute("SELECT COUNT(*) FROM stock WHERE product_id = 40")
    wrong, good = faulty.product(40), right.product(40)
    assert wrong is not None
    assert good is not None
    assert (len(wrong.stock), len(good.stock)) == (stock - 1, stock)
    faulty.close()
    right.close()


@pytest.mark.parametrize(
    ("text", "bugs"),
    [
        pytest.param("", set(), id="none"),
        pytest.param(" , ", set(), id="only commas"),
        pytest.param("order", {Bug.ORDER}, id="one"),
        pytest.param(" order , timezone ", {Bug.ORDER, Bug.TIMEZONE}, id="two with spaces"),
        pytest.param("all", set(Bug), id="all"),
        pytest.param("order,all", set(Bug), id="all and one"),
    ],
)
def test_a_list_of_names_is_read(text: str, bugs: set[Bug]) -> None:
    assert read_bugs(text) == bugs


def test_unknown_names_refuse_to_start_and_the_known_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIGWAY_DEMO_BUGS", "order,rouding,Timezone")
    done = run_command("serve", "--database", tmp_path / "catalog.sqlite", "--port", 10001)
    assert done.returncode == 2
    assert done.stderr == (
        "catalog: FIGWAY_DEMO_BUGS: rouding, Timezone: no such fault; there are"
        " rounding, warehouse, int_as_string, order, timezone, all\n"
    )
    assert not (tmp_path / "catalog.sqlite").exists()


def test_faults_are_announced_in_the_log(sides: Sides, tmp_path: Path) -> None:
    [port] = free_ports(1)
    with start_catalog(
        tmp_path, port, bugs="order,rounding", follow=sides.data / "shop.sqlite"
    ) as c:
        c.wait_for_output("FIGWAY_DEMO_BUGS plants these faults on purpose: order, rounding")
