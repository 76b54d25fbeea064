from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.rigs.shop import Visitor

ADDRESS = {
    "name": "Zoë <b>",
    "email": "zoe@example.com",
    "street": "Ring 1",
    "postcode": "1010",
    "city": "Wien",
}


def slug_of(data: Path, where: str, *values: object) -> tuple[int, str]:
    with closing(sqlite3.connect(data / "shop.sqlite")) as database:
        row = database.execute(
            "SELECT p.id, p.slug FROM products p WHERE " + where + " ORDER BY p.id LIMIT 1",
            values,
        ).fetchone()
    return row[0], row[1]


IN_STOCK = "(SELECT SUM(quantity) FROM stock s WHERE s.product_id = p.id) BETWEEN 20 AND 400"


def stock_of(data: Path, product: int) -> int:
    with closing(sqlite3.connect(data / "shop.sqlite")) as database:
        [total] = database.execute(
            "SELECT SUM(quantity) FROM stock WHERE product_id = ?", (product,)
        ).fetchone()
        return int(total)


@pytest.mark.parametrize(
    ("target", "status", "kind"),
    [
        ("/", 200, "text/html; charset=UTF-8"),
        ("/category/power-tools", 200, "text/html; charset=UTF-8"),
        ("/category/hammers?sort=price_desc&page=2", 200, "text/html; charset=UTF-8"),
        ("/category/no-such-shelf", 404, "text/html; charset=UTF-8"),
        ("/product/no-such-thing", 404, "text/html; charset=UTF-8"),
        ("/search", 200, "text/html; charset=UTF-8"),
        ("/search?q=hammer", 200, "text/html; charset=UTF-8"),
        ("/search?q[]=hammer", 200, "text/html; charset=UTF-8"),
        ("/search?q=%ff", 200, "text/html; charset=UTF-8"),
        ("/cart", 200, "text/html; charset=UTF-8"),
        ("/checkout", 303, None),
        ("/login", 200, "text/html; charset=UTF-8"),
        ("/account", 302, None),
        ("/nowhere", 404, "text/html; charset=UTF-8"),
        ("//", 404, "text/html; charset=UTF-8"),
        ("/../seed.php", 404, "text/html; charset=UTF-8"),
        ("/assets/../../seed.php", 404, "text/html; charset=UTF-8"),
        ("/index.php?route=product/category&path=2", 200, "text/html; charset=UTF-8"),
        ("/index.php?route=product/product", 404, "text/html; charset=UTF-8"),
        ("/index.php?route=checkout/cart", 301, None),
        ("/index.php?route[]=x", 404, "text/html; charset=UTF-8"),
        ("/api/products?page=2", 200, "application/json"),
        ("/api/categories", 200, "application/json"),
        ("/api/categories/hammers", 200, "application/json"),
        ("/api/search?q=norrvik", 200, "application/json"),
        ("/api/cart", 200, "application/json"),
        ("/api/nothing", 404, "application/json"),
        ("/assets/style.css", 200, "text/css; charset=UTF-8"),
        ("/assets/logo.svg", 200, "image/svg+xml"),
        ("/assets/img/power.svg", 200, "image/svg+xml"),
        ("/assets/shop.js", 200, "application/javascript"),
        ("/robots.txt", 200, "text/plain; charset=UTF-8"),
    ],
)
def test_every_address_answers_as_it_should(
    visitor: Visitor, target: str, status: int, kind: str | None
) -> None:
    answer = visitor.get(target)
    assert answer.status == status, answer.text[:500]
    if kind is not None:
        assert answer.header("content-type") == kind
    assert "Warning" not in answer.text
    assert "Fatal" not in answer.text


def test_a_page_sends_what_php_sends(visitor: Visitor) -> None:
    answer = visitor.get("/")
    assert re.fullmatch(r"PHP/8\.\d+\.\d+.*", answer.header("x-powered-by") or "")
    assert (answer.header("set-cookie") or "").startswith("PHPSESSID=")
    assert answer.header("cache-control") == "no-store, no-cache, must-revalidate"
    assert answer.header("expires") == "Thu, 19 Nov 1981 08:52:00 GMT"


def test_a_page_asks_the_database_again_for_every_product(visitor: Visitor) -> None:
    timing = visitor.get("/category/power-tools").header("server-timing") or ""
    found = re.fullmatch(r'db;desc="(\d+) queries";dur=[\d.]+, total;dur=[\d.]+', timing)
    assert found is not None, timing
    assert int(found[1]) > 24 * 4


def test_a_head_request_gets_the_head_of_the_page(visitor: Visitor) -> None:
    answer = visitor.get("/category/hammers", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


def test_a_slash_too_many_is_redirected(visitor: Visitor) -> None:
    answer = visitor.get("/category/hammers/?page=2")
    assert (answer.status, answer.header("location")) == (301, "/category/hammers?page=2")


def test_a_method_that_a_page_does_not_know_is_named(visitor: Visitor) -> None:
    answer = visitor.get("/cart", method="DELETE")
    assert (answer.status, answer.header("allow")) == (405, "HEAD, GET, POST")


def test_what_a_visitor_types_is_escaped(visitor: Visitor) -> None:
    answer = visitor.get("/search?q=" + quote("<script>alert('x')</script>"))
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(&#039;x&#039;)&lt;/script&gt;" in answer.text


def test_a_percent_sign_in_a_search_is_a_percent_sign(visitor: Visitor) -> None:
    assert "Nothing found" in visitor.get("/search?q=%25%25").text
    assert "Nothing found" in visitor.get("/search?q=_____").text


def test_an_old_address_shows_the_product(visitor: Visitor, shop_data: Path) -> None:
    _, slug = slug_of(shop_data, "p.id = 40")
    old = visitor.get("/index.php?route=product/product&product_id=40")
    assert old.body == visitor.get(f"/product/{slug}").body


def test_the_search_finds_words_in_any_order(visitor: Visitor, shop_data: Path) -> None:
    found = json.loads(visitor.get("/api/search?q=hammer+norrvik").body)
    assert found == {
        **json.loads(visitor.get("/api/search?q=norrvik+hammer").body),
        "query": "hammer norrvik",
    }
    assert all("Norrvik" in product["name"] for product in found["products"])


def test_pages_of_a_category_hold_every_product_once(visitor: Visitor) -> None:
    first = json.loads(visitor.get("/api/categories/power-tools").body)
    seen = [product["id"] for product in first["products"]]
    for page in range(2, first["pages"] + 1):
        document = json.loads(visitor.get(f"/api/categories/power-tools?page={page}").body)
        seen += [product["id"] for product in document["products"]]
    assert len(seen) == len(set(seen)) == first["total"] > 24


def test_a_form_without_a_token_changes_nothing_but_asks(visitor: Visitor) -> None:
    asked = visitor.post("/cart", action="add", product_id=40, quantity=2)
    assert asked.status == 403
    assert json.loads(visitor.get("/api/cart").body)["count"] == 0
    confirmed = visitor.post("/cart", action="add", product_id=40, quantity=2, csrf=asked.csrf())
    assert (confirmed.status, confirmed.header("location")) == (303, "/cart")
    assert json.loads(visitor.get("/api/cart").body)["count"] == 2


def test_another_visitors_token_is_no_token(visitor: Visitor, shop: int) -> None:
    stranger = Visitor(shop)
    assert visitor.post("/cart", action="add", product_id=40, csrf=stranger.token()).status == 403


def test_a_cart_is_filled_changed_and_emptied(visitor: Visitor) -> None:
    token = visitor.token()
    visitor.post("/cart", action="add", product_id=40, quantity=2, csrf=token)
    visitor.post("/cart", action="add", product_id=40, quantity=1, csrf=token)
    visitor.post("/cart", action="add", product_id=41, csrf=token)
    assert json.loads(visitor.get("/api/cart").body)["count"] == 4
    visitor.post("/cart", action="update", product_id=40, quantity=5, csrf=token)
    visitor.post("/cart", action="remove", product_id=41, csrf=token)
    cart = json.loads(visitor.get("/api/cart").body)
    assert [(item["product_id"], item["quantity"]) for item in cart["items"]] == [(40, 5)]
    visitor.post("/cart", action="update", product_id=40, quantity=0, csrf=token)
    assert "Nothing in it yet" in visitor.get("/cart").text


def test_a_larger_quantity_has_a_lower_price(visitor: Visitor, shop_data: Path) -> None:
    product, slug = slug_of(
        shop_data, "(SELECT COUNT(*) FROM price_tiers t WHERE t.product_id = p.id) = 6"
    )
    tiers = json.loads(visitor.get(f"/api/products/{slug}").body)["price_tiers"]
    token = visitor.token()
    for tier in tiers:
        quantity = tier["min_quantity"]
        visitor.post("/cart", action="add", product_id=product, csrf=token)
        visitor.post("/cart", action="update", product_id=product, quantity=quantity, csrf=token)
        [item] = json.loads(visitor.get("/api/cart").body)["items"]
        assert item["unit_price"] == tier["price"]
    assert len({tier["price"] for tier in tiers}) == 3


def test_an_order_takes_the_stock_and_can_be_placed_once(visitor: Visitor, shop_data: Path) -> None:
    product, _ = slug_of(shop_data, IN_STOCK)
    before = stock_of(shop_data, product)
    token = visitor.token()
    visitor.post("/cart", action="add", product_id=product, quantity=15, csrf=token)
    token = visitor.get("/checkout").csrf()
    placed = visitor.post("/checkout", csrf=token, **ADDRESS)
    assert (placed.status, placed.header("location")) == (303, "/checkout/done")
    assert re.search(r"number <b>TF-\d{6}</b>", visitor.get("/checkout/done").text)
    assert stock_of(shop_data, product) == before - 15
    assert json.loads(visitor.get("/api/cart").body)["count"] == 0
    assert visitor.post("/checkout", csrf=token, **ADDRESS).status == 403, "the token is spent"


def test_an_order_beyond_the_stock_changes_nothing(visitor: Visitor, shop_data: Path) -> None:
    plenty, _ = slug_of(shop_data, IN_STOCK)
    scarce, _ = slug_of(
        shop_data, "(SELECT SUM(quantity) FROM stock s WHERE s.product_id = p.id) BETWEEN 1 AND 9"
    )
    before = stock_of(shop_data, plenty), stock_of(shop_data, scarce)
    token = visitor.token()
    visitor.post("/cart", action="add", product_id=plenty, quantity=1, csrf=token)
    visitor.post("/cart", action="add", product_id=scarce, quantity=999, csrf=token)
    refused = visitor.post("/checkout", csrf=token, **ADDRESS)
    assert refused.status == 422
    assert "no longer have enough" in refused.text
    assert "Zoë &lt;b&gt;" in refused.text, "what was typed is kept, and escaped"
    assert (stock_of(shop_data, plenty), stock_of(shop_data, scarce)) == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"name": " "}, "Name is missing", id="no name"),
        pytest.param({"email": "zoe"}, "does not look right", id="no address"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(
    visitor: Visitor, change: dict[str, str], complaint: str
) -> None:
    visitor.post("/cart", action="add", product_id=40, csrf=visitor.token())
    refused = visitor.post("/checkout", csrf=visitor.token(), **{**ADDRESS, **change})
    assert refused.status == 422
    assert complaint in refused.text


def test_a_customer_logs_in_orders_and_logs_out(visitor: Visitor, shop_data: Path) -> None:
    product, _ = slug_of(shop_data, IN_STOCK)
    anonymous = visitor.get("/login")
    before = visitor.cookies["PHPSESSID"]
    wrong = visitor.post("/login", csrf=anonymous.csrf(), email="zoe@example.com", password="wrong")
    assert wrong.status == 422
    unknown = visitor.post("/login", csrf=anonymous.csrf(), email="x@example.com", password="wrong")
    assert unknown.status == 422
    right = visitor.post(
        "/login", csrf=anonymous.csrf(), email="Zoe@example.com", password="paint-it-blue"
    )
    assert (right.status, right.header("location")) == (303, "/account")
    assert visitor.cookies["PHPSESSID"] != before, (
        "a session that was fixed on somebody is left behind"
    )
    assert "techflow_group" not in visitor.cookies
    assert "Hello, Zoë O&#039;Hara" in visitor.get("/account").text
    visitor.post("/cart", action="add", product_id=product, csrf=visitor.token())
    visitor.post("/checkout", csrf=visitor.token(), **ADDRESS)
    account = visitor.get("/account")
    assert re.search(r"<h3>TF-\d{6}, \d{4}-\d\d-\d\d: €", account.text)
    assert visitor.post("/logout", csrf=account.csrf()).status == 303
    assert visitor.get("/account").status == 302


def test_a_trade_customer_sees_trade_prices_and_is_marked_for_the_proxy(
    visitor: Visitor, shop_data: Path
) -> None:
    _, slug = slug_of(shop_data, "p.id = 40")
    retail = json.loads(visitor.get(f"/api/products/{slug}").body)["price"]
    token = visitor.get("/login").csrf()
    visitor.post("/login", csrf=token, email="site@example.com", password="by-the-box")
    assert visitor.cookies["techflow_group"] == "trade"
    trade = json.loads(visitor.get(f"/api/products/{slug}").body)["price"]
    assert float(trade) < float(retail)
    assert "Your trade price" in visitor.get(f"/product/{slug}").text
    visitor.post("/logout", csrf=visitor.token())
    assert "techflow_group" not in visitor.cookies
    assert json.loads(visitor.get(f"/api/products/{slug}").body)["price"] == retail


def test_a_product_page_is_the_same_for_every_retail_visitor(
    visitor: Visitor, shop: int, shop_data: Path
) -> None:
    """Or no service without the session could answer it."""
    _, slug = slug_of(shop_data, "p.id = 40")
    visitor.post("/cart", action="add", product_id=41, csrf=visitor.token())
    visitor.post("/login", csrf=visitor.token(), email="anna@example.com", password="hammer-time")
    assert visitor.get("/account").status == 200
    assert visitor.get(f"/product/{slug}").body == Visitor(shop).get(f"/product/{slug}").body
