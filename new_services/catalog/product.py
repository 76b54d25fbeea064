"""The values of the catalog: categories and products. Money is in cents, weight in grams."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PAGE_SIZE = 24


class Sort(StrEnum):
    """The orders of a category listing, by the names that stand in addresses."""

    NAME = "name"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A department (no parent) or a shelf in one."""

    id: int
    parent_id: int | None
    slug: str
    name: str
    intro: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """What one piece costs when at least `min_quantity` are bought."""

    min_quantity: int
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Pieces in one warehouse."""

    warehouse: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One line of the data sheet."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a customer wrote, with 1 to 5 stars; the day is YYYY-MM-DD."""

    author: str
    stars: int
    text: str
    written_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Everything that a page or a document says of a product, at retail prices.

    `available` are the pieces in all warehouses together; `updated_at` is Unix time.
    """

    id: int
    category_id: int
    slug: str
    sku: str
    name: str
    brand: str
    description: str
    image: str
    weight_grams: int
    added_on: str
    tiers: tuple[PriceTier, ...]
    stock: tuple[Stock, ...]
    specs: tuple[Spec, ...]
    reviews: tuple[Review, ...]
    related: tuple[int, ...]
    available: int
    updated_at: int

    @property
    def cents(self) -> int:
        """The price of a single piece."""
        return self.tiers[0].cents

    @property
    def rating_tenths(self) -> int | None:
        """Average stars in tenths, halves rounded up as PHP does; None without reviews."""
        count = len(self.reviews)
        if count == 0:
            return None
        stars = sum(review.stars for review in self.reviews)
        # In whole numbers: Python's round() takes 4.25 down to 4.2, PHP's takes it up to 4.3.
        return (20 * stars + count) // (2 * count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of products, how many there are in all, and where this page stands."""

    products: tuple[Product, ...]
    total: int
    page: int
    pages: int
