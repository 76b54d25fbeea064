"""An access log of the shop, made up: one day in combined format, the same in every run.

`python -m deploy.shop_log | gzip > shop.access.log.gz`: something to try `figway diff` on.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_DAY = datetime(2026, 11, 21, tzinfo=UTC)
_VISITS = 2_600
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15",
    "ShopBot/2.1 (+https://bot.example/about)",
)
_PRODUCTS = tuple(
    f"{colour}-{thing}"
    for thing in ("drill", "saw", "hammer", "ladder", "sander", "pipe-wrench", "paint-roller")
    for colour in ("red", "blue", "cordless", "small", "large", "used")
)
_CATEGORIES = ("power-tools", "hand-tools", "paint", "plumbing", "garden", "safety")
_WORDS = ("drill", "red+paint", "pipe", "ladder+3m", "gloves")


def lines() -> Iterator[str]:
    """The lines of the day, in the order in which the server wrote them."""
    chance = random.Random(1987)  # noqa: S311 - a repeatable day, no secret
    requests = sorted(request for _ in range(_VISITS) for request in _visit(chance))
    for second, client, agent, request, status, size, referer in requests:
        when = (_DAY + timedelta(seconds=second)).strftime("%d/%b/%Y:%H:%M:%S +0000")
        yield f'{client} - - [{when}] "{request}" {status} {size} "{referer}" "{agent}"'


def _visit(chance: random.Random) -> Iterator[tuple[float, str, str, str, int, int, str]]:
    second = _moment(chance)
    client = f"198.51.100.{chance.randint(1, 254)}"
    agent = chance.choices(_AGENTS, (6, 5, 1))[0]
    if chance.random() < 0.004:
        # A client that speaks TLS to a plain port.
        yield second, client, "-", r"\x16\x03\x01\x02", 400, 157, "-"
        return
    page = "-"
    for number in range(chance.randint(1, 7)):
        second = min(second + chance.expovariate(1 / 25), 86_399)
        target, status = _target(chance)
        method = "POST" if target in ("/cart", "/checkout") and chance.random() < 0.5 else "GET"
        yield second, client, agent, f"{method} {target} HTTP/1.1", status, 9_000, page
        page = f"https://shop.example{target}"
        if number == 0:
            for asset in ("/assets/shop.css", "/assets/shop.js"):
                yield second + 0.2, client, agent, f"GET {asset} HTTP/1.1", 200, 21_000, page


def _target(chance: random.Random) -> tuple[str, int]:
    product = chance.choice(_PRODUCTS)
    target = chance.choices(
        (
            "/",
            f"/product/{product}",
            f"/category/{chance.choice(_CATEGORIES)}?sort=price_asc&page={chance.randint(1, 9)}",
            f"/search?q={chance.choice(_WORDS)}",
            f"/api/products/{product}",
            f"/index.php?route=product/product&product_id={chance.randint(1, 400)}",
            "/cart",
            "/checkout",
            f"/product/{product}-gone",
        ),
        (10, 34, 18, 8, 10, 5, 8, 4, 1),
    )[0]
    return target, 404 if target.endswith("-gone") else 200


def _moment(chance: random.Random) -> float:
    """A second of the day: quiet at four, busiest at sixteen."""
    while True:
        second = chance.random() * 86_400
        if chance.random() < 0.55 - 0.45 * math.cos((second - 14_400) / 86_400 * 2 * math.pi):
            return second


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
