"""The PHP shop's database, read-only: its rows as the catalog's values."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from new_services.catalog.product import Category, PriceTier, Product, Review, Spec, Stock

# SQLite allows 999 "?" in one statement in its older builds.
_BATCH = 500


class LegacyShop:
    """A read-only connection to the shop's database.

    Raises FileNotFoundError when the shop was not seeded yet, sqlite3.Error when it is no shop.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"no shop database at {path}: run  php legacy_stub/seed.php")
        self._connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        self._connection.execute("PRAGMA busy_timeout = 5000")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def version(self) -> int:
        """A number that differs after anybody else has written to the database."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def categories(self) -> tuple[Category, ...]:
        """All categories in the order of the shop."""
        rows = self._connection.execute(
            "SELECT id, parent_id, slug, name, intro FROM categories ORDER BY position"
        )
        return tuple(
            Category(id=i, parent_id=parent, slug=slug, name=name, intro=intro)
            for i, parent, slug, name, intro in rows
        )

    def product_ids(self) -> tuple[int, ...]:
        """The numbers of all products."""
        return tuple(i for (i,) in self._connection.execute("SELECT id FROM products ORDER BY id"))

    def changed_since(self, seconds: int) -> tuple[int, ...]:
        """The numbers of the products changed, or whose stock was, at this Unix time or later."""
        rows = self._connection.execute(
            "SELECT id FROM products WHERE updated_at >= ?1"
            " UNION SELECT product_id FROM stock WHERE updated_at >= ?1",
            (seconds,),
        )
        return tuple(i for (i,) in rows)

    def products(self, ids: Sequence[int]) -> Iterator[Product]:
        """The products with these numbers, read in batches."""
        for start in range(0, len(ids), _BATCH):
            yield from self._batch(ids[start : start + _BATCH])

    def _batch(self, ids: Sequence[int]) -> Iterator[Product]:
        tiers = defaultdict[int, list[PriceTier]](list)
        for i, minimum, cents in self._rows(
            "SELECT product_id, min_quantity, price_cents FROM price_tiers"
            " WHERE customer_group = 'retail' AND product_id IN ({}) ORDER BY min_quantity",
            ids,
        ):
            tiers[i].append(PriceTier(min_quantity=minimum, cents=cents))
        stock = defaultdict[int, list[Stock]](list)
        for i, warehouse, quantity in self._rows(
            "SELECT s.product_id, w.name, s.quantity FROM stock s"
            " JOIN warehouses w ON w.id = s.warehouse_id WHERE s.product_id IN ({}) ORDER BY w.id",
            ids,
        ):
            stock[i].append(Stock(warehouse=warehouse, quantity=quantity))
        specs = defaultdict[int, list[Spec]](list)
        for i, name, value in self._rows(
            "SELECT product_id, name, value FROM specs WHERE product_id IN ({}) ORDER BY position",
            ids,
        ):
            specs[i].append(Spec(name=name, value=value))
        reviews = defaultdict[int, list[Review]](list)
        for i, author, stars, text, day in self._rows(
            "SELECT product_id, author, stars, text, written_on FROM reviews"
            " WHERE product_id IN ({}) ORDER BY id",
            ids,
        ):
            reviews[i].append(Review(author=author, stars=stars, text=text, written_on=day))
        related = defaultdict[int, list[int]](list)
        for i, other in self._rows(
            "SELECT product_id, related_id FROM related WHERE product_id IN ({}) ORDER BY position",
            ids,
        ):
            related[i].append(other)
        for i, category, slug, sku, name, brand, description, image, grams, day, at in self._rows(
            "SELECT id, category_id, slug, sku, name, brand, description, image, weight_grams,"
            " added_on, updated_at FROM products WHERE id IN ({}) ORDER BY id",
            ids,
        ):
            yield Product(
                id=i,
                category_id=category,
                slug=slug,
                sku=sku,
                name=name,
                brand=brand,
                description=description,
                image=image,
                weight_grams=grams,
                added_on=day,
                tiers=tuple(tiers[i]),
                stock=tuple(stock[i]),
                specs=tuple(specs[i]),
                reviews=tuple(reviews[i]),
                related=tuple(related[i]),
                available=sum(place.quantity for place in stock[i]),
                updated_at=at,
            )

    def _rows(self, query: str, ids: Sequence[int]) -> sqlite3.Cursor:
        return self._connection.execute(query.format(", ".join("?" * len(ids))), tuple(ids))
