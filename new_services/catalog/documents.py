"""The JSON documents of products and categories, with the shop's keys in the shop's order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from new_services.catalog.php_text import Json
from new_services.catalog.product import Category, Listing, Product, Sort

NOT_FOUND: dict[str, Json] = {"error": "not found"}


def product_document(product: Product, category: Category, related: Iterable[Product]) -> Json:
    """One product, whole."""
    return {
        **_summary(product),
        "category": _link(category),
        "description": product.description,
        "weight_kg": product.weight_grams / 1000,
        "updated_at": f"{datetime.fromtimestamp(product.updated_at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "price_tiers": [
            {"min_quantity": tier.min_quantity, "price": _amount(tier.cents)}
            for tier in product.tiers
        ],
        "stock": [{"warehouse": s.warehouse, "quantity": s.quantity} for s in product.stock],
        "specs": [{"name": spec.name, "value": spec.value} for spec in product.specs],
        "related": [other.slug for other in related],
    }


def category_document(category: Category, sort: Sort, listing: Listing) -> Json:
    """One page of a category."""
    return {
        **_link(category),
        "intro": category.intro,
        "sort": str(sort),
        **_listing(listing),
    }


def search_document(query: str, listing: Listing) -> Json:
    """One page of what a search found."""
    return {"query": query, **_listing(listing)}


def _listing(listing: Listing) -> dict[str, Json]:
    return {
        "total": listing.total,
        "page": listing.page,
        "pages": listing.pages,
        "products": [_summary(product) for product in listing.products],
    }


def _summary(product: Product) -> dict[str, Json]:
    tenths = product.rating_tenths
    return {
        "id": product.id,
        "sku": product.sku,
        "slug": product.slug,
        "name": product.name,
        "brand": product.brand,
        "url": f"/product/{product.slug}",
        "price": _amount(product.cents),
        "currency": "EUR",
        "available": product.available,
        "rating": None if tenths is None else tenths / 10,
        "review_count": len(product.reviews),
    }


def _link(category: Category) -> dict[str, Json]:
    return {"slug": category.slug, "name": category.name, "url": f"/category/{category.slug}"}


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
