"""Reading the evidence database: a route's evidence for the verdict, and its report."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.compare_policy import Severity
from proxy.evidence.epoch import Epoch, epoch_of
from proxy.evidence.latency import quantile
from proxy.evidence.noise import Call, PathCounts, PathTest, call_paths
from proxy.evidence.outcome import LOST, Outcome
from proxy.evidence.proposal import PairShape, Proposal, as_entry, propose
from proxy.evidence.report import (
    CauseReport,
    CoverageReport,
    DefectReport,
    EpochReport,
    LatencyReport,
    NoiseReport,
    RouteReport,
    RuleReport,
)
from proxy.evidence.verdict import OpenCause, RouteEvidence, explained_by_noise, verdict
from proxy.gate import Gate
from proxy.observer.store_rows import SKEWS, decode_differences, decode_shape

# Ended epochs that a report shows.
EARLIER_EPOCHS = 10
# How the shape of a path begins that was never re-probed.
_NO_PAIRS = '{"pairs":0,%'


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTerms:
    """What routes.yaml and the upstreams say at present of one route."""

    gate: Gate = Gate()
    epoch: Epoch | None = None
    # Names of expired rules: `rule:3 ($.legacy_debug, 2026-12-01)`.
    expired_rules: tuple[str, ...] = ()
    stage: str = ""


def known_routes(db: sqlite3.Connection) -> tuple[str, ...]:
    """Every route the database knows something of."""
    rows = db.execute(
        "SELECT route FROM epochs UNION SELECT route FROM books UNION SELECT route FROM totals"
        " UNION SELECT route FROM ineligible ORDER BY route"
    )
    return tuple(route for (route,) in rows)


def current_epoch(db: sqlite3.Connection, route: str, terms: RouteTerms | None) -> Epoch:
    """The epoch that counts: the one in force, or else the one seen last."""
    if terms is not None and terms.epoch is not None:
        return terms.epoch
    found = db.execute(
        "SELECT legacy_version, new_version, rules_hash FROM epochs WHERE route = ?"
        " ORDER BY last_seen DESC, started DESC LIMIT 1",
        (route,),
    ).fetchone()
    legacy, new, rules = found or ("", "", "")
    return epoch_of(legacy_version=legacy, new_version=new, rules_hash=rules)


def read_counts(db: sqlite3.Connection, route: str, epoch: str) -> dict[str, PathCounts]:
    """The re-probes of every path of an epoch."""
    rows = db.execute(
        "SELECT path, b, c, d, agrees, agrees_sampled, unasked, odd FROM noise"
        " WHERE route = ? AND epoch = ?",
        (route, epoch),
    )
    return {
        path: PathCounts(
            b=b,
            c=c,
            d=d,
            agrees=agrees,
            agrees_sampled=agrees_sampled,
            unasked=unasked,
            odd=odd,
        )
        for path, b, c, d, agrees, agrees_sampled, unasked, odd in rows
    }


def read_shapes(db: sqlite3.Connection, route: str, epoch: str) -> dict[str, PairShape]:
    """What legacy's differences from itself have in common, path by path."""
    rows = db.execute(
        "SELECT path, shape FROM noise WHERE route = ? AND epoch = ? AND shape NOT LIKE ?",
        (route, epoch, _NO_PAIRS),
    )
    return {path: decode_shape(shape) for path, shape in rows}


def read_rules(db: sqlite3.Connection, route: str, epoch: str) -> tuple[RuleReport, ...]:
    """What every rule did in an epoch, the busiest first."""
    rows = db.execute(
        "SELECT rule, path, n, comparisons, last_used FROM rules WHERE route = ? AND epoch = ?"
        " ORDER BY rule, n DESC, path",
        (route, epoch),
    ).fetchall()
    together: dict[str, list[tuple[str, int, int, float]]] = {}
    for rule, *figures in rows:
        path, count, comparisons, last_used = figures
        together.setdefault(rule, []).append((path, count, comparisons, last_used))
    reports = [
        RuleReport(
            rule=rule,
            paths=tuple(path for path, *_ in used),
            count=sum(count for _, count, _, _ in used),
            # One comparison may use a rule at several paths: this is the least it can be.
            comparisons=max(comparisons for _, _, comparisons, _ in used),
            last_used=max(last_used for *_, last_used in used),
        )
        for rule, used in together.items()
    ]
    return tuple(sorted(reports, key=lambda each: (-each.count, each.rule)))


def read_report(
    db: sqlite3.Connection, route: str, terms: RouteTerms, *, now: float, store_error: str
) -> RouteReport:
    """The whole report of one route."""
    reading = _Reading(db=db, route=route, epoch=current_epoch(db, route, terms))
    outcomes = reading.outcomes()
    books = reading.books()
    counts = read_counts(db, route, reading.epoch.id)
    tests = call_paths(counts)
    shapes = read_shapes(db, route, reading.epoch.id)
    causes = reading.causes(tests)
    epoch = reading.epoch_row()
    signatures, seen_once = reading.signatures()
    latency = reading.latency(terms.gate.p95_ratio)
    by_outcome = {outcome: sum(details.values()) for outcome, details in outcomes.items()}
    # Of this epoch: all that were eligible, less what ended in others.
    eligible = books.eligible - reading.ended_elsewhere()
    # What nobody can account for is not on its way.
    pending = max(0, eligible - sum(by_outcome.values()) - max(0, books.unaccounted))
    evidence = RouteEvidence(
        route=route,
        epoch=reading.epoch,
        eligible=eligible,
        pending=pending,
        unaccounted=books.unaccounted,
        outcomes=by_outcome,
        lost_details={
            f"{outcome.value} {detail}".strip(): count
            for outcome in LOST
            for detail, count in outcomes.get(outcome, {}).items()
        },
        compared=epoch.compared,
        failed=epoch.failed,
        differences=reading.differences(),
        unplaced=reading.unplaced(),
        noise=counts,
        signatures=signatures,
        seen_once=seen_once + epoch.more_signatures,
        first_at=epoch.first_at,
        last_at=epoch.last_at,
        causes=tuple(
            OpenCause(
                fingerprint=each.fingerprint,
                severity=Severity(each.severity),
                paths=each.paths,
                last_seen=each.last_seen,
                triaged=bool(each.triage or each.ticket),
            )
            for each in causes
        ),
        expired_rules=terms.expired_rules,
        legacy_p95=None if latency is None else latency.legacy_p95,
        new_p95=None if latency is None else latency.new_p95,
        store_error=store_error,
    )
    result = verdict(evidence, terms.gate, now)
    return RouteReport(
        route=route,
        verdict=result.state,
        reasons=result.reasons,
        advice=result.advice,
        to_go=result.to_go,
        eta_seconds=result.eta_seconds,
        eligible=eligible,
        outcomes={outcome.value: by_outcome.get(outcome, 0) for outcome in Outcome},
        outcome_details={
            outcome.value: dict(sorted(named.items()))
            for outcome, details in outcomes.items()
            if (named := {detail: count for detail, count in details.items() if detail})
        },
        pending=pending,
        unaccounted=books.unaccounted,
        ineligible=reading.ineligible(),
        unsampled=books.unsampled,
        compared=epoch.compared,
        repeats=epoch.repeats,
        rate=result.rate,
        rates=result.rates,
        causes=causes,
        noise=tuple(
            _noise_report(path, test, shapes.get(path, PairShape()))
            for path, test in sorted(tests.items())
        ),
        defects=reading.defects(),
        rules=read_rules(db, route, reading.epoch.id),
        expired_rules=terms.expired_rules,
        coverage=CoverageReport(
            signatures=signatures,
            seen_once=evidence.seen_once,
            unseen=result.unseen,
            limit=terms.gate.max_unseen,
        ),
        lost=result.lost,
        max_lost=terms.gate.max_lost,
        window_seconds=result.window_seconds,
        min_window=terms.gate.min_window,
        latency=latency,
        epoch=epoch.report,
        earlier_epochs=reading.earlier_epochs(),
        skew=reading.skew(),
        limits=result.limits,
        store_error=store_error,
        stage=terms.stage,
    )


def _noise_report(path: str, test: PathTest, shape: PairShape) -> NoiseReport:
    counts = test.counts
    # Only noise is worth silencing.
    proposed = propose(path, shape) if test.call is Call.NOISE else Proposal(path=path)
    return NoiseReport(
        path=path,
        call=test.call.value,
        b=counts.b,
        c=counts.c,
        d=counts.d,
        agrees=counts.agrees,
        p_value=test.p_value,
        odd=counts.odd,
        proposal=None if proposed.rule is None else as_entry(proposed.rule),
        accepts=proposed.accepts,
        refused=proposed.refused,
        automatic=proposed.automatic,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    eligible: int
    unsampled: int
    unaccounted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _EpochRow:
    report: EpochReport | None = None
    first_at: float = 0.0
    last_at: float = 0.0
    compared: int = 0
    failed: int = 0
    repeats: int = 0
    more_signatures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """The tables as far as they are about one route and epoch."""

    db: sqlite3.Connection
    route: str
    epoch: Epoch
    _key: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", (self.route, self.epoch.id))

    def rows(self, columns: str, table: str, order: str = "1") -> list[tuple[Any, ...]]:
        """Rows of the epoch."""
        return self.db.execute(
            f"SELECT {columns} FROM {table} WHERE route = ? AND epoch = ? ORDER BY {order}",  # noqa: S608 - our own words
            self._key,
        ).fetchall()

    def outcomes(self) -> dict[Outcome, dict[str, int]]:
        found: dict[Outcome, dict[str, int]] = {}
        for outcome, detail, count in self.rows("outcome, detail, n", "outcomes"):
            found.setdefault(Outcome(outcome), {})[detail] = count
        return found

    def ended_elsewhere(self) -> int:
        (count,) = self.db.execute(
            "SELECT coalesce(sum(n), 0) FROM outcomes WHERE route = ? AND epoch <> ?", self._key
        ).fetchone()
        return int(count)

    def books(self) -> _Books:
        eligible, unsampled, unaccounted = self.db.execute(
            "SELECT coalesce(sum(max(eligible, own + settled)), 0), coalesce(sum(unsampled), 0),"
            " coalesce(sum(unaccounted), 0) FROM books WHERE route = ?",
            (self.route,),
        ).fetchone()
        past = self.db.execute(
            "SELECT eligible, unsampled FROM totals WHERE route = ?", (self.route,)
        ).fetchone() or (0, 0)
        return _Books(
            eligible=eligible + past[0], unsampled=unsampled + past[1], unaccounted=unaccounted
        )

    def ineligible(self) -> dict[str, int]:
        return dict(
            self.db.execute(
                "SELECT reason, n FROM ineligible WHERE route = ? ORDER BY reason", (self.route,)
            ).fetchall()
        )

    def epoch_row(self) -> _EpochRow:
        found = self.db.execute(
            "SELECT legacy_version, new_version, rules_hash, started, last_seen,"
            " coalesce(first_at, 0), coalesce(last_at, 0), compared, failed, repeats,"
            " more_signatures FROM epochs WHERE route = ? AND id = ?",
            self._key,
        ).fetchone()
        if found is None:
            return _EpochRow()
        legacy, new, rules, started, last_seen, *figures = found
        return _EpochRow(
            report=EpochReport(
                id=self.epoch.id,
                legacy_version=legacy,
                new_version=new,
                rules_hash=rules,
                started=started,
                last_seen=last_seen,
            ),
            first_at=figures[0],
            last_at=figures[1],
            compared=figures[2],
            failed=figures[3],
            repeats=figures[4],
            more_signatures=figures[5],
        )

    def earlier_epochs(self) -> tuple[EpochReport, ...]:
        found = self.db.execute(
            "SELECT id, legacy_version, new_version, rules_hash, started, last_seen FROM epochs"
            " WHERE route = ? AND id <> ? ORDER BY last_seen DESC LIMIT ?",
            (*self._key, EARLIER_EPOCHS),
        )
        return tuple(
            EpochReport(
                id=id,
                legacy_version=legacy,
                new_version=new,
                rules_hash=rules,
                started=started,
                last_seen=last_seen,
            )
            for id, legacy, new, rules, started, last_seen in found
        )

    def differences(self) -> tuple[tuple[Any, int], ...]:
        return tuple(
            (decode_differences(pattern), count)
            for pattern, count in self.rows("pattern, n", "differences")
        )

    def unplaced(self) -> dict[Severity, int]:
        return {
            Severity(severity): count for severity, count in self.rows("severity, n", "unplaced")
        }

    def signatures(self) -> tuple[int, int]:
        ((kinds, once),) = self.rows("count(*), coalesce(sum(n = 1), 0)", "signatures")
        return kinds, once

    def latency(self, limit: float | None) -> LatencyReport | None:
        sides: dict[str, dict[int, int]] = {"legacy": {}, "new": {}}
        for side, bucket, count in self.rows("side, bucket, n", "latency"):
            sides[side][bucket] = count
        figures = [quantile(sides[side], share) for side in sides for share in (0.5, 0.95)]
        legacy_p50, legacy_p95, new_p50, new_p95 = figures
        if legacy_p50 is None or legacy_p95 is None or new_p50 is None or new_p95 is None:
            return None
        return LatencyReport(
            legacy_p50=legacy_p50,
            legacy_p95=legacy_p95,
            new_p50=new_p50,
            new_p95=new_p95,
            p95_ratio=new_p95 / legacy_p95,
            limit=limit,
        )

    def skew(self) -> tuple[tuple[float, int, int], ...]:
        ends = (*SKEWS, float("inf"))
        return tuple(
            (ends[bucket], count, differing)
            for bucket, count, differing in self.rows("bucket, n, differing", "skew")
        )

    def defects(self) -> tuple[DefectReport, ...]:
        return tuple(
            DefectReport(level=level, message=message, count=count, last_seen=last_seen)
            for level, message, count, last_seen in self.rows(
                "level, message, n, last_seen", "defects", "n DESC, message"
            )
        )

    def causes(self, tests: Mapping[str, PathTest]) -> tuple[CauseReport, ...]:
        shown: dict[str, list[str]] = {}
        for fingerprint, exemplar in self.rows("fingerprint, exemplar", "slots", "slot"):
            shown.setdefault(fingerprint, []).append(exemplar)
        looked_at = {
            fingerprint: (note, ticket)
            for fingerprint, note, ticket in self.db.execute(
                "SELECT fingerprint, note, ticket FROM triage WHERE route = ?", (self.route,)
            )
        }
        reports = []
        for row in self.rows(
            "fingerprint, cause, explanation, severity, paths, n, example, first_seen, last_seen",
            "causes",
        ):
            fingerprint, cause, explanation, severity, paths, count, example, first, last = row
            note, ticket = looked_at.get(fingerprint, ("", ""))
            reports.append(
                CauseReport(
                    fingerprint=fingerprint,
                    paths=tuple(json.loads(paths)),
                    cause=cause,
                    explanation=explanation,
                    severity=severity,
                    count=count,
                    example=example,
                    first_seen=first,
                    last_seen=last,
                    exemplars=tuple(shown.get(fingerprint, ())),
                    triage=note,
                    ticket=ticket,
                    noise=explained_by_noise(tuple(json.loads(paths)), tests),
                )
            )
        ranks = {severity.value: rank for rank, severity in enumerate(Severity)}
        return tuple(
            sorted(
                reports,
                key=lambda each: (
                    *(each.noise, ranks[each.severity], -each.count, each.fingerprint),
                ),
            )
        )
