"""The catalog service answers what the PHP shop answers, byte for byte."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from new_services.catalog.follow import Follower
from new_services.catalog.store import Store
from tests.new_services.conftest import Sides
from tests.rigs.child import ROOT, free_ports
from tests.rigs.shop import Visitor, seed_shop, start_catalog, start_shop


def column(sides: Sides, query: str) -> list[str]:
    with closing(sqlite3.connect(sides.data / "shop.sqlite")) as database:
        return [text for (text,) in database.execute(query)]


def assert_same(sides: Sides, target: str, php_target: str = "") -> None:
    php = sides.php.get(php_target or target)
    catalog = sides.catalog.get(target)
    assert catalog.body == php.body, target
    assert catalog.status == php.status
    assert catalog.header("content-type") == php.header("content-type")


def test_sampled_products_are_the_same_bytes(sides: Sides) -> None:
    # 23 is no divisor of the 24 shelves or of the words: the sample walks through all of them.
    slugs = column(sides, "SELECT slug FROM products WHERE id % 23 = 1")
    assert len(slugs) > 80
    for slug in slugs:
        assert_same(sides, f"/product/{slug}")
        assert_same(sides, f"/api/products/{slug}")


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("brand LIKE '%&%'", id="ampersand"),
        pytest.param('brand LIKE "%\'%"', id="apostrophe"),
        pytest.param("name LIKE '%\"%'", id="quote"),
        pytest.param("name LIKE '%²%'", id="beyond ASCII"),
        pytest.param("description LIKE '%< 300%'", id="less than"),
        pytest.param("id IN (SELECT product_id FROM reviews WHERE author LIKE '<%')", id="markup"),
        pytest.param("id NOT IN (SELECT product_id FROM reviews)", id="no reviews"),
        pytest.param(
            "id IN (SELECT product_id FROM reviews GROUP BY 1"
            " HAVING SUM(stars) * 20 % (COUNT(*) * 2) = COUNT(*))",
            id="an average that ends in half a tenth",
        ),
        pytest.param(
            "id IN (SELECT product_id FROM stock GROUP BY 1 HAVING SUM(quantity) = 0)",
            id="sold out",
        ),
        pytest.param("price_cents > 100000", id="over a thousand"),
        pytest.param("weight_grams % 1000 = 0", id="whole kilograms"),
        pytest.param("id = 1", id="first"),
        pytest.param("id = 2000", id="last"),
    ],
)
def test_awkward_products_are_the_same_bytes(sides: Sides, where: str) -> None:
    slugs = column(sides, f"SELECT slug FROM products WHERE {where} LIMIT 3")
    assert slugs, "the seed has such products"
    for slug in slugs:
        assert_same(sides, f"/product/{slug}")
        assert_same(sides, f"/api/products/{slug}")


def test_every_category_is_the_same_bytes(sides: Sides) -> None:
    slugs = column(sides, "SELECT slug FROM categories")
    assert len(slugs) == 30
    for slug in slugs:
        assert_same(sides, f"/category/{slug}")
        assert_same(sides, f"/api/categories/{slug}?page=2")


@pytest.mark.parametrize("sort", ["name", "price_asc", "price_desc", "newest"])
def test_every_page_of_every_order_is_the_same_bytes(sides: Sides, sort: str) -> None:
    for page in range(1, 17):
        assert_same(sides, f"/category/garden?sort={sort}&page={page}")


@pytest.mark.parametrize(
    "query",
    [
        "?",
        "?page=0",
        "?page=-1",
        "?page=2x",
        "?page=007",
        "?page=999999",
        "?page=9999999",
        "?page=%32",
        "?%70age=2",
        "?page=1&page=3",
        "?page[]=2",
        "?page[x]=2",
        "?page[=2",
        "?page=2&page[]=3",
        "?+page=2",
        "?page=2%00",
        "?page=%ff",
        "?page=+2",
        "?sort=",
        "?sort=price",
        "?sort=NAME",
        "?sort=newest%26page=2",
        "?sort=price_asc&utm_source=mail&page=3",
        "?sort[]=newest",
        "?so.rt=newest",
        "?a=1;sort=newest",
        "?sort=newest?page=2",
    ],
)
def test_odd_queries_are_read_as_php_reads_them(sides: Sides, query: str) -> None:
    assert_same(sides, f"/category/power-tools{query}")
    assert_same(sides, f"/api/categories/power-tools{query}")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?q=",
        "?q=hammer",
        "?q=HAMMER+norrvik",
        "?q=norrvik&page=3",
        "?q=norrvik&page=9999",
        "?q=b%C3%BCrkle",
        "?q=B%C3%9CRKLE",
        "?q=%26+S%C3%B6hne",
        "?q=O%27Malley",
        "?q=16%27",
        "?q=1%2F2%22",
        "?q=%25",
        "?q=_",
        "?q=%5C",
        "?q=%5C%25",
        "?q=no+such+thing",
        "?q=%3Cscript%3E",
        "?q=%C2%A0saw%E2%80%83table",
        "?q=+%09%0A%00saw%00",
        "?q=%1csaw",
        "?q=%ff",
        "?q[]=saw",
        "?q=saw&q=drill",
        "?q=a+b+c+d+e+f+g+h+nothing",
        "?q=" + "%C3%BC" * 210,
        "?q=z-1&page=2",
        "?page=2",
    ],
)
def test_a_search_finds_the_same_in_the_same_words(sides: Sides, query: str) -> None:
    assert_same(sides, f"/search{query}")
    assert_same(sides, f"/api/search{query}")


def test_both_sides_say_which_release_answers(sides: Sides) -> None:
    assert sides.php.get("/api/categories/hammers").header("x-app-version") == "4.2"
    assert sides.catalog.get("/api/categories/hammers").header("x-app-version") == "1.0.0"


@pytest.mark.parametrize(
    "target",
    [
        "/product/no-such-thing",
        "/product/UPPER",
        "/product/red%2ddrill",
        "/product/%ff",
        "/category/no-such-shelf",
        "/category/hammers%20",
        "/api/products/no-such-thing",
        "/api/categories/no-such-shelf",
    ],
)
def test_what_is_not_there_is_missed_in_the_same_words(sides: Sides, target: str) -> None:
    assert_same(sides, target)


@pytest.mark.parametrize("number", ["1", "40", "2000", "0", "2001", "000040", "1234567", "x"])
def test_an_old_address_is_answered_by_number(sides: Sides, number: str) -> None:
    assert_same(
        sides, f"/products/{number}", f"/index.php?route=product/product&product_id={number}"
    )


def test_head_is_get_without_the_body(sides: Sides) -> None:
    answer = sides.catalog.get("/category/hammers", method="HEAD")
    whole = sides.catalog.get("/category/hammers")
    assert answer.body == b""
    assert answer.header("content-length") == str(len(whole.body))


def test_everybody_can_see_who_answered(sides: Sides) -> None:
    catalog = sides.catalog.get("/category/hammers")
    assert catalog.header("x-served-by") == "catalog"
    assert catalog.header("x-powered-by") is None
    assert sides.php.get("/category/hammers").header("x-served-by") is None


def test_a_copy_in_a_browser_is_asked_for_again_and_confirmed(sides: Sides) -> None:
    first = sides.catalog.get("/category/hammers")
    assert first.header("cache-control") == "private, no-cache"
    tag = first.header("etag")
    assert tag is not None
    again = sides.catalog.get("/category/hammers", **{"If-None-Match": tag})
    assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
    other = sides.catalog.get("/category/sanders", **{"If-None-Match": tag})
    assert other.status == 200


def test_an_order_in_the_shop_reaches_the_catalog(tmp_path: Path) -> None:
    assert seed_shop(tmp_path, "--products", "50").returncode == 0
    store = Store(tmp_path / "catalog.sqlite")
    follower = Follower(tmp_path / "shop.sqlite", store)
    assert follower.step() == 50
    assert follower.step() == 0, "nothing has changed"
    [port] = free_ports(1)
    with start_shop(tmp_path, port):
        visitor = Visitor(port)
        product = next(p for p in map(store.product, range(1, 51)) if p and p.available > 3)
        visitor.post("/cart", action="add", product_id=product.id, quantity=2, csrf=visitor.token())
        placed = visitor.post(
            "/checkout",
            csrf=visitor.token(),
            name="A",
            email="a@example.com",
            street="B",
            postcode="1",
            city="C",
        )
        assert placed.status == 303
    assert follower.step() == 1
    changed = store.product(product.id)
    assert changed is not None
    assert changed.available == product.available - 2
    assert follower.step() == 0
    follower.close()
    store.close()


def test_a_shop_that_was_seeded_anew_is_imported_whole(tmp_path: Path) -> None:
    seed_shop(tmp_path, "--products", "50")
    store = Store(tmp_path / "catalog.sqlite")
    follower = Follower(tmp_path / "shop.sqlite", store)
    assert follower.step() == 50
    seed_shop(tmp_path, "--products", "30")
    assert follower.step() == 30
    assert store.product_count() == 30
    (tmp_path / "shop.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with pytest.raises(FileNotFoundError):
        follower.step()
    assert store.product_count() == 30, "what is known stays"
    (tmp_path / "elsewhere.sqlite").rename(tmp_path / "shop.sqlite")
    assert follower.step() == 30
    follower.close()
    store.close()


def test_a_broken_import_leaves_what_was_there(tmp_path: Path) -> None:
    seed_shop(tmp_path, "--products", "20")
    store = Store(tmp_path / "catalog.sqlite")
    follower = Follower(tmp_path / "shop.sqlite", store)
    follower.step()
    follower.close()
    with closing(sqlite3.connect(tmp_path / "shop.sqlite", isolation_level=None)) as shop:
        shop.execute("DROP TABLE reviews")
    with pytest.raises(sqlite3.Error):
        follower.step()
    assert store.product_count() == 20
    store.close()


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "new_services.catalog", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_import_command_fills_a_database(tmp_path: Path) -> None:
    seed_shop(tmp_path, "--products", "20")
    database = tmp_path / "deep" / "catalog.sqlite"
    done = run_command("import", "--from", tmp_path / "shop.sqlite", "--database", database)
    assert done.returncode == 0, done.stderr
    assert "imported 20 products" in done.stdout
    store = Store(database)
    assert store.product_count() == 20
    store.close()


def test_an_import_without_a_shop_says_what_to_do(tmp_path: Path) -> None:
    done = run_command(
        "import", "--from", tmp_path / "no.sqlite", "--database", tmp_path / "c.sqlite"
    )
    assert done.returncode == 1
    assert "run  php legacy_stub/seed.php" in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "eighty"])
def test_a_wrong_port_is_refused(port: str) -> None:
    done = run_command("serve", "--port", port)
    assert done.returncode == 2
    assert "must be a port from 1 to 65535" in done.stderr


def test_it_is_not_healthy_before_there_are_products_and_stops_when_asked(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with start_catalog(tmp_path, port) as service:
        assert "run  php legacy_stub/seed.php" not in service.output()
        answer = Visitor(port).get("/healthz")
        assert answer.status == 503
        assert json.loads(answer.body) == {"status": "empty", "products": 0}
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0


# The description


def description(sides: Sides) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sides.catalog.get("/openapi.json").body)
    return document


def test_it_describes_itself_in_openapi_3_1(sides: Sides) -> None:
    document = description(sides)
    assert document["openapi"] == "3.1.0"
    operations = [operation["get"] for operation in document["paths"].values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) == 8
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        placeholders = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        named = {p["name"] for p in item["get"]["parameters"] if p["in"] == "path"}
        assert placeholders == named


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/products/{slug}", "/api/products/{slug}"),
        ("/api/products/{slug}", "/api/products/nothing"),
        ("/api/categories/{slug}", "/api/categories/hammers"),
        ("/api/categories/{slug}", "/api/categories/garden?sort=newest&page=3"),
        ("/api/categories/{slug}", "/api/categories/nothing"),
        ("/product/{slug}", "/product/{slug}"),
        ("/product/{slug}", "/product/nothing"),
        ("/category/{slug}", "/category/hammers"),
        ("/products/{id}", "/products/40"),
        ("/search", "/search?q=saw"),
        ("/api/search", "/api/search?q=saw&page=2"),
        ("/api/search", "/api/search"),
        ("/healthz", "/healthz"),
    ],
)
def test_answers_are_as_described(sides: Sides, path: str, target: str) -> None:
    document = description(sides)
    for slug in column(sides, "SELECT slug FROM products WHERE id IN (1, 40, 999)"):
        answer = sides.catalog.get(target.replace("{slug}", slug))
        response = document["paths"][path]["get"]["responses"][str(answer.status)]
        [(kind, content)] = response["content"].items()
        assert (answer.header("content-type") or "").partition(";")[0] == kind
        value = json.loads(answer.body) if kind == "application/json" else answer.text
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(value)
