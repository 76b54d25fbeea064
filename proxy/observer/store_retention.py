"""Retention: what is deleted from the evidence database, when, and in which order. Counters stay.

Everything here runs in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from proxy.evidence.repeats import hour_of
from proxy.observer.store_books import fold_ended
from proxy.observer.store_exemplars import drop_exemplars
from proxy.observer.store_schema import OF_AN_EPOCH

# Books of an ended boot: it may still come back, having only lost its connection. Seconds.
BOOKS_SECONDS = 86_400.0
# Above this share of the limit no exemplar and no row of a comparison is added.
FULL = 0.95
# Down to this share space is made.
ROOMY = 0.85
# Rows deleted in one go, so that the writer's transactions stay short.
PORTION = 100
# Pages given back to the disk in one round.
VACUUM_PAGES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long and how much. Seconds and bytes."""

    ttl: float
    max_store: int

    def apply(
        self, db: sqlite3.Connection, now: float, is_current: Callable[[str, str], bool]
    ) -> None:
        """Delete what is too old, then what is too much: the oldest exemplars first."""
        old = now - self.ttl
        _within(db, lambda: self._expire(db, old, now, is_current))
        while used_bytes(db) > ROOMY * self.max_store:
            if not _within(db, lambda: _delete_oldest(db)):
                break
        db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()

    def is_full(self, db: sqlite3.Connection) -> bool:
        """Whether there is only space for counters."""
        return used_bytes(db) > FULL * self.max_store

    def _expire(
        self,
        db: sqlite3.Connection,
        old: float,
        now: float,
        is_current: Callable[[str, str], bool],
    ) -> bool:
        expired = db.execute("SELECT id FROM exemplars WHERE at < ?", (old,)).fetchall()
        drop_exemplars(db, (id for (id,) in expired))
        db.execute("DELETE FROM comparisons WHERE at < ?", (old,))
        db.execute("DELETE FROM repeats WHERE hour < ?", (hour_of(now),))
        fold_ended(db, now - BOOKS_SECONDS)
        ended = db.execute("SELECT route, id FROM epochs WHERE last_seen < ?", (old,)).fetchall()
        for route, epoch in ended:
            if not is_current(route, epoch):
                forget_epoch(db, route, epoch)
        return True


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes in use; free pages inside the file do not count."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def forget_epoch(db: sqlite3.Connection, route: str, epoch: str) -> None:
    """Delete an ended epoch. What was eligible in it leaves the route's total with its outcomes."""
    (ended,) = db.execute(
        "SELECT coalesce(sum(n), 0) FROM outcomes WHERE route = ? AND epoch = ?", (route, epoch)
    ).fetchone()
    db.execute(
        "INSERT INTO totals (route, eligible) VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET eligible = eligible + excluded.eligible",
        (route, -ended),
    )
    for table in (*OF_AN_EPOCH, "outcomes"):
        db.execute(
            f"DELETE FROM {table} WHERE route = ? AND epoch = ?",  # noqa: S608 - our own tables
            (route, epoch),
        )
    db.execute("DELETE FROM epochs WHERE route = ? AND id = ?", (route, epoch))


def _delete_oldest(db: sqlite3.Connection) -> bool:
    """Delete a portion of what is least missed; False when only counters are left."""
    oldest = db.execute("SELECT id FROM exemplars ORDER BY at, id LIMIT ?", (PORTION,)).fetchall()
    if oldest:
        drop_exemplars(db, (id for (id,) in oldest))
        return True
    done = db.execute(
        "DELETE FROM comparisons WHERE id IN (SELECT id FROM comparisons ORDER BY at, id LIMIT ?)",
        (PORTION,),
    )
    return done.rowcount > 0


def _within(db: sqlite3.Connection, step: Callable[[], bool]) -> bool:
    db.execute("BEGIN IMMEDIATE")
    try:
        done = step()
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return done
