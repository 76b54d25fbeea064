"""The catalog's own SQLite database: how it is laid out, read and written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from new_services.catalog.product import PAGE_SIZE, Category, Listing, Product, Sort

_LAYOUT = 2
_TABLES = """
DROP TABLE IF EXISTS categories;
DROP TABLE IF EXISTS products;
CREATE TABLE categories (
  id INTEGER PRIMARY KEY, parent_id INTEGER, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  intro TEXT NOT NULL, position INTEGER NOT NULL
);
CREATE TABLE products (
  id INTEGER PRIMARY KEY, category_id INTEGER NOT NULL, slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, cents INTEGER NOT NULL, added_on TEXT NOT NULL, words TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX products_by_name ON products (category_id, name, id);
"""
_ORDER = {
    Sort.NAME: "name, id",
    Sort.PRICE_ASC: "cents, id",
    Sort.PRICE_DESC: "cents DESC, id",
    Sort.NEWEST: "added_on DESC, id DESC",
}
_LITERALLY = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_PRODUCT = TypeAdapter(Product)
_CATEGORY_COLUMNS = "id, parent_id, slug, name, intro"


class Store:
    """One connection to the catalog's database. A product is one row: its whole document.

    Reads take tens of microseconds, so the service makes them on its event loop; a search walks
    through all products, half a millisecond for a thousand. Opening a missing file makes an empty
    one. Raises sqlite3.Error.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Readers and the follower do not wait for each other.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
            self._connection.executescript(_TABLES)
            self._connection.execute(f"PRAGMA user_version = {_LAYOUT}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    # Reading

    def product_count(self) -> int:
        """How many products there are: 0 before the first import."""
        return self._count("SELECT COUNT(*) FROM products", ())

    def departments(self) -> tuple[Category, ...]:
        """The categories without a parent, in the order of the shop."""
        return self._categories("parent_id IS NULL", ())

    def children(self, parent_id: int) -> tuple[Category, ...]:
        """The categories below a department."""
        return self._categories("parent_id = ?", (parent_id,))

    def category(self, category_id: int) -> Category | None:
        """A category by its number."""
        return next(iter(self._categories("id = ?", (category_id,))), None)

    def category_by_slug(self, slug: str) -> Category | None:
        """A category by the word in its address."""
        return next(iter(self._categories("slug = ?", (slug,))), None)

    def product(self, product_id: int) -> Product | None:
        """A product by its number."""
        return next(iter(self._products("WHERE id = ?", (product_id,))), None)

    def product_by_slug(self, slug: str) -> Product | None:
        """A product by the words in its address."""
        return next(iter(self._products("WHERE slug = ?", (slug,))), None)

    def products(self, ids: Sequence[int]) -> tuple[Product, ...]:
        """Products by their numbers, in the order asked for; those that are gone are left out."""
        marks = ", ".join("?" * len(ids))
        found = {p.id: p for p in self._products(f"WHERE id IN ({marks})", ids)}
        return tuple(found[product_id] for product_id in ids if product_id in found)

    def listing(self, category: Category, sort: Sort, page: int) -> Listing:
        """One page of a category and its children. A page beyond the last is the last."""
        family = (category.id, *(child.id for child in self.children(category.id)))
        where = f"WHERE category_id IN ({', '.join('?' * len(family))})"
        return self._listing(where, family, _ORDER[sort], page)

    def search(self, words: Sequence[str], page: int) -> Listing:
        """One page of the products in whose name, brand and SKU every word occurs.

        Upper and lower case are the same for ASCII letters only. Without words nothing is found.
        """
        if not words:
            return Listing(products=(), total=0, page=1, pages=1)
        where = "WHERE " + " AND ".join([r"words LIKE ? ESCAPE '\'"] * len(words))
        patterns = [f"%{word.translate(_LITERALLY)}%" for word in words]
        return self._listing(where, patterns, _ORDER[Sort.NAME], page)

    # Writing

    def begin(self) -> None:
        """Start a change that readers see whole, at `commit`, or never."""
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End a change."""
        self._connection.execute("COMMIT")

    def abandon(self) -> None:
        """Undo a change."""
        self._connection.execute("ROLLBACK")

    def clear(self) -> None:
        """Forget everything, inside a change."""
        self._connection.execute("DELETE FROM products")
        self._connection.execute("DELETE FROM categories")

    def put_categories(self, categories: Iterable[Category]) -> None:
        """Add categories; their order is the order of the shop."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO categories VALUES (?, ?, ?, ?, ?, ?)",
            (
                (c.id, c.parent_id, c.slug, c.name, c.intro, position)
                for position, c in enumerate(categories)
            ),
        )

    def put_products(self, products: Iterable[Product]) -> None:
        """Add products, or replace them."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO products VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    p.id,
                    p.category_id,
                    p.slug,
                    p.name,
                    p.cents,
                    p.added_on,
                    f"{p.name} {p.brand} {p.sku}",
                    _PRODUCT.dump_json(p).decode(),
                )
                for p in products
            ),
        )

    def _listing(self, where: str, values: Sequence[int | str], order: str, page: int) -> Listing:
        total = self._count(f"SELECT COUNT(*) FROM products {where}", values)  # noqa: S608 - only "?" marks
        pages = max(1, -(-total // PAGE_SIZE))
        page = min(page, pages)
        products = self._products(
            f"{where} ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, PAGE_SIZE, (page - 1) * PAGE_SIZE),
        )
        return Listing(products=products, total=total, page=page, pages=pages)

    def _count(self, query: str, values: Sequence[int | str]) -> int:
        return int(self._connection.execute(query, values).fetchone()[0])

    def _categories(self, where: str, values: Sequence[int | str]) -> tuple[Category, ...]:
        rows = self._connection.execute(
            f"SELECT {_CATEGORY_COLUMNS} FROM categories WHERE {where} ORDER BY position",  # noqa: S608 - constants
            values,
        )
        return tuple(
            Category(id=i, parent_id=parent, slug=slug, name=name, intro=intro)
            for i, parent, slug, name, intro in rows
        )

    def _products(self, rest: str, values: Sequence[int | str]) -> tuple[Product, ...]:
        rows = self._connection.execute(f"SELECT document FROM products {rest}", values)  # noqa: S608 - constants
        return tuple(_PRODUCT.validate_json(document) for (document,) in rows)
