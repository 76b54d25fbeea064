"""Pairs of answers as a shop gives them: legacy and new, equal or with a migration's mistakes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TypedDict

from proxy.exchange import Answer

_WORDS = ("Hammer", "Drill", "Sander", "Mixer", "Spade", "Panel", "Cable", "Primer")
_JSON = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"private, no-cache"))
_HTML = ((b"Content-Type", b"text/html; charset=UTF-8"), (b"Cache-Control", b"private, no-cache"))


class _Product(TypedDict):
    id: int
    sku: str
    slug: str
    name: str
    url: str
    price: str
    currency: str
    available: int
    rating: float
    # A string where the new side is wrong.
    review_count: int | str
    tags: list[str]


class _Listing(TypedDict):
    slug: str
    generated_at: str
    total: int
    products: list[_Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one request."""

    legacy: Answer
    new: Answer

    @property
    def size(self) -> int:
        """Bytes of the legacy body."""
        return len(self.legacy.body)


def equal_documents(size: int, number: int) -> Pair:
    """A listing in JSON of about `size` bytes, the same bytes on both sides."""
    body = _encoded(_listing(size, number))
    # Two objects, as from two sockets.
    return Pair(legacy=_json(body), new=_json(bytes(bytearray(body))))


def differing_documents(size: int, number: int) -> Pair:
    """The same listing with four mistakes.

    One price rounded, every hundredth count a string, one list in another order, one time an hour
    late.
    """
    listing = _listing(size, number)
    legacy = _encoded(listing)
    products = listing["products"]
    chosen = products[number % len(products)]
    chosen["price"] = f"{round(float(chosen['price']))}.00"
    for product in products[number % 10 :: 100]:
        product["review_count"] = str(product["review_count"])
    products[(number + 3) % len(products)]["tags"].reverse()
    listing["generated_at"] = listing["generated_at"].replace("T08:", "T09:")
    return Pair(legacy=_json(legacy), new=_json(_encoded(listing)))


def differing_pages(size: int, number: int) -> Pair:
    """A page of about `size` bytes; one price and one link differ."""
    products = _listing(size, number, per_product=330)["products"]
    legacy = _page(products)
    chosen = products[number % len(products)]
    chosen["price"] = f"{round(float(chosen['price']))}.00"
    products[(number + 3) % len(products)]["slug"] += "-2"
    return Pair(
        legacy=Answer(status=200, headers=_HTML, body=legacy),
        new=Answer(status=200, headers=_HTML, body=_page(products)),
    )


def _json(body: bytes) -> Answer:
    return Answer(status=200, headers=_JSON, body=body)


def _encoded(listing: _Listing) -> bytes:
    return json.dumps(listing, separators=(",", ":")).encode()


def _listing(size: int, number: int, *, per_product: int = 245) -> _Listing:
    chance = random.Random(number)
    return {
        "slug": f"shelf-{number}",
        "generated_at": "2026-11-22T08:00:00Z",
        "total": 1000,
        "products": [_product(chance, n) for n in range(1, max(2, size // per_product) + 1)],
    }


def _product(chance: random.Random, number: int) -> _Product:
    word = chance.choice(_WORDS)
    return {
        "id": number,
        "sku": f"{word[0]}{word[-1].upper()}-{1000 + number}",
        "slug": f"maker-{word.lower()}-{number}",
        "name": f"Maker {word} No {number}, 18 V & 40 Nm",
        "url": f"/product/maker-{word.lower()}-{number}",
        "price": f"{chance.randint(5, 900)}.{chance.randint(1, 49):02d}",
        "currency": "EUR",
        "available": chance.randint(0, 300),
        "rating": chance.randint(10, 50) / 10,
        "review_count": chance.randint(0, 40),
        "tags": [f"{word.lower()}-{tag}" for tag in ("a", "b", "c")],
    }


def _page(products: list[_Product]) -> bytes:
    cards = "".join(
        f'  <li class="card">\n    <a href="{product["url"]}">\n'
        f'      <img src="/assets/{product["sku"]}.svg" width="160" height="120" alt="">\n'
        f"      <h3>{product['name']}</h3>\n    </a>\n"
        f'    <p class="in">Shelf · <a href="/s/{product["slug"]}">more</a></p>\n'
        f'    <p class="price">€{product["price"]} <span class="stock">In stock</span></p>\n'
        "  </li>\n"
        for product in products
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Shelf</title>'
        '<link rel="canonical" href="/category/shelf"></head>\n<body>\n'
        '<form action="/search"><input name="q"></form>\n'
        f'<ul class="cards">\n{cards}</ul>\n</body>\n</html>\n'
    ).encode()
