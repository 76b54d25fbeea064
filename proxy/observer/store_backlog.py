"""The backlog: what was handed to the evidence store and is not written yet. Bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from proxy.evidence.books import LedgerRow
from proxy.evidence.settled import Settled
from proxy.observer.store_books import Waiting
from proxy.observer.store_gains import Thin

# Ends that wait whole. What comes beyond is kept as bare counts.
MOST_WHOLE = 20_000
# Entries of any kind before superseded ledgers are dropped.
MOST_ENTRIES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Ends of eligible requests, handed over in one call."""

    batch: tuple[Settled, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledgers:
    """A worker's ledger, as of its place among the ends."""

    rows: tuple[LedgerRow, ...]
    waiting: Waiting
    recover: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker is gone; `with_observer` when it was never heard of by this one."""

    boot: str
    waiting: Waiting
    with_observer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Somebody has looked at a cause. `done` learns whether there is such a cause."""

    route: str
    fingerprint: str
    note: str
    ticket: str
    at: float
    done: Callable[[bool], None]


Entry = Ends | Thin | Ledgers | Ended | Looked
# The id of the epoch of an end.
EpochOf = Callable[[Settled], str]


class Backlog:
    """Entries in their order. Not safe for several threads: the store holds its lock."""

    def __init__(self, epoch_of: EpochOf) -> None:
        self._epoch_of = epoch_of
        self._entries: list[Entry] = []
        self._whole = 0
        # Ends of which only the counts were kept.
        self.thinned = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add_ends(self, batch: Iterable[Settled]) -> None:
        """Take ends, as bare counts where there are too many."""
        ends = tuple(batch)
        if self._whole + len(ends) > MOST_WHOLE:
            self._entries.append(self._thin(ends))
        else:
            self._whole += len(ends)
            self._entries.append(Ends(batch=ends))
        self._bound()

    def add(self, entry: Ledgers | Ended | Looked) -> None:
        """Take anything else."""
        self._entries.append(entry)
        self._bound()

    def take(self) -> list[Entry]:
        """Give everything away."""
        taken, self._entries, self._whole = self._entries, [], 0
        return taken

    def put_back(self, entries: list[Entry], *, thin: bool) -> None:
        """Take back, in front, what could not be written; as bare counts if told so."""
        if thin:
            entries = [
                self._thin(entry.batch) if isinstance(entry, Ends) else entry for entry in entries
            ]
        self._entries = [*entries, *self._entries]
        self._whole = sum(len(each.batch) for each in self._entries if isinstance(each, Ends))
        if self._whole > MOST_WHOLE:
            self.put_back(self.take(), thin=True)
        else:
            self._bound()

    def _thin(self, ends: Iterable[Settled]) -> Thin:
        thin = Thin()
        for settled in ends:
            thin.add(settled, self._epoch_of(settled))
            self.thinned += 1
        return thin

    def _bound(self) -> None:
        """Drop ledgers that a later one of the same boot supersedes, and join bare counts."""
        if len(self._entries) <= MOST_ENTRIES:
            return
        kept: list[Entry] = []
        heard: set[str] = set()
        for entry in reversed(self._entries):
            if isinstance(entry, Ledgers):
                boots = {row.boot for row in entry.rows}
                # The one that recovers says what an earlier observer has lost.
                if boots <= heard and not entry.recover:
                    continue
                heard |= boots
            last = kept[-1] if kept else None
            if isinstance(entry, Thin) and isinstance(last, Thin):
                kept[-1] = Thin(ends=entry.ends + last.ends, at=max(entry.at, last.at))
            elif isinstance(entry, Ends) and isinstance(last, Ends):
                kept[-1] = Ends(batch=(*entry.batch, *last.batch))
            else:
                kept.append(entry)
        self._entries = kept[::-1]
