"""The writer: backlog entries become one transaction; keeps what must be known without asking."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from proxy.evidence.books import Balance
from proxy.evidence.epoch import Epoch, epoch_of
from proxy.evidence.noise import Call, call_paths
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import ENOUGH_PAIRS, PairShape
from proxy.evidence.settled import Settled
from proxy.observer.store_backlog import Ended, Ends, Entry, Ledgers, Looked
from proxy.observer.store_books import (
    OBSERVER_LOST,
    WORKER_LOST,
    end_boot,
    enter_ledger,
    live_balances,
    live_boots,
)
from proxy.observer.store_gains import Thin
from proxy.observer.store_report import RouteTerms, current_epoch, read_counts, read_shapes
from proxy.observer.store_retention import Retention
from proxy.observer.store_rows import Room, RowWriter
from proxy.shadow_policy import ExemplarStore, ObserverPolicy

Calls = Mapping[tuple[str, str], Mapping[str, Call]]


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What routes.yaml says at present."""

    terms: Mapping[str, RouteTerms] = field(default_factory=dict)
    policy: ObserverPolicy = ObserverPolicy()

    @property
    def retention(self) -> Retention:
        """How long and how much is kept."""
        return Retention(ttl=self.policy.ttl, max_store=self.policy.max_store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the last transactions have changed of what others ask without reading the disk."""

    calls: Calls
    # What legacy's differences from itself look like.
    own: Mapping[tuple[str, str], Mapping[str, PairShape]]
    balances: tuple[Balance, ...]


class Writer:
    """One open database and the epochs of its routes. Lives in the store's thread."""

    def __init__(
        self, db: sqlite3.Connection, *, random: Random, clock: Callable[[], float]
    ) -> None:
        self.db = db
        self._random = random
        self._clock = clock
        self._room = Room()
        self._last_seen: dict[str, Epoch] = {}
        # Boots of an earlier observer: they come back, or are gone too.
        self._unheard = set(live_boots(db))

    def write(self, entries: Iterable[Entry], in_force: InForce) -> Learned:
        """Write all of it or nothing. Raises sqlite3.Error."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            noisy = self._write(entries, in_force)
            self.db.execute("COMMIT")
        except BaseException:
            self._room = Room()
            self._last_seen.clear()
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        return self._learned(noisy)

    def everything(self) -> Learned:
        """What is known at the start."""
        found = self.db.execute("SELECT DISTINCT route, epoch FROM noise").fetchall()
        return self._learned(set(found))

    def maintain(self, in_force: InForce, *, end_unheard: bool) -> None:
        """Delete what is due. Raises sqlite3.Error."""
        now = self._clock()
        if end_unheard and self._unheard:
            self.db.execute("BEGIN IMMEDIATE")
            for boot in sorted(self._unheard):
                self._end(boot, {}, Outcome.SHED, OBSERVER_LOST, in_force)
            self.db.execute("COMMIT")
            self._unheard.clear()

        def is_current(route: str, epoch: str) -> bool:
            return current_epoch(self.db, route, in_force.terms.get(route)).id == epoch

        in_force.retention.apply(self.db, now, is_current)
        self._room = Room()
        self._last_seen.clear()

    def close(self) -> None:
        """Let go of the database. Never raises."""
        try:
            self.db.close()
        except sqlite3.Error:
            # What was committed is safe, and nothing else can be done about it.
            return

    def _write(self, entries: Iterable[Entry], in_force: InForce) -> set[tuple[str, str]]:
        policy = in_force.policy
        rows = RowWriter(
            db=self.db,
            random=self._random,
            room=self._room,
            per_hour={
                route: terms.gate.repeats_per_hour for route, terms in in_force.terms.items()
            },
            per_fingerprint=(
                0 if policy.exemplars is ExemplarStore.OFF else policy.exemplars_per_fingerprint
            ),
            spacious=not in_force.retention.is_full(self.db),
        )
        for entry in entries:
            match entry:
                case Ends():
                    for each in entry.batch:
                        rows.add(each, self._epoch(each, in_force))
                case Thin():
                    for _, route, epoch, _, _ in entry.ends:
                        self._touch(route, epoch, in_force, entry.at)
                    rows.add_thin(entry)
                case Ledgers():
                    rows.finish()
                    self._unheard -= {row.boot for row in entry.rows}
                    enter_ledger(
                        self.db,
                        entry.rows,
                        entry.waiting,
                        recover=entry.recover,
                        now=self._clock(),
                        current_epoch=lambda route: self._current(route, in_force),
                    )
                case Ended():
                    rows.finish()
                    outcome, detail = (
                        (Outcome.SHED, OBSERVER_LOST)
                        if entry.with_observer
                        else (Outcome.ABORTED, WORKER_LOST)
                    )
                    self._end(entry.boot, entry.waiting, outcome, detail, in_force)
                case Looked():
                    rows.finish()
                    self._look(entry)
        rows.finish()
        return rows.noisy

    def _end(
        self,
        boot: str,
        waiting: Mapping[tuple[str, str], int],
        outcome: Outcome,
        detail: str,
        in_force: InForce,
    ) -> None:
        self._unheard.discard(boot)
        end_boot(
            self.db,
            boot,
            waiting,
            outcome=outcome,
            detail=detail,
            now=self._clock(),
            current_epoch=lambda route: self._current(route, in_force),
        )

    def _look(self, entry: Looked) -> None:
        known = self.db.execute(
            "SELECT 1 FROM causes WHERE route = ? AND fingerprint = ?",
            (entry.route, entry.fingerprint),
        ).fetchone()
        if known:
            self.db.execute(
                "INSERT OR REPLACE INTO triage VALUES (?, ?, ?, ?, ?)",
                (entry.route, entry.fingerprint, entry.note, entry.ticket, entry.at),
            )
        entry.done(bool(known))

    def _epoch(self, settled: Settled, in_force: InForce) -> str:
        epoch = settled.epoch
        if epoch is None:
            return self._current(settled.route, in_force)
        self._see(settled.route, epoch, settled.at)
        return epoch.id

    def _current(self, route: str, in_force: InForce) -> str:
        terms = in_force.terms.get(route)
        epoch = terms.epoch if terms is not None else None
        if epoch is None:
            epoch = self._last_seen.get(route) or current_epoch(self.db, route, None)
        self._see(route, epoch, self._clock())
        return epoch.id

    def _touch(self, route: str, id: str, in_force: InForce, at: float) -> None:
        """Make sure that an epoch of bare counts has a row."""
        terms = in_force.terms.get(route)
        if terms is not None and terms.epoch is not None and terms.epoch.id == id:
            self._see(route, terms.epoch, at)
            return
        self.db.execute(
            "INSERT OR IGNORE INTO epochs (route, id, legacy_version, new_version, rules_hash,"
            " started, last_seen) VALUES (?, ?, '', '', '', ?, ?)",
            (route, id, at, at),
        )

    def _see(self, route: str, epoch: Epoch, at: float) -> None:
        self._last_seen[route] = epoch
        self.db.execute(
            "INSERT INTO epochs (route, id, legacy_version, new_version, rules_hash, started,"
            " last_seen) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen),"
            " started = min(started, excluded.started)",
            (
                *(route, epoch.id, epoch.legacy_version, epoch.new_version, epoch.rules_hash),
                *(at, at),
            ),
        )

    def _learned(self, noisy: set[tuple[str, str]]) -> Learned:
        return Learned(
            calls={
                (route, epoch): {
                    path: test.call
                    for path, test in call_paths(read_counts(self.db, route, epoch)).items()
                    if test.call is not Call.UNDECIDED
                }
                for route, epoch in noisy
            },
            own={
                (route, epoch): {
                    path: shape
                    for path, shape in read_shapes(self.db, route, epoch).items()
                    if shape.pairs >= ENOUGH_PAIRS
                }
                for route, epoch in noisy
            },
            balances=live_balances(self.db),
        )


def bare_epoch_id(settled: Settled, in_force: InForce) -> str:
    """The id of an end's epoch as far as it is known without the database."""
    if settled.epoch is not None:
        return settled.epoch.id
    terms = in_force.terms.get(settled.route)
    if terms is not None and terms.epoch is not None:
        return terms.epoch.id
    return epoch_of(legacy_version="", new_version="", rules_hash="").id
