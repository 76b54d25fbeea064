"""Filling the catalog from the shop: once and whole, then in step with orders and price changes.

The shop never deletes a product, so a change is an update. What the catalog shows is at most one
interval older than the shop: the page says "Only 3 left" a second late, and the cart, which stays
in PHP, has the last word.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from new_services.catalog.legacy import LegacyShop
from new_services.catalog.store import Store

# An order takes its time stamp before it waits for the shop's write lock, at most 5 s; a wide
# overlap costs nothing but reading a few rows again.
_OVERLAP_SECONDS = 60


def import_all(shop: LegacyShop, store: Store) -> int:
    """Replace the store's content with the shop's, at once. Returns the number of products."""
    ids = shop.product_ids()
    store.begin()
    try:
        store.clear()
        store.put_categories(shop.categories())
        store.put_products(shop.products(ids))
    except BaseException:
        store.abandon()
        raise
    store.commit()
    return len(ids)


def import_changed(shop: LegacyShop, store: Store, since: int) -> int:
    """Take over what changed at this Unix time or later. Returns the number of products."""
    ids = shop.changed_since(since)
    if ids:
        store.begin()
        try:
            store.put_products(shop.products(ids))
        except BaseException:
            store.abandon()
            raise
        store.commit()
    return len(ids)


class Follower:
    """Keeps a store in step with a shop; `step` is called again and again, by one thread at a time.

    The store is the follower's own connection: a reader's must not see half a change.
    """

    def __init__(self, shop_path: Path, store: Store) -> None:
        self._shop_path = shop_path
        self._store = store
        self._file: tuple[int, int] | None = None
        self._version: int | None = None
        self._since = 0
        self._shop: LegacyShop | None = None

    def step(self) -> int:
        """Bring the store up to date. Returns the number of products taken over.

        Raises FileNotFoundError or sqlite3.Error; the next step begins anew with a whole import.
        """
        try:
            return self._step()
        except (OSError, sqlite3.Error):
            self.close()
            raise

    def close(self) -> None:
        """Let go of the shop's database."""
        if self._shop is not None:
            self._shop.close()
        self._shop = self._file = self._version = None

    def _step(self) -> int:
        status = os.stat(self._shop_path)
        started = int(time.time())
        if self._shop is None or self._file != (status.st_dev, status.st_ino):
            # The first time, or the shop was seeded anew.
            self.close()
            self._shop = LegacyShop(self._shop_path)
            version = self._shop.version()
            taken = import_all(self._shop, self._store)
            self._file = (status.st_dev, status.st_ino)
        else:
            version = self._shop.version()
            if version == self._version:
                return 0
            since = self._since - _OVERLAP_SECONDS
            taken = import_changed(self._shop, self._store, since)
        self._version = version
        self._since = started
        return taken
