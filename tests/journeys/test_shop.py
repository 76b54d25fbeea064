"""The story that Figway is for: a PHP page moves to Python, and back, and stays there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element
from selenium.webdriver.support.wait import WebDriverWait

from tests.journeys.figway_process import FigwayProcess
from tests.rigs.browser import complaints, open_browser, responses
from tests.rigs.child import ROOT, free_ports
from tests.rigs.shop import Answer, Visitor, seed_shop, start_catalog, start_shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """The shop, the catalog, the files of a Figway in front of them, and a product to look at."""

    folder: Path
    shop: int
    catalog: int
    product: str

    @contextmanager
    def figway(self) -> Iterator[FigwayProcess]:
        """Figway, serving. Its state stays in the folder for the next one."""
        process = FigwayProcess(self.folder)
        try:
            yield process.serving()
        finally:
            process.close()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    data = tmp_path / "data"
    assert seed_shop(data, "--products", "120").returncode == 0
    shop, catalog = free_ports(2)
    routes = (ROOT / "routes.yaml").read_text()
    for usual, port in ((8081, shop), (8101, catalog)):
        assert f':{usual}"' in routes
        routes = routes.replace(f':{usual}"', f':{port}"')
    (tmp_path / "routes.yaml").write_text(routes)
    (tmp_path / "flags.yaml").write_text((ROOT / "flags" / "flags.yaml").read_text())
    with start_shop(data, shop), start_catalog(data, catalog) as service:
        service.wait_for_output("took over 120 products")
        old = Visitor(shop).get("/index.php?route=product/product&product_id=40")
        found = re.search(r'rel="canonical" href="([^"]+)"', old.text)
        assert found is not None
        yield Street(folder=tmp_path, shop=shop, catalog=catalog, product=found[1])


def visitor_of(figway: FigwayProcess) -> Visitor:
    """A new client of the proxy."""
    return Visitor(int(figway.listen.rpartition(":")[2]))


def look(figway: FigwayProcess, target: str) -> Answer:
    """What a new client gets."""
    answer = visitor_of(figway).get(target)
    assert answer.status == 200
    return answer


def move(figway: FigwayProcess, route: str, percent: int) -> None:
    moved = figway.run("percent", route, str(percent), "--reason", "try")
    assert moved.code == 0, moved.err


def explained(figway: FigwayProcess, target: str) -> str:
    told = figway.run("explain", "GET", f"http://{figway.listen}{target}")
    assert told.code == 0, told.err
    return told.out


def side_of(answer: Answer) -> str:
    php, catalog = answer.header("x-powered-by"), answer.header("x-served-by")
    assert (php is None) != (catalog is None)
    return "php" if php is not None else "catalog"


def test_a_product_page_moves_to_the_catalog_and_back_and_stays(street: Street) -> None:
    with street.figway() as figway:
        before = look(figway, street.product)
        assert side_of(before) == "php"

        move(figway, "product-page", 100)
        after = look(figway, street.product)
        assert side_of(after) == "catalog"
        assert after.body == before.body, "nobody can see the difference"
        assert "route product-page, reason bucket_in" in explained(figway, street.product)

        back = figway.run("rollback", "--all", "--reason", "try")
        assert back.code == 0, back.err
        assert side_of(look(figway, street.product)) == "php"
        assert "reason rollback_all" in explained(figway, street.product)
        assert figway.stop() == 0

    with street.figway() as figway:
        assert side_of(look(figway, street.product)) == "php", "a rollback survives a restart"
        assert "reason rollback_all" in explained(figway, street.product)

        over = figway.run("resume", "--all", "--reason", "tried")
        assert over.code == 0, over.err
        assert side_of(look(figway, street.product)) == "catalog", "the percentage was kept too"


def test_every_page_of_the_shop_is_the_same_behind_figway(street: Street) -> None:
    ours = {"via", "x-request-id", "traceparent", "date", "host", "connection", "set-cookie"}
    ours |= {"server-timing", "transfer-encoding", "content-length", "keep-alive"}
    with street.figway() as figway:
        for target in (
            "/",
            "/category/power-tools?sort=price_asc&page=2",
            street.product,
            "/search?q=norrvik+%C3%BC&page=1",
            "/cart",
            "/login",
            "/account",
            "/index.php?route=checkout/cart",
            "/index.php?route=product/product&product_id=40",
            "/api/products?page=3",
            "/assets/style.css",
            "/assets/logo.svg",
            "/nowhere",
        ):
            # One session on both ways, or the form tokens would differ.
            visitor = Visitor(street.shop)
            visitor.get("/")
            direct = visitor.get(target)
            proxied = Visitor(visitor_of(figway).port, visitor.cookies).get(target)
            assert (proxied.status, proxied.body) == (direct.status, direct.body), target
            assert [h for h in proxied.headers if h[0] not in ours] == [
                h for h in direct.headers if h[0] not in ours
            ]


def test_a_customer_buys_while_the_pages_come_from_both_sides(street: Street) -> None:
    with street.figway() as figway:
        for route in ("product-page", "category-page", "product-api"):
            move(figway, route, 50)
        visitor = visitor_of(figway)
        stock = json.loads(visitor.get(f"/api{street.product.replace('product', 'products')}").body)
        page = visitor.get(street.product)
        assert f'<link rel="canonical" href="{street.product}">' in page.text
        visitor.post("/cart", action="add", product_id=40, quantity=2, csrf=visitor.token())
        placed = visitor.post(
            "/checkout",
            csrf=visitor.get("/checkout").csrf(),
            name="Zoë",
            email="zoe@example.com",
            street="Ring 1",
            postcode="1010",
            city="Wien",
        )
        assert (placed.status, placed.header("location")) == (303, "/checkout/done")
        assert "TF-000001" in visitor.get("/checkout/done").text
        assert stock["available"] > 2


def test_old_addresses_reach_the_catalog_under_its_own_path(street: Street) -> None:
    with street.figway() as figway:
        old = "/index.php?route=product/product&product_id=40"
        before = visitor_of(figway).get(old)
        move(figway, "old-product-address", 100)
        after = visitor_of(figway).get(old)
        assert (side_of(before), side_of(after)) == ("php", "catalog")
        assert after.body == before.body


def test_trade_customers_keep_their_prices(street: Street) -> None:
    """Their prices are in the PHP session, so they never see the new side."""
    with street.figway() as figway:
        move(figway, "product-page", 100)
        visitor = visitor_of(figway)
        assert side_of(visitor.get(street.product)) == "catalog"
        token = visitor.get("/login").csrf()
        visitor.post("/login", csrf=token, email="site@example.com", password="by-the-box")
        page = visitor.get(street.product)
        assert side_of(page) == "php"
        assert "Your trade price" in page.text
        visitor.post("/logout", csrf=visitor.token())
        assert side_of(visitor.get(street.product)) == "catalog"


def test_a_browser_fills_a_cart_from_a_page_of_the_new_side(street: Street) -> None:
    """The new page has no session; the shop's script brings the token and the count from PHP."""
    with street.figway() as figway, open_browser(street.folder) as browser:
        home = f"http://{figway.listen}"
        move(figway, "product-page", 100)
        wait = WebDriverWait(browser, 30)
        browser.get(home + street.product)
        wait.until(text_to_be_present_in_element((By.CSS_SELECTOR, "[data-account]"), "Log in"))
        quantity = browser.find_element(By.NAME, "quantity")
        quantity.clear()
        quantity.send_keys("3")
        browser.find_element(By.CSS_SELECTOR, ".add button").click()
        wait.until(text_to_be_present_in_element((By.TAG_NAME, "h1"), "Your cart"))
        browser.get(home + street.product)
        wait.until(text_to_be_present_in_element((By.CSS_SELECTOR, "[data-cart]"), "3"))

        seen = responses(browser)
        assert [(url, status) for url, status in seen if status >= 400] == []
        assert {url.removeprefix(home) for url, _ in seen} >= {
            street.product,
            "/cart",
            "/api/visitor",
            "/assets/style.css",
            "/assets/shop.js",
        }
        assert complaints(browser, home) == []
