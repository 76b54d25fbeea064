"""The books in the database: what workers counted, against what was settled, boot by boot.

Everything here runs in the writer's thread, within its transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping

from proxy.evidence.books import Balance, LedgerRow
from proxy.evidence.outcome import Outcome

# Detail of shed: it was handed to an observer that is gone.
OBSERVER_LOST = "observer_lost"
# Detail of aborted: it had not left a worker that is gone.
WORKER_LOST = "worker_lost"

Waiting = Mapping[tuple[str, str], int]
# Makes sure that the route's current epoch exists, and gives its id.
CurrentEpoch = Callable[[str], str]


def enter_ledger(
    db: sqlite3.Connection,
    rows: Iterable[LedgerRow],
    waiting: Waiting,
    *,
    recover: bool,
    now: float,
    current_epoch: CurrentEpoch,
) -> None:
    """Enter totals of live workers, and see whether they agree with what was settled."""
    for row in rows:
        known = db.execute(
            "SELECT own_details, ineligible, settled, unsampled, heard FROM books"
            " WHERE boot = ? AND route = ?",
            (row.boot, row.route),
        ).fetchone()
        own_before, ineligible_before, settled, unsampled, heard = known or ("{}", "{}", 0, 0, None)
        # A boot that was never heard of: if it is not new, the database was lost, and with it what
        # was settled.
        new = heard is None
        own = {f"{outcome.value}:{detail}": count for outcome, detail, count in row.own}
        _add_own(db, row, own, json.loads(own_before), current_epoch)
        _add_ineligible(db, row, json.loads(ineligible_before))
        open_here = row.in_worker + waiting.get((row.boot, row.route), 0)
        missing = row.eligible - sum(own.values()) - open_here - settled
        recovered = missing if (recover or new) and missing > 0 else 0
        if recovered:
            _count(db, row.route, current_epoch(row.route), Outcome.SHED, OBSERVER_LOST, recovered)
        db.execute(
            "INSERT INTO books VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
            " ON CONFLICT DO UPDATE SET eligible = max(eligible, excluded.eligible),"
            " own = excluded.own, settled = excluded.settled, unsampled = excluded.unsampled,"
            " unaccounted = excluded.unaccounted, recovered = recovered + excluded.recovered,"
            " own_details = excluded.own_details, ineligible = excluded.ineligible,"
            " heard = excluded.heard, ended = NULL",
            (
                *(row.boot, row.route, row.eligible, sum(own.values()), settled + recovered),
                *(max(unsampled, row.unsampled), missing - recovered, recovered),
                *(json.dumps(own), json.dumps(dict(row.ineligible)), now),
            ),
        )


def end_boot(
    db: sqlite3.Connection,
    boot: str,
    waiting: Waiting,
    *,
    outcome: Outcome,
    detail: str,
    now: float,
    current_epoch: CurrentEpoch,
) -> None:
    """Close the books of a worker that is gone: what has no end and is nowhere, ends as told."""
    rows = db.execute(
        "SELECT route, eligible, own, settled FROM books WHERE boot = ? AND ended IS NULL", (boot,)
    ).fetchall()
    for route, eligible, own, settled in rows:
        left = waiting.get((boot, route), 0)
        missing = max(0, eligible - own - settled - left)
        if missing:
            _count(db, route, current_epoch(route), outcome, detail, missing)
        db.execute(
            "UPDATE books SET settled = settled + ?, recovered = recovered + ?, unaccounted = 0,"
            # It has died since its last ledger: what it handed over later was eligible too.
            " eligible = max(eligible, own + settled + ?), ended = ? WHERE boot = ? AND route = ?",
            (missing, missing, missing + left, now, boot, route),
        )


def live_balances(db: sqlite3.Connection) -> tuple[Balance, ...]:
    """The books of every boot that has not ended."""
    rows = db.execute(
        "SELECT boot, route, unaccounted, recovered FROM books WHERE ended IS NULL"
        " ORDER BY boot, route"
    ).fetchall()
    return tuple(
        Balance(boot=boot, route=route, unaccounted=unaccounted, recovered=recovered)
        for boot, route, unaccounted, recovered in rows
    )


def live_boots(db: sqlite3.Connection) -> frozenset[str]:
    """Boots whose books are open."""
    rows = db.execute("SELECT DISTINCT boot FROM books WHERE ended IS NULL").fetchall()
    return frozenset(boot for (boot,) in rows)


def fold_ended(db: sqlite3.Connection, before: float) -> None:
    """Add the books of boots that ended before then to the totals of their routes."""
    db.execute(
        "INSERT INTO totals SELECT route, sum(max(eligible, own + settled)), sum(unsampled)"
        " FROM books WHERE ended < ? GROUP BY route"
        " ON CONFLICT DO UPDATE SET eligible = eligible + excluded.eligible,"
        " unsampled = unsampled + excluded.unsampled",
        (before,),
    )
    db.execute("DELETE FROM books WHERE ended < ?", (before,))


def _add_own(
    db: sqlite3.Connection,
    row: LedgerRow,
    own: Mapping[str, int],
    before: Mapping[str, int],
    current_epoch: CurrentEpoch,
) -> None:
    for outcome, detail, count in row.own:
        more = count - before.get(f"{outcome.value}:{detail}", 0)
        if more > 0:
            _count(db, row.route, current_epoch(row.route), outcome, detail, more)


def _add_ineligible(db: sqlite3.Connection, row: LedgerRow, before: Mapping[str, int]) -> None:
    db.executemany(
        "INSERT INTO ineligible VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        [
            (row.route, reason, count - before.get(reason, 0))
            for reason, count in row.ineligible
            if count > before.get(reason, 0)
        ],
    )


def _count(
    db: sqlite3.Connection, route: str, epoch: str, outcome: Outcome, detail: str, count: int
) -> None:
    db.execute(
        "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        (route, epoch, outcome.value, detail, count),
    )
