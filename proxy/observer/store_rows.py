"""Writing settled requests as rows: exact counters, bounded tables, reservoirs of exemplars.

Everything here runs in the writer's thread, within its transaction.
"""

from __future__ import annotations

import bisect
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from proxy.compare_policy import Severity
from proxy.evidence import proposal, repeats
from proxy.evidence.judge import SEVERITIES
from proxy.evidence.latency import bucket_of
from proxy.evidence.noise import PathCounts, marked_counts, triple_counts
from proxy.evidence.outcome import FAILED, Outcome
from proxy.evidence.proposal import PairShape
from proxy.evidence.settled import CauseSeen, Mark, PathDifference, Settled
from proxy.evidence.verdict import COMPARED
from proxy.observer.store_exemplars import keep_exemplar
from proxy.observer.store_gains import CauseGain, Gains, Of, Thin

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
    """Writes settled requests. `per_hour` and `per_fingerprint` are the limits in force.

    Rule: finish() comes before anything that reads what was added.
    """

    db: sqlite3.Connection
    random: Random
    room: Room
    # Route -> repeats of one request that count within an hour.
    per_hour: Mapping[str, int]
    per_fingerprint: int
    # Whether there is space for exemplars and rows of comparisons.
    spacious: bool
    # Routes and epochs whose noise counts changed.
    noisy: set[Of] = field(default_factory=set)
    _gains: Gains = field(default_factory=Gains)

    def add(self, settled: Settled, epoch: str) -> None:
        """Take an end with the id of its epoch, whose row exists."""
        of = (settled.route, epoch)
        gains = self._gains
        gains.ends[(*of, settled.outcome.value, settled.detail)] += 1
        gains.settled[settled.boot, settled.route] += 1
        if settled.outcome in COMPARED:
            self._compared(settled, of)
        if settled.legacy_seconds is not None and settled.new_seconds is not None:
            # Only pairs: else the two sides would be about different requests.
            gains.latency[(*of, "legacy", bucket_of(settled.legacy_seconds))] += 1
            gains.latency[(*of, "new", bucket_of(settled.new_seconds))] += 1
        for level, message in settled.legacy_defects:
            key = (*of, storable(level), storable(message[:500]))
            count, last = gains.defects.get(key, (0, settled.at))
            gains.defects[key] = (count + 1, max(last, settled.at))
        self._row(settled, epoch)

    def add_thin(self, thin: Thin) -> None:
        """Take bare counts. Mismatches among them count in the gate, the rest does not."""
        for (boot, route, epoch, outcome, detail), count in thin.ends.items():
            of = (route, epoch)
            self._gains.ends[(*of, outcome.value, detail)] += count
            self._gains.settled[boot, route] += count
            if outcome in FAILED:
                self._gains.gate(of).count(thin.at, compared=count, failed=count)
            elif outcome is Outcome.MISMATCH:
                self._gains.gate(of).count(thin.at, compared=count, failed=0)
                self._gains.unplaced[(*of, _severity(detail))] += count

    def finish(self) -> None:
        """Write what was added."""
        gains, self._gains = self._gains, Gains()
        for different, count in gains.differences.items():
            self._write_differences(different, count, gains)
        for signature, count in gains.signatures.items():
            self._write_signature(signature, count, gains)
        for (route, epoch, _), seen in gains.causes.items():
            self._write_cause(route, epoch, seen)
        for path, (counts, shape) in gains.noise.items():
            self._write_noise(path, counts, shape)
        self._write_rules_and_defects(gains)
        self._write_counters(gains)

    def _compared(self, settled: Settled, of: Of) -> None:
        """What the gate, the causes and the noise test look at."""
        gains = self._gains
        gate = gains.gate(of)
        if settled.request and not self._counts(settled, of):
            gate.repeats += 1
        else:
            gate.count(settled.at, compared=1, failed=int(settled.outcome in FAILED))
            self._differences(settled, of)
            self._noise(settled, of)
            if settled.signature:
                gains.signatures[(*of, settled.signature)] += 1
        for cause in settled.causes:
            key = (*of, cause.fingerprint)
            seen = gains.causes.get(key)
            if seen is None:
                seen = gains.causes[key] = CauseGain(cause=cause, first=settled.at, last=settled.at)
            seen.count += 1
            seen.paths |= dict.fromkeys(cause.paths)
            seen.severity = _worst(seen.severity, cause.severity)
            seen.first, seen.last = min(seen.first, settled.at), max(seen.last, settled.at)
        for rule, path, count in settled.rules_used:
            used = (*of, rule, storable(path))
            values, comparisons, last = gains.rules.get(used, (0, 0, settled.at))
            gains.rules[used] = (values + count, comparisons + 1, max(last, settled.at))
        if settled.outcome not in FAILED:
            bucket = bisect.bisect_left(SKEWS, max(0.0, settled.skew_seconds))
            gains.skew[(*of, bucket, bool(settled.differences))] += 1

    def _counts(self, settled: Settled, of: Of) -> bool:
        """Whether this request was not repeated too often in its hour; counts it."""
        (seen,) = self.db.execute(
            "INSERT INTO repeats VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n",
            (*of, repeats.hour_of(settled.at), settled.request),
        ).fetchone()
        return repeats.counts(seen - 1, self.per_hour.get(settled.route, seen))

    def _differences(self, settled: Settled, of: Of) -> None:
        # Where legacy agreed later there is nothing left to weigh.
        together = tuple(each for each in settled.differences if each.mark is not Mark.AGREES)
        if len(together) > MOST_PATHS:
            worst = min((each.severity for each in together), key=SEVERITIES.index)
            self._gains.unplaced[(*of, worst)] += 1
        elif together:
            self._gains.differences[(*of, together)] += 1
        elif settled.outcome is Outcome.MISMATCH:
            self._gains.unplaced[(*of, _severity(settled.detail))] += 1

    def _noise(self, settled: Settled, of: Of) -> None:
        added = marked_counts(settled.differences)
        shapes: dict[str, PairShape] = {}
        if settled.triple is not None:
            for path, counts in triple_counts(settled.triple).items():
                added[path] = added.get(path, PathCounts()) + counts
            for path, shape in settled.triple.shapes:
                shapes[path] = proposal.merge(shapes.get(path, PairShape()), shape)
        if added:
            self.noisy.add(of)
        for path, counts in added.items():
            key = (*of, storable(path))
            shape = shapes.get(path, PairShape())
            known = self._gains.noise.get(key)
            self._gains.noise[key] = (
                (counts, shape)
                if known is None
                else (known[0] + counts, proposal.merge(known[1], shape))
            )

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

    def _write_differences(
        self, different: tuple[str, str, tuple[PathDifference, ...]], count: int, gains: Gains
    ) -> None:
        route, epoch, together = different
        if not self._bump(
            "differences", "pattern", (route, epoch, encode_differences(together)), count
        ):
            worst = min((each.severity for each in together), key=SEVERITIES.index)
            gains.unplaced[route, epoch, worst] += count

    def _write_signature(self, signature: tuple[str, str, str], count: int, gains: Gains) -> None:
        if not self._bump("signatures", "signature", signature, count):
            route, epoch, _ = signature
            gains.gate((route, epoch)).more_signatures += count

    def _bump(self, table: str, column: str, key: tuple[str, str, str], count: int) -> bool:
        """Add to a row, made if there is room for it; False when there is none."""
        route, epoch, _ = key
        done = self.db.execute(
            f"UPDATE {table} SET n = n + ?"  # noqa: S608 - names of our own tables and columns
            f" WHERE route = ? AND epoch = ? AND {column} = ?",
            (count, *key),
        )
        if done.rowcount:
            return True
        if not self.room.take(self.db, table, route, epoch):
            return False
        self.db.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", (*key, count))  # noqa: S608 - as above
        return True

    def _write_cause(self, route: str, epoch: str, seen: CauseGain) -> None:
        cause = seen.cause
        found = self._known_cause(route, epoch, cause.fingerprint)
        if found is None and not self.room.take(self.db, "causes", route, epoch):
            cause = OVERFLOW
            found = self._known_cause(route, epoch, cause.fingerprint)
        severity = _worst(seen.severity, cause.severity)
        if found is None:
            self.db.execute(
                "INSERT INTO causes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(route, epoch, cause.fingerprint, storable(cause.cause)),
                    *(storable(cause.explanation), severity.value),
                    *(json.dumps(list(seen.paths)[:MOST_CAUSE_PATHS]), seen.count),
                    *(storable(cause.example), seen.first, seen.last),
                ),
            )
            return
        paths = list(dict.fromkeys((*json.loads(found[0]), *seen.paths)))[:MOST_CAUSE_PATHS]
        self.db.execute(
            "UPDATE causes SET n = n + ?, paths = ?, severity = ?,"
            " first_seen = min(first_seen, ?), last_seen = max(last_seen, ?)"
            " WHERE route = ? AND epoch = ? AND fingerprint = ?",
            (
                *(seen.count, json.dumps(paths), _worst(Severity(found[1]), severity).value),
                *(seen.first, seen.last, route, epoch, cause.fingerprint),
            ),
        )

    def _known_cause(self, route: str, epoch: str, fingerprint: str) -> tuple[str, str] | None:
        found: tuple[str, str] | None = self.db.execute(
            "SELECT paths, severity FROM causes WHERE route = ? AND epoch = ? AND fingerprint = ?",
            (route, epoch, fingerprint),
        ).fetchone()
        return found

    def _write_noise(self, key: tuple[str, str, str], counts: PathCounts, shape: PairShape) -> None:
        route, epoch, _ = key
        found = self.db.execute(
            "SELECT shape FROM noise WHERE route = ? AND epoch = ? AND path = ?", key
        ).fetchone()
        figures = (
            *(counts.b, counts.c, counts.d, counts.agrees, counts.agrees_sampled, counts.unasked),
            counts.odd,
        )
        if found is None:
            if self.room.take(self.db, "noise", route, epoch):
                self.db.execute(
                    "INSERT INTO noise VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*key, *figures, encode_shape(shape)),
                )
            return
        merged = found[0]
        if shape.pairs:
            merged = encode_shape(proposal.merge(decode_shape(merged), shape))
        self.db.execute(
            "UPDATE noise SET b = b + ?, c = c + ?, d = d + ?, agrees = agrees + ?,"
            " agrees_sampled = agrees_sampled + ?, unasked = unasked + ?, odd = odd + ?,"
            " shape = ?"
            " WHERE route = ? AND epoch = ? AND path = ?",
            (*figures, merged, *key),
        )

    def _write_rules_and_defects(self, gains: Gains) -> None:
        for key, (count, comparisons, last) in gains.rules.items():
            done = self.db.execute(
                "UPDATE rules SET n = n + ?, comparisons = comparisons + ?,"
                " last_used = max(last_used, ?)"
                " WHERE route = ? AND epoch = ? AND rule = ? AND path = ?",
                (count, comparisons, last, *key),
            )
            if not done.rowcount and self.room.take(self.db, "rules", key[0], key[1]):
                self.db.execute(
                    "INSERT INTO rules VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*key, count, comparisons, last),
                )
        for key, (count, last) in gains.defects.items():
            done = self.db.execute(
                "UPDATE defects SET n = n + ?, last_seen = max(last_seen, ?)"
                " WHERE route = ? AND epoch = ? AND level = ? AND message = ?",
                (count, last, *key),
            )
            if not done.rowcount and self.room.take(self.db, "defects", key[0], key[1]):
                self.db.execute(
                    "INSERT INTO defects VALUES (?, ?, ?, ?, ?, ?)", (*key, count, last)
                )

    def _write_counters(self, gains: Gains) -> None:
        add = "ON CONFLICT DO UPDATE SET n = n + excluded.n"
        self.db.executemany(
            f"INSERT INTO outcomes VALUES (?, ?, ?, ?, ?) {add}",  # noqa: S608 - our own words
            [(*key, count) for key, count in gains.ends.items()],
        )
        self.db.executemany(
            f"INSERT INTO latency VALUES (?, ?, ?, ?, ?) {add}",  # noqa: S608 - our own words
            [(*key, count) for key, count in gains.latency.items()],
        )
        self.db.executemany(
            f"INSERT INTO unplaced VALUES (?, ?, ?, ?) {add}",  # noqa: S608 - our own words
            [
                (route, epoch, severity.value, count)
                for (route, epoch, severity), count in gains.unplaced.items()
            ],
        )
        self.db.executemany(
            f"INSERT INTO skew VALUES (?, ?, ?, ?, ?) {add},"  # noqa: S608 - our own words
            " differing = differing + excluded.differing",
            [
                (route, epoch, bucket, count, count if differing else 0)
                for (route, epoch, bucket, differing), count in gains.skew.items()
            ],
        )
        self.db.executemany(
            "INSERT INTO books (boot, route, settled) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET settled = settled + excluded.settled",
            [(*key, count) for key, count in gains.settled.items()],
        )
        self.db.executemany(
            "UPDATE epochs SET compared = compared + ?, failed = failed + ?, repeats = repeats + ?,"
            " more_signatures = more_signatures + ?,"
            # min() of several values is NULL where one of them is.
            " first_at = coalesce(min(first_at, ?), first_at, ?),"
            " last_at = coalesce(max(last_at, ?), last_at, ?) WHERE route = ? AND id = ?",
            [
                (
                    *(gate.compared, gate.failed, gate.repeats, gate.more_signatures),
                    *(gate.first_at, gate.first_at, gate.last_at, gate.last_at, *of),
                )
                for of, gate in gains.gates.items()
            ],
        )


def _worst(one: Severity, other: Severity) -> Severity:
    return min(one, other, key=SEVERITIES.index)


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
