"""A crowd for the shop: which addresses it asks for, and asking for them. The same in every run.

A visitor looks at a few pages in a row with one connection and one set of cookies, as browsers do.
"""

from __future__ import annotations

import http.client
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

# One product in so many visits is no product: old links, typing errors.
_MISSED = 50
_SORTS = ("", "", "", "price_asc", "price_desc", "newest")
_AGENT = "figway-demo-visitor/1"
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assortment:
    """What can be asked for: slugs of products and categories, and words that searches find."""

    products: tuple[str, ...]
    categories: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def read(cls, shop: Path) -> Assortment:
        """Read it from the shop's database. Raises sqlite3.Error."""
        with closing(sqlite3.connect(f"{shop.resolve().as_uri()}?mode=ro", uri=True)) as database:

            def column(query: str) -> tuple[str, ...]:
                return tuple(text for (text,) in database.execute(query))

            names = column("SELECT name FROM products ORDER BY id LIMIT 400")
            return cls(
                products=column("SELECT slug FROM products ORDER BY id"),
                categories=column("SELECT slug FROM categories ORDER BY id"),
                words=tuple(sorted({word for name in names for word in name.split()})),
            )


def visits(assortment: Assortment, count: int, seed: int = 1987) -> list[tuple[str, ...]]:
    """What each visitor asks for, `count` targets in all. A seed gives the same visits always."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable crowd, no secret
    targets = _targets(assortment, chance)
    found: list[tuple[str, ...]] = []
    left = count
    while left > 0:
        length = min(left, chance.randint(3, 12))
        found.append(tuple(next(targets) for _ in range(length)))
        left -= length
    return found


def _targets(assortment: Assortment, chance: random.Random) -> Iterator[str]:
    def product() -> str:
        if chance.randrange(_MISSED) == 0:
            return f"sold-in-{chance.randint(1990, 2010)}"
        return chance.choice(assortment.products)

    def number() -> int:
        # Of the shop's first life: products are numbered from 1.
        return chance.randint(1, len(assortment.products))

    def category() -> str:
        slug, sort = chance.choice(assortment.categories), chance.choice(_SORTS)
        page = chance.choice((1, 1, 1, 2, 3))
        asked = [f"sort={sort}"] * bool(sort) + [f"page={page}"] * (page > 1)
        return slug + ("?" + "&".join(asked) if asked else "")

    def search() -> str:
        words = chance.sample(assortment.words, chance.choice((1, 1, 2)))
        page = chance.choice(("", "", "&page=2"))
        return f"?q={quote_plus(' '.join(words))}{page}"

    kinds: Sequence[tuple[int, Callable[[], str]]] = (
        (26, lambda: f"/product/{product()}"),
        (22, lambda: f"/api/products/{product()}"),
        (14, lambda: f"/category/{category()}"),
        (12, lambda: f"/api/categories/{category()}"),
        (11, lambda: f"/search{search()}"),
        (11, lambda: f"/api/search{search()}"),
        (4, lambda: f"/index.php?route=product/product&product_id={number()}"),
    )
    weights = [weight for weight, _ in kinds]
    while True:
        [(_, target)] = chance.choices(kinds, weights)
        yield target()


def send_visitors(
    port: int,
    crowd: Sequence[tuple[str, ...]],
    *,
    at_once: int = 8,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[int, int]:
    """Let every visitor ask, `at_once` of them side by side; returns status -> how often.

    `progress` hears how many requests were answered. Raises OSError or http.client.HTTPException
    when one is not answered.
    """
    statuses: dict[int, int] = {}
    lock = threading.Lock()

    def heard(status: int) -> None:
        with lock:
            statuses[status] = statuses.get(status, 0) + 1
            progress(sum(statuses.values()))

    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(_visit, port, targets, cancelled, heard) for targets in crowd]
        for each in running:
            each.result()
    return statuses


def _visit(
    port: int,
    targets: Sequence[str],
    cancelled: Callable[[], bool],
    heard: Callable[[int], None],
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    cookies: dict[str, str] = {}
    with closing(connection):
        for target in targets:
            if cancelled():
                return
            headers = {"User-Agent": _AGENT}
            if cookies:
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            answer.read()
            for field in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = field.partition(";")[0].partition("=")
                cookies[name] = value
            heard(answer.status)
