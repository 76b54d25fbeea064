"""Writing settled requests as rows: exact counters, bounded tables, reservoirs of exemplars.

Everything here runs in the writer's thread, within its transaction.
"""

from __future__ import annotations

import bisect
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from proxy.compare_policy import Severity
from proxy.evidence import proposal, repeats
from proxy.evidence.judge import SEVERITIES
from proxy.evidence.latency import bucket_of
from proxy.evidence.noise import PathCounts, triple_counts, unasked_counts
from proxy.evidence.outcome import FAILED, Outcome
from proxy.evidence.proposal import PairShape
from proxy.evidence.settled import CauseSeen, Mark, PathDifference, Settled
from proxy.evidence.verdict import COMPARED
from proxy.observer.store_exemplars import keep_exemplar

# Rows of one epoch in each table. Beyond them the evidence is kept as plain numbers.
MOST_ROWS = {
    "differences": 5_000,
    "noise": 2_000,
    "signatures": 20_000,
    "causes": 1_000,
    "rules": 2_000,
    "defects": 500,
}
# Differences of one comparison whose paths are told apart.
MOST_PATHS = 200
# Paths that a cause shows.
MOST_CAUSE_PATHS = 50
# One in so many matches has a row of its own; its counts are exact without it.
MATCH_ROWS = 50
# Where a cause goes when the table is full.
OVERFLOW = CauseSeen(
    fingerprint="0" * 16,
    cause="overflow",
    explanation="more causes than are kept apart",
    severity=Severity.CRITICAL,
    paths=(),
    count=1,
    example="",
)
# Upper ends of the buckets of the skew curve. Seconds.
SKEWS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(slots=True, kw_only=True)
class Thin:
    """Ends of which only the counts are left: boot, route, epoch, outcome, detail -> how many."""

    ends: Counter[tuple[str, str, str, Outcome, str]] = field(default_factory=Counter)
    at: float = 0.0

    def add(self, settled: Settled, epoch: str) -> None:
        """Keep the count of one end and let go of the rest."""
        self.ends[settled.boot, settled.route, epoch, settled.outcome, settled.detail] += 1
        self.at = max(self.at, settled.at)


@dataclass(slots=True, kw_only=True)
class Room:
    """How many rows an epoch has in the bounded tables. Forgotten after a failed transaction."""

    rows: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def take(self, db: sqlite3.Connection, table: str, route: str, epoch: str) -> bool:
        """Whether one more row fits; if so it is counted."""
        key = (table, route, epoch)
        if key not in self.rows:
            # The table is one of MOST_ROWS.
            counted = f"SELECT count(*) FROM {table} WHERE route = ? AND epoch = ?"  # noqa: S608
            self.rows[key] = db.execute(counted, (route, epoch)).fetchone()[0]
        if self.rows[key] >= MOST_ROWS[table]:
            return False
        self.rows[key] += 1
        return True


@dataclass(slots=True, kw_only=True)
class RowWriter:
    """Writes settled requests. `per_hour` and `per_fingerprint` are the limits in force."""

    db: sqlite3.Connection
    random: Random
    room: Room
    # Route -> repeats of one request that count within an hour.
    per_hour: Mapping[str, int]
    per_fingerprint: int
    # Whether there is space for exemplars and rows of comparisons.
    spacious: bool
    # Routes and epochs whose noise counts changed.
    noisy: set[tuple[str, str]] = field(default_factory=set)

    def write(self, batch: Iterable[tuple[Settled, str]]) -> None:
        """Write ends with the ids of their epochs; those rows exist."""
        ends: Counter[tuple[str, str, str, str]] = Counter()
        settled_by: Counter[tuple[str, str]] = Counter()
        latency: Counter[tuple[str, str, str, int]] = Counter()
        for settled, epoch in batch:
            ends[settled.route, epoch, settled.outcome.value, settled.detail] += 1
            settled_by[settled.boot, settled.route] += 1
            if settled.outcome in COMPARED:
                self._compared(settled, epoch)
            for side, seconds in (("legacy", settled.legacy_seconds), ("new", settled.new_seconds)):
                # Only pairs: else the two sides would be about different requests.
                if (
                    None not in (settled.legacy_seconds, settled.new_seconds)
                    and seconds is not None
                ):
                    latency[settled.route, epoch, side, bucket_of(seconds)] += 1
            for level, message in settled.legacy_defects:
                self._defect(settled, epoch, level, message)
            self._row(settled, epoch)
        self._outcomes(ends)
        self._books(settled_by)
        self.db.executemany(
            "INSERT INTO latency VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(*key, count) for key, count in latency.items()],
        )

    def write_thin(self, thin: Thin) -> None:
        """Write bare counts. Mismatches among them count in the gate, the rest does not."""
        ends: Counter[tuple[str, str, str, str]] = Counter()
        settled_by: Counter[tuple[str, str]] = Counter()
        for (boot, route, epoch, outcome, detail), count in thin.ends.items():
            ends[route, epoch, outcome.value, detail] += count
            settled_by[boot, route] += count
            if outcome in FAILED:
                self._count_gate(route, epoch, thin.at, compared=count, failed=count)
            elif outcome is Outcome.MISMATCH:
                self._count_gate(route, epoch, thin.at, compared=count)
                self._unplaced(route, epoch, _severity(detail), count)
        self._outcomes(ends)
        self._books(settled_by)

    def _outcomes(self, ends: Mapping[tuple[str, str, str, str], int]) -> None:
        self.db.executemany(
            "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(*key, count) for key, count in ends.items()],
        )

    def _books(self, settled_by: Mapping[tuple[str, str], int]) -> None:
        self.db.executemany(
            "INSERT INTO books (boot, route, settled) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET settled = settled + excluded.settled",
            [(*key, count) for key, count in settled_by.items()],
        )

    def _compared(self, settled: Settled, epoch: str) -> None:
        """What the gate, the causes and the noise test look at."""
        route = settled.route
        if settled.request and not self._counts(settled, epoch):
            self.db.execute(
                "UPDATE epochs SET repeats = repeats + 1 WHERE route = ? AND id = ?", (route, epoch)
            )
        else:
            self._count_gate(
                route, epoch, settled.at, compared=1, failed=int(settled.outcome in FAILED)
            )
            self._differences(settled, epoch)
            self._noise(settled, epoch)
            if settled.signature:
                self._signature(route, epoch, settled.signature)
        for cause in settled.causes:
            self._cause(settled, epoch, cause)
        for rule, path, count in settled.rules_used:
            self._rule(settled, epoch, rule, path, count)
        if settled.outcome not in FAILED:
            self.db.execute(
                "INSERT INTO skew VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET"
                " n = n + 1, differing = differing + excluded.differing",
                (
                    *(route, epoch, bisect.bisect_left(SKEWS, max(0.0, settled.skew_seconds))),
                    int(bool(settled.differences)),
                ),
            )

    def _counts(self, settled: Settled, epoch: str) -> bool:
        """Whether this request was not repeated too often in its hour; counts it."""
        key = (settled.route, epoch, repeats.hour_of(settled.at), settled.request)
        (seen,) = self.db.execute(
            "INSERT INTO repeats VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n",
            key,
        ).fetchone()
        return repeats.counts(seen - 1, self.per_hour.get(settled.route, seen))

    def _count_gate(
        self, route: str, epoch: str, at: float, *, compared: int, failed: int = 0
    ) -> None:
        self.db.execute(
            "UPDATE epochs SET compared = compared + ?, failed = failed + ?,"
            " first_at = min(coalesce(first_at, ?), ?), last_at = max(coalesce(last_at, ?), ?)"
            " WHERE route = ? AND id = ?",
            (compared, failed, at, at, at, at, route, epoch),
        )

    def _differences(self, settled: Settled, epoch: str) -> None:
        # Where legacy agreed later there is nothing left to weigh.
        together = [each for each in settled.differences if each.mark is not Mark.AGREES]
        if settled.outcome is Outcome.MISMATCH and not together:
            self._unplaced(settled.route, epoch, _severity(settled.detail), 1)
        if not together:
            return
        if len(together) <= MOST_PATHS:
            pattern = encode_differences(together)
            key = (settled.route, epoch, pattern)
            if self._bump("differences", "pattern", key):
                return
            if self.room.take(self.db, "differences", settled.route, epoch):
                self.db.execute("INSERT INTO differences VALUES (?, ?, ?, 1)", key)
                return
        worst = min((each.severity for each in together), key=SEVERITIES.index)
        self._unplaced(settled.route, epoch, worst, 1)

    def _unplaced(self, route: str, epoch: str, severity: Severity, count: int) -> None:
        self.db.execute(
            "INSERT INTO unplaced VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (route, epoch, severity.value, count),
        )

    def _noise(self, settled: Settled, epoch: str) -> None:
        added = unasked_counts(settled.differences)
        shapes: dict[str, PairShape] = {}
        if settled.triple is not None:
            added |= triple_counts(settled.triple)
            for path, shape in settled.triple.shapes:
                shapes[path] = proposal.merge(shapes.get(path, PairShape()), shape)
        for path, counts in added.items():
            self._noise_path(
                settled.route, epoch, storable(path), counts, shapes.get(path, PairShape())
            )

    def _noise_path(
        self, route: str, epoch: str, path: str, counts: PathCounts, shape: PairShape
    ) -> None:
        self.noisy.add((route, epoch))
        found = self.db.execute(
            "SELECT shape FROM noise WHERE route = ? AND epoch = ? AND path = ?",
            (route, epoch, path),
        ).fetchone()
        figures = (
            *(counts.b, counts.c, counts.d, counts.agrees, counts.agrees_sampled, counts.unasked),
        )
        if found is None:
            if self.room.take(self.db, "noise", route, epoch):
                self.db.execute(
                    "INSERT INTO noise VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (route, epoch, path, *figures, encode_shape(shape)),
                )
            return
        merged = proposal.merge(decode_shape(found[0]), shape)
        self.db.execute(
            "UPDATE noise SET b = b + ?, c = c + ?, d = d + ?, agrees = agrees + ?,"
            " agrees_sampled = agrees_sampled + ?, unasked = unasked + ?, shape = ?"
            " WHERE route = ? AND epoch = ? AND path = ?",
            (*figures, encode_shape(merged), route, epoch, path),
        )

    def _signature(self, route: str, epoch: str, signature: str) -> None:
        key = (route, epoch, signature)
        if self._bump("signatures", "signature", key):
            return
        if self.room.take(self.db, "signatures", route, epoch):
            self.db.execute("INSERT INTO signatures VALUES (?, ?, ?, 1)", key)
            return
        self.db.execute(
            "UPDATE epochs SET more_signatures = more_signatures + 1 WHERE route = ? AND id = ?",
            (route, epoch),
        )

    def _cause(self, settled: Settled, epoch: str, cause: CauseSeen) -> None:
        found = self._known_cause(settled.route, epoch, cause.fingerprint)
        if found is None and not self.room.take(self.db, "causes", settled.route, epoch):
            cause = OVERFLOW
            found = self._known_cause(settled.route, epoch, cause.fingerprint)
        if found is None:
            self.db.execute(
                "INSERT INTO causes VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
                (
                    *(settled.route, epoch, cause.fingerprint, storable(cause.cause)),
                    storable(cause.explanation),
                    *(cause.severity.value, json.dumps(cause.paths[:MOST_CAUSE_PATHS])),
                    *(storable(cause.example), settled.at, settled.at),
                ),
            )
            return
        paths = list(dict.fromkeys((*json.loads(found[0]), *cause.paths)))[:MOST_CAUSE_PATHS]
        severity = min(Severity(found[1]), cause.severity, key=SEVERITIES.index)
        self.db.execute(
            "UPDATE causes SET n = n + 1, paths = ?, severity = ?,"
            " first_seen = min(first_seen, ?), last_seen = max(last_seen, ?)"
            " WHERE route = ? AND epoch = ? AND fingerprint = ?",
            (
                *(json.dumps(paths), severity.value, settled.at, settled.at),
                *(settled.route, epoch, cause.fingerprint),
            ),
        )

    def _known_cause(self, route: str, epoch: str, fingerprint: str) -> tuple[str, str] | None:
        found: tuple[str, str] | None = self.db.execute(
            "SELECT paths, severity FROM causes WHERE route = ? AND epoch = ? AND fingerprint = ?",
            (route, epoch, fingerprint),
        ).fetchone()
        return found

    def _rule(self, settled: Settled, epoch: str, rule: str, path: str, count: int) -> None:
        key = (settled.route, epoch, rule, storable(path))
        done = self.db.execute(
            "UPDATE rules SET n = n + ?, comparisons = comparisons + 1,"
            " last_used = max(last_used, ?)"
            " WHERE route = ? AND epoch = ? AND rule = ? AND path = ?",
            (count, settled.at, *key),
        )
        if not done.rowcount and self.room.take(self.db, "rules", settled.route, epoch):
            self.db.execute(
                "INSERT INTO rules VALUES (?, ?, ?, ?, ?, 1, ?)", (*key, count, settled.at)
            )

    def _defect(self, settled: Settled, epoch: str, level: str, message: str) -> None:
        key = (settled.route, epoch, level, storable(message[:500]))
        done = self.db.execute(
            "UPDATE defects SET n = n + 1, last_seen = max(last_seen, ?)"
            " WHERE route = ? AND epoch = ? AND level = ? AND message = ?",
            (settled.at, *key),
        )
        if not done.rowcount and self.room.take(self.db, "defects", settled.route, epoch):
            self.db.execute("INSERT INTO defects VALUES (?, ?, ?, ?, 1, ?)", (*key, settled.at))

    def _row(self, settled: Settled, epoch: str) -> None:
        """The comparison's own row, and its exemplar."""
        if not settled.id or not self.spacious:
            return
        fingerprints = tuple(cause.fingerprint for cause in settled.causes)
        if settled.exemplar is not None and self.per_fingerprint:
            keep_exemplar(
                self.db,
                settled,
                epoch,
                # What has no cause is kept by its outcome: timeouts, recorded writes, ...
                fingerprints or (f"{settled.outcome.value}:{settled.detail}",),
                per_fingerprint=self.per_fingerprint,
                random=self.random,
            )
        plain = settled.outcome in (Outcome.MATCH, Outcome.MATCH_NORMALISED)
        if plain and self.random.randrange(MATCH_ROWS):
            return
        self.db.execute(
            "INSERT OR REPLACE INTO comparisons VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(settled.id, settled.route, epoch, settled.at, settled.signature),
                *(settled.outcome.value, settled.detail, settled.legacy_status),
                *(settled.new_status, settled.legacy_seconds, settled.new_seconds),
                *(settled.skew_seconds, json.dumps(fingerprints)),
            ),
        )

    def _bump(self, table: str, column: str, key: tuple[str, str, str]) -> bool:
        """Add one to a row that exists; False when there is none."""
        done = self.db.execute(
            f"UPDATE {table} SET n = n + 1"  # noqa: S608 - names of our own tables and columns
            f" WHERE route = ? AND epoch = ? AND {column} = ?",
            key,
        )
        return bool(done.rowcount)


def storable(text: str) -> str:
    """Text without lone surrogates: SQLite holds UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def encode_differences(together: Iterable[PathDifference]) -> str:
    """Differences that came together, as the key of their count."""
    items = sorted((each.path, each.severity.value, each.mark.value) for each in together)
    return json.dumps(items, separators=(",", ":"))


def decode_differences(pattern: str) -> tuple[PathDifference, ...]:
    """The differences of a key."""
    return tuple(
        PathDifference(path=path, severity=Severity(severity), mark=Mark(mark))
        for path, severity, mark in json.loads(pattern)
    )


def encode_shape(shape: PairShape) -> str:
    """A shape as JSON."""
    return json.dumps(
        {
            **{name: getattr(shape, name) for name in _SHAPE_FIELDS},
            "kinds": sorted(shape.kinds),
        },
        separators=(",", ":"),
    )


def decode_shape(text: str) -> PairShape:
    """The shape of its JSON."""
    values = json.loads(text)
    return PairShape(**{**values, "kinds": frozenset(values["kinds"])})


_SHAPE_FIELDS = (
    *("pairs", "uuid", "hexadecimal", "time_distance", "integer_distance", "length", "classes"),
    "hidden",
)


def _severity(detail: str) -> Severity:
    """The severity in the detail of a mismatch; the worst where it is none."""
    return Severity(detail) if detail in {each.value for each in Severity} else Severity.CRITICAL
