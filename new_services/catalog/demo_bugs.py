"""Faults on purpose: what FIGWAY_DEMO_BUGS plants, so that a comparison has something to find.

Each is a mistake that migrations make, and each is deterministic: the same product is wrong in the
same way on every page and in every document, in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from new_services.catalog.php_text import Json
from new_services.catalog.product import PriceTier, Product
from new_services.catalog.store import Store

VARIABLE = "FIGWAY_DEMO_BUGS"
_ALL = "all"
_HOUR = 3600


class Bug(StrEnum):
    """The faults, by the names that stand in FIGWAY_DEMO_BUGS."""

    # The prices of 1 % of the products are rounded to whole euros.
    ROUNDING = "rounding"
    # The list of stock has lost its last warehouse; the sum has not.
    WAREHOUSE = "warehouse"
    # `review_count` is "3" in JSON.
    INT_AS_STRING = "int_as_string"
    # Related products come in the order of their numbers, as `WHERE id IN (...)` gives them.
    ORDER = "order"
    # `updated_at` is the shop's local time, and says that it is UTC.
    TIMEZONE = "timezone"


def read_bugs(text: str) -> frozenset[Bug]:
    """The bugs of a comma-separated list of names, or of `all`. Raises ValueError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name != _ALL and name not in set(Bug)]
    if unknown:
        known = ", ".join([*Bug, _ALL])
        raise ValueError(f"{', '.join(unknown)}: no such fault; there are {known}")
    return frozenset(Bug) if _ALL in names else frozenset(map(Bug, names))


class FaultyStore(Store):
    """A store whose products come out wrong. What it holds is right."""

    def __init__(self, path: Path, bugs: frozenset[Bug]) -> None:
        super().__init__(path)
        self._bugs = bugs

    def _products(self, rest: str, values: Sequence[int | str]) -> tuple[Product, ...]:
        return tuple(spoil_product(p, self._bugs) for p in super()._products(rest, values))


def spoil_product(product: Product, bugs: frozenset[Bug]) -> Product:
    """The product with the faults that sit in its values."""
    if Bug.ROUNDING in bugs and is_rounded(product):
        tiers = tuple(_in_whole_euros(tier) for tier in product.tiers)
        product = replace(product, tiers=tiers)
    if Bug.WAREHOUSE in bugs:
        product = replace(product, stock=product.stock[:-1])
    if Bug.ORDER in bugs:
        product = replace(product, related=tuple(sorted(product.related)))
    if Bug.TIMEZONE in bugs:
        product = replace(product, updated_at=product.updated_at + _HOUR)
    return product


def spoil_document(document: Json, bugs: frozenset[Bug]) -> Json:
    """The JSON document with the faults that sit in its writing."""
    if Bug.INT_AS_STRING not in bugs:
        return document
    if isinstance(document, Mapping):
        return {
            key: str(value) if key == "review_count" else spoil_document(value, bugs)
            for key, value in document.items()
        }
    if isinstance(document, Sequence) and not isinstance(document, str):
        return [spoil_document(value, bugs) for value in document]
    return document


def is_rounded(product: Product) -> bool:
    """Whether this is one of the products whose prices are rounded."""
    if product.cents % 100 == 0:
        return False
    digest = hashlib.blake2b(b"rounding:%d" % product.id, digest_size=8).digest()
    # Three of four prices of the assortment have cents, so this is 1 % of all products.
    return int.from_bytes(digest) % 75 == 0


def _in_whole_euros(tier: PriceTier) -> PriceTier:
    return replace(tier, cents=(tier.cents + 50) // 100 * 100)
