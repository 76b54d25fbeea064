"""The evidence store: outcomes, causes, exemplars and books in SQLite, written by one thread."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from proxy.evidence.books import Balance, LedgerRow
from proxy.evidence.epoch import Epoch
from proxy.evidence.exemplar import StoredExemplar
from proxy.evidence.noise import Call
from proxy.evidence.proposal import PairShape
from proxy.evidence.report import RouteReport, RuleReport
from proxy.evidence.settled import Settled
from proxy.observer.store_backlog import Backlog, Ended, Entry, Ledgers, Looked
from proxy.observer.store_exemplars import read_exemplar, read_exemplars
from proxy.observer.store_report import (
    RouteTerms,
    current_epoch,
    known_routes,
    read_report,
    read_rules,
)
from proxy.observer.store_schema import (
    StoreError,
    is_corrupt,
    open_for_reading,
    open_for_writing,
    set_aside,
)
from proxy.observer.store_writer import InForce, Learned, Writer, bare_epoch_id
from proxy.observer.telling import defect_of
from proxy.shadow_policy import ObserverPolicy

__all__ = ["EvidenceStore", "RouteTerms", "StoreError"]

# How long the writer gathers before a transaction, and how long it waits after a failed one.
GATHER_SECONDS = 0.1
RETRY_SECONDS = 1.0
MAINTENANCE_SECONDS = 30.0
# Boots of an earlier observer that are not heard of for so many rounds of maintenance are gone.
UNHEARD_ROUNDS = 2
# How long a query waits for what was handed over before it.
FRESH_SECONDS = 2.0
# Ends that fail for another reason than the disk would fail for ever: only their counts are kept.
DEFECT = "defect"

_Answer = TypeVar("_Answer")
# Of sqlite3's errors, those that say that we asked for something impossible.
_OURS = (
    *(sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError),
    sqlite3.IntegrityError,
)
_REASONS = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
    sqlite3.SQLITE_IOERR: "io",
}

# Epochs whose noise is kept at hand, the newest; the others are read again after a restart.
_EPOCHS: Final = 20_000
_Known = TypeVar("_Known")


class EvidenceStore:
    """Opens or makes the database; a corrupt one is set aside. Close it to write what waits.

    Handing over never blocks and never raises: what cannot be written waits, as bare counts where
    it becomes too much, and `error` says so. Queries block on the disk: call them in a thread.

    Raises StoreError when the folder cannot be used, or the database is of a newer version.
    """

    def __init__(
        self,
        path: Path,
        *,
        policy: ObserverPolicy = ObserverPolicy(),
        random: Random,
        clock: Callable[[], float],
        on_event: Callable[[str, Mapping[str, object]], None] = lambda event, facts: None,
    ) -> None:
        """`clock` gives seconds since 1970; `on_event` gets a log event's name and facts.

        `random` is the writer's from now on: it chooses exemplars and rows.
        """
        self._path = path
        self._random = random
        self._clock = clock
        self._on_event = on_event
        self._in_force = InForce(policy=policy)
        self._calls: dict[tuple[str, str], Mapping[str, Call]] = {}
        self._own: dict[tuple[str, str], Mapping[str, PairShape]] = {}
        self._balances: tuple[Balance, ...] = ()
        self._error = ""
        self._failures: Counter[str] = Counter()
        self._writer: Writer | None = None
        self._state = threading.Condition()
        self._backlog = Backlog(lambda settled: bare_epoch_id(settled, self._in_force))
        # Entries handed over, and how many of them a write has tried.
        self._given = 0
        self._tried = 0
        self._hurry = False
        self._closing = False
        self._rounds = 0
        with contextlib.suppress(sqlite3.Error, OSError):
            # What a retry may mend is for the thread. StoreError is not.
            self._open()
        self._thread = threading.Thread(target=self._run, name="figway-evidence", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        state = self._error or "ok"
        return f"<EvidenceStore {self._path} [{state}, {len(self._backlog)} waiting]>"

    # Handing over: any thread, never blocks.

    def settle(self, batch: Iterable[Settled]) -> None:
        """Take the ends of eligible requests. All of one call are written in one transaction."""
        ends = tuple(batch)
        if ends:
            with self._state:
                self._backlog.add_ends(ends)
                self._handed_over()

    def enter(
        self,
        rows: Iterable[LedgerRow],
        waiting: Mapping[tuple[str, str], int],
        *,
        recover: bool = False,
    ) -> None:
        """Enter a worker's ledger and balance it with what was settled before this call.

        `waiting` is how many exchanges of (boot, route) were received and not yet given to
        settle(), at this moment. With `recover` (the first ledger of a boot that this process
        hears) what is missing was lost with an earlier observer: it is settled as
        shed{observer_lost}. Without it, what is missing is `unaccounted`.
        """
        entry = Ledgers(rows=tuple(rows), waiting=dict(waiting), recover=recover)
        with self._state:
            self._backlog.add(entry)
            self._handed_over()

    def end_boot(
        self, boot: str, waiting: Mapping[tuple[str, str], int], *, with_observer: bool = False
    ) -> None:
        """The worker is gone. What it had not handed over becomes aborted{worker_lost}.

        `with_observer`: an earlier observer has gone with it, so what was handed over cannot be
        told from what was not; all of it becomes shed{observer_lost}, which counts as lost.
        """
        with self._state:
            self._backlog.add(Ended(boot=boot, waiting=dict(waiting), with_observer=with_observer))
            self._handed_over()

    def use(self, terms: Mapping[str, RouteTerms], policy: ObserverPolicy) -> None:
        """From now on these gates, epochs and limits are in force."""
        with self._state:
            self._in_force = InForce(terms=dict(terms), policy=policy)

    # Waiting.

    def triage(self, route: str, fingerprint: str, *, note: str, ticket: str) -> bool:
        """Note that somebody has looked at a cause. False when there is no such cause. Blocks.

        Raises StoreError when it could not be written down in time.
        """
        answers: list[bool] = []
        entry = Looked(
            route=route,
            fingerprint=fingerprint,
            note=note,
            ticket=ticket,
            at=self._clock(),
            done=answers.append,
        )
        with self._state:
            self._backlog.add(entry)
            self._handed_over()
        if not self.flush() or not answers:
            raise StoreError(f"the note is not written down: {self._error or 'the disk is busy'}")
        return answers[-1]

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything handed over before is written; False when it is not."""
        with self._state:
            # Counts as work, so that after a failure it is worth another try.
            self._given += 1
            given = self._given
            self._hurry = True
            self._state.notify_all()
            tried = self._state.wait_for(lambda: self._tried >= given or self._ended(), timeout)
            return tried and not self._error

    def close(self) -> None:
        """Write what waits and let go of the database."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join()

    # Asking.

    @property
    def error(self) -> str:
        """Why evidence is not being written; empty when it is."""
        return self._error

    def failures(self) -> Mapping[str, int]:
        """Writes that failed since the start, by reason: locked, full, corrupt, io, ..."""
        with self._state:
            return dict(self._failures)

    @property
    def thinned(self) -> int:
        """Ends of which only the counts were kept, because the disk did not keep up."""
        return self._backlog.thinned

    def calls(self, route: str, epoch: Epoch) -> Mapping[str, Call]:
        """What the paired test says of every path, as of the last batch. Does not block."""
        return self._calls.get((route, epoch.id), {})

    def own_shapes(self, route: str, epoch: Epoch) -> Mapping[str, PairShape]:
        """What legacy's differences from itself look like, as of the last batch. Does not block."""
        return self._own.get((route, epoch.id), {})

    def balances(self) -> tuple[Balance, ...]:
        """The books of every live boot, as of its last ledger. Does not block."""
        return self._balances

    def report(self, route: str | None = None) -> tuple[RouteReport, ...]:
        """The report of one route, or of all that are known; empty for an unknown one.

        Raises StoreError when the database cannot be read.
        """

        def read(db: sqlite3.Connection) -> tuple[RouteReport, ...]:
            in_force, now = self._in_force, self._clock()
            known = sorted({*known_routes(db), *in_force.terms})
            return tuple(
                read_report(
                    db,
                    each,
                    in_force.terms.get(each, RouteTerms()),
                    now=now,
                    store_error=self._error,
                )
                for each in known
                if route in (None, each)
            )

        return self._ask(read)

    def exemplar(self, id: str) -> StoredExemplar | None:
        """One exemplar by its comparison's id, or by an unambiguous beginning of it.

        Raises StoreError when the database cannot be read.
        """
        return self._ask(lambda db: read_exemplar(db, id))

    def exemplars(self, route: str, fingerprint: str | None = None) -> tuple[StoredExemplar, ...]:
        """The exemplars of a route's current epoch, or of one cause.

        Raises StoreError when the database cannot be read.
        """
        terms = self._in_force.terms.get(route)
        return self._ask(
            lambda db: read_exemplars(db, route, current_epoch(db, route, terms).id, fingerprint)
        )

    def rules(self, route: str) -> tuple[RuleReport, ...]:
        """What every rule did in the current epoch.

        Raises StoreError when the database cannot be read.
        """
        terms = self._in_force.terms.get(route)
        return self._ask(lambda db: read_rules(db, route, current_epoch(db, route, terms).id))

    def _ask(self, read: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        self.flush(FRESH_SECONDS)
        try:
            with contextlib.closing(open_for_reading(self._path)) as db:
                # One transaction: all figures of an answer are of one moment.
                db.execute("BEGIN")
                return read(db)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: the evidence cannot be read ({error})") from None

    # The writer's thread.

    def _handed_over(self) -> None:
        self._given += 1
        self._state.notify_all()

    def _ended(self) -> bool:
        return self._closing and not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for due in self._turns():
                if due:
                    self._attempt(self._maintain)
                self._write()
            self._write()
        finally:
            # Nobody writes any more, and the report must say so.
            self._error = self._error or "closed: the store was closed"
            if self._writer is not None:
                self._writer.close()

    def _turns(self) -> Iterator[bool]:
        """Wait for work; gives whether maintenance is due. Ends when the store is closed."""
        due_at = time.monotonic() + MAINTENANCE_SECONDS
        while True:
            with self._state:
                wait = max(0.0, due_at - time.monotonic())
                woken = self._state.wait_for(
                    self._has_work, min(wait, RETRY_SECONDS) if self._error else wait
                )
                if woken and not self._closing and not self._hurry:
                    # What comes now goes into the same transaction.
                    self._state.wait_for(lambda: self._hurry or self._closing, GATHER_SECONDS)
                if self._closing:
                    return
            due = time.monotonic() >= due_at
            if due:
                due_at = time.monotonic() + MAINTENANCE_SECONDS
            yield due

    def _has_work(self) -> bool:
        # After a failure nothing but time, or somebody who asks, makes another try worth while.
        fresh = self._given > self._tried and not self._error
        return self._closing or self._hurry or fresh

    def _write(self) -> None:
        with self._state:
            entries, given = self._backlog.take(), self._given
            in_force = self._in_force
        left = self._write_or_keep(entries, in_force) if entries or self._error else []
        with self._state:
            if left:
                # A disk that fails for long must not cost memory: what waits becomes counts.
                self._backlog.put_back(left, thin=False)
            self._tried = given
            self._hurry = False
            self._state.notify_all()

    def _write_or_keep(self, entries: list[Entry], in_force: InForce) -> list[Entry]:
        """Write; gives what must be tried again."""
        if self._attempt(lambda: self._learn(self._opened().write(entries, in_force))):
            return []
        if self._error.startswith(DEFECT):
            # Their counts are worth more than the rest of them.
            thin = Backlog(lambda settled: bare_epoch_id(settled, in_force))
            thin.put_back(entries, thin=True)
            bare = thin.take()
            if self._attempt(lambda: self._learn(self._opened().write(bare, in_force))):
                return []
            return [] if self._error.startswith(DEFECT) else bare
        return entries

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Run a step on the database; a damaged one is set aside, once, and the step run again."""
        for last in (False, True):
            try:
                step()
            except (sqlite3.Error, OSError, StoreError) as error:
                self._failed(_reason(error), str(error))
                if last or not isinstance(error, sqlite3.Error) or not is_corrupt(error):
                    return False
                if not self._begin_anew():
                    return False
            except Exception as error:  # noqa: BLE001 - evidence may be lost, the process may not
                # Its message may quote what a client sent.
                self._failed(DEFECT, defect_of(error))
                return False
            else:
                break
        if self._error:
            self._error = ""
            self._tell("evidence_written_again", {"path": str(self._path)})
        return True

    def _failed(self, reason: str, told: str) -> None:
        with self._state:
            self._failures[reason] += 1
        error = f"{reason}: {told}"
        if error != self._error:
            self._tell("evidence_not_written", {"reason": reason, "error": told})
        self._error = error

    def _tell(self, event: str, facts: Mapping[str, object]) -> None:
        # A log that fails is no reason to lose evidence.
        with contextlib.suppress(Exception):
            self._on_event(event, facts)

    def _begin_anew(self) -> bool:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        try:
            aside = set_aside(self._path)
        except (OSError, StoreError) as error:
            self._failed("corrupt", str(error))
            return False
        self._tell("evidence_set_aside", {"path": str(self._path), "now_at": str(aside)})
        return True

    def _maintain(self) -> None:
        self._rounds += 1
        if self._writer is not None and not self._path.exists():
            # Somebody has removed it: what is written to it now would be seen by nobody.
            self._writer.close()
            self._writer = None
        self._opened().maintain(self._in_force, end_unheard=self._rounds == UNHEARD_ROUNDS)

    def _opened(self) -> Writer:
        return self._writer or self._open()

    def _open(self) -> Writer:
        db, aside = open_for_writing(self._path)
        if aside is not None:
            self._failures["corrupt"] += 1
            self._tell("evidence_set_aside", {"path": str(self._path), "now_at": str(aside)})
        self._writer = Writer(db, random=self._random, clock=self._clock)
        self._learn(self._writer.everything())
        return self._writer

    def _learn(self, learned: Learned) -> None:
        _keep_newest(self._calls, learned.calls)
        _keep_newest(self._own, learned.own)
        self._balances = learned.balances


def _keep_newest(
    known: dict[tuple[str, str], _Known], news: Mapping[tuple[str, str], _Known]
) -> None:
    """Take news; what has not been heard of for longest goes first: its epoch has ended."""
    for key, value in news.items():
        known.pop(key, None)
        known[key] = value
    for key in tuple(known)[:-_EPOCHS]:
        del known[key]


def _reason(error: Exception) -> str:
    if isinstance(error, _OURS):
        return DEFECT
    if isinstance(error, sqlite3.Error):
        return _REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "database")
    return "io"
