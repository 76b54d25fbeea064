"""Which side listens where, and which request the new side gets."""

from __future__ import annotations

import pytest

from proxy.config.parse import parse_routes
from proxy.conformance.site import Site, SiteError, new_target
from proxy.routing.facts import PlainFacts
from tests.proxy.conformance.two_sides import ROUTES

FILE = parse_routes(ROUTES.encode(), "routes.yaml")


def test_addresses_come_from_the_file() -> None:
    site = Site.of(FILE)
    assert site.legacy.urls == ("http://127.0.0.1:1",)
    assert {name: side.urls[0] for name, side in site.new.items()} == {
        "catalog": "http://127.0.0.1:2",
        "search": "http://127.0.0.1:3",
    }


def test_one_address_stands_for_every_new_side() -> None:
    site = Site.of(FILE, "http://old:80/", ("http://new:80",))
    assert site.legacy.urls == ("http://old:80",)
    assert {side.urls[0] for side in site.new.values()} == {"http://new:80"}


def test_a_named_address_stands_for_that_side() -> None:
    site = Site.of(FILE, new=("search=http://s:1", "http://rest:2"))
    assert site.new["search"].urls == ("http://s:1",)
    assert site.new["catalog"].urls == ("http://rest:2",)
    assert Site.of(FILE, new=("search=unix:/run/s.sock",)).new["catalog"].urls[0].endswith(":2")


def test_whom_a_certificate_is_checked_by_stays() -> None:
    text = ROUTES.replace(
        'urls: ["http://127.0.0.1:2"]',
        'urls: ["https://h"], tls: {ca: ca.pem, server_name: c.example}',
    )
    file = parse_routes(text.encode(), "routes.yaml")
    side = Site.of(file, new=("https://127.0.0.1:9",)).new["catalog"]
    assert (side.urls, side.tls_ca, side.tls_server_name) == (
        *(("https://127.0.0.1:9",), "ca.pem", "c.example"),
    )


@pytest.mark.parametrize(
    ("file", "legacy", "new", "message"),
    [
        (None, "http://a:1", (), "--new URL is needed"),
        (None, "", ("http://a:1",), "--legacy URL is needed"),
        (FILE, "", ("shop=http://a:1",), "there is no new upstream shop"),
        (FILE, "ftp://a", (), "--legacy ftp://a: must be http"),
        (FILE, "http://a:1/path", (), "--legacy http://a:1/path: must not hold a path"),
        (None, "http://a:1", ("http://a:99999",), "port between 1 and 65535"),
        (None, "http://a:1", ("http://b:1", "http://c:1"), "another address was given before"),
    ],
)
def test_what_is_missing_is_said(
    file: object, legacy: str, new: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SiteError, match=message):
        Site.of(file, legacy, new)  # type: ignore[arg-type]  # a table of both


@pytest.mark.parametrize(
    ("target", "route", "new", "why"),
    [
        ("/product/saw", "product", "/product/saw", ""),
        ("/index.php?route=product&id=7", "old-product", "/products/7?route=product&id=7", ""),
        ("/index.php?route=product", "old-product", None, ""),
        ("/cart", "monolith", None, "route monolith has no new side"),
        ("/product//saw", "monolith", None, "can be read in two ways"),
    ],
)
def test_a_request_goes_where_its_route_says(
    target: str, route: str, new: str | None, why: str
) -> None:
    facts = PlainFacts.of("GET", f"http://shop.example{target}")
    place = Site.of(FILE).place(facts)
    assert place.route is not None
    assert place.route.id == route
    assert why in place.why
    assert bool(place.why) is (place.new is None)
    if place.new is not None:
        assert new_target(place.route, facts) == new


def test_without_a_table_everything_goes_to_the_new_side_as_it_is() -> None:
    site = Site.of(None, "http://a:1", ("http://b:2",))
    place = site.place(PlainFacts.of("GET", "/a//b?"))
    assert place.new is site.any_new
    assert new_target(place.route, PlainFacts.of("GET", "/a//b?")) == "/a//b?"
    assert site.authority() == "a:1"
