"""The evidence store: what is handed over comes out of the report, also after a restart."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.compare_policy import Severity
from proxy.evidence.noise import Call
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import shape_of_pair
from proxy.evidence.report import VerdictState, as_document
from proxy.evidence.settled import Mark, PathDifference, Triple
from proxy.gate import Gate
from proxy.observer import store_rows
from proxy.observer.store import EvidenceStore, RouteTerms
from proxy.shadow_policy import ObserverPolicy
from tests.proxy.observer.evidence_rig import (
    BEGIN,
    BOOT,
    EPOCH,
    FINGERPRINT,
    NEXT_EPOCH,
    PATH,
    ROUTE,
    Clock,
    a_store,
    balanced,
    end,
    ledger,
    mismatch,
    report_of,
)


def test_every_outcome_is_counted_exactly_with_its_detail(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        for outcome in Outcome:
            store.settle(end(n, outcome=outcome, detail="why" if n else "") for n in range(3))
        report = report_of(store)
    assert report.outcomes == {outcome.value: 3 for outcome in Outcome}
    assert report.outcome_details == {outcome.value: {"why": 2} for outcome in Outcome}
    assert report.eligible == 3 * len(Outcome)
    assert balanced(report)


def test_a_route_with_enough_matches_is_go(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.enter([ledger(3300)], {(BOOT, ROUTE): 3300})
        store.settle(end(n) for n in range(3300))
        report = report_of(store)
    assert report.verdict is VerdictState.GO
    assert (report.eligible, report.compared, report.pending) == (3300, 3300, 0)
    assert report.unaccounted == 0
    assert report.epoch is not None
    assert report.epoch.id == EPOCH.id
    assert report.coverage.signatures == 5
    assert report.latency is not None
    assert report.latency.p95_ratio == pytest.approx(0.5, rel=0.05)


def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([*(end(n) for n in range(40)), *(mismatch(100 + n) for n in range(9))])
        before = as_document(report_of(store))
    with a_store(tmp_path) as store:
        assert as_document(report_of(store)) == before


def test_a_cause_is_one_row_however_often_it_is_seen(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(mismatch(n, at=BEGIN + n) for n in range(50))
        other = mismatch(99, path="$.tax", severity=Severity.CRITICAL, at=BEGIN + 99)
        store.settle([other])
        (cause,) = report_of(store).causes
    assert (cause.fingerprint, cause.cause, cause.count) == (FINGERPRINT, "rounding", 51)
    # Paths grow, the severity is the worst.
    assert cause.paths == (PATH, "$.tax")
    assert cause.severity == "critical"
    assert (cause.first_seen, cause.last_seen) == (BEGIN, BEGIN + 99)
    assert cause.example == "$.price: legacy 1.005, new 1.01"
    assert len(cause.exemplars) == ObserverPolicy().exemplars_per_fingerprint


def test_triage_is_kept_over_epochs_and_refused_for_an_unknown_cause(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([mismatch()])
        assert store.triage(ROUTE, FINGERPRINT, note="known", ticket="SHOP-7")
        assert not store.triage(ROUTE, "0123", note="", ticket="")
        store.use({ROUTE: RouteTerms(epoch=NEXT_EPOCH)}, ObserverPolicy())
        store.settle([mismatch(1, epoch=NEXT_EPOCH)])
        (cause,) = report_of(store).causes
    assert (cause.count, cause.triage, cause.ticket) == (1, "known", "SHOP-7")


def test_a_new_epoch_begins_at_nothing_and_shows_the_old_one(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(end(n) for n in range(3300))
        assert report_of(store).verdict is VerdictState.GO
        # The rules were edited and nothing has come since: old evidence must not say GO.
        store.use({ROUTE: RouteTerms(epoch=NEXT_EPOCH)}, ObserverPolicy())
        report = report_of(store)
        assert report.verdict is VerdictState.NEED_MORE_DATA
        assert (report.eligible, report.compared) == (0, 0)
        assert [each.id for each in report.earlier_epochs] == [EPOCH.id]
        store.settle([end(epoch=NEXT_EPOCH)])
        report = report_of(store)
    assert (report.eligible, report.compared) == (1, 1)
    assert balanced(report)


def test_an_end_without_an_epoch_belongs_to_the_current_one(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([end(epoch=None, outcome=Outcome.SHED, detail="breaker")])
        report = report_of(store)
    assert report.epoch is not None
    assert report.epoch.id == EPOCH.id
    assert report.outcome_details == {"shed": {"breaker": 1}}


def test_without_terms_the_epoch_seen_last_is_the_current_one(tmp_path: Path) -> None:
    with a_store(tmp_path, epoch=None) as store:
        store.settle([end(1, at=BEGIN), end(2, epoch=NEXT_EPOCH, at=BEGIN + 5)])
        store.settle([end(3, epoch=None, outcome=Outcome.SHED, detail="queue", at=BEGIN)])
        report = report_of(store)
    assert report.epoch is not None
    assert report.epoch.id == NEXT_EPOCH.id
    assert report.outcomes["shed"] == 1


def test_repeats_beyond_the_limit_are_told_but_do_not_count(tmp_path: Path) -> None:
    gate = Gate(repeats_per_hour=10)
    with a_store(tmp_path, gate=gate) as store:
        store.settle(end(n, request="health", at=BEGIN) for n in range(25))
        store.settle(end(100 + n, request="health", at=BEGIN + 3600) for n in range(3))
        store.settle([end(200, request="page", at=BEGIN), end(201, request="", at=BEGIN)])
        store.settle([mismatch(300, request="health", at=BEGIN)])
        report = report_of(store)
    assert report.compared == 10 + 3 + 2
    assert report.repeats == 15 + 1
    assert report.outcomes["match"] == 30
    # A mismatch beyond the limit does not count either, but its cause is shown.
    assert report.rates[1].mismatches == 0
    assert [cause.count for cause in report.causes] == [1]


def triple(*, b: bool = False, d: bool = False) -> Triple:
    paths = frozenset({PATH})
    return Triple(
        sampled=False,
        new=paths if b or d else frozenset(),
        again=paths if d else frozenset(),
        again_new=paths if b or d else frozenset(),
        shapes=((PATH, shape_of_pair("value", "1041", "1043")),) if d else (),
    )


def test_noise_is_called_proposed_and_remembered(tmp_path: Path) -> None:
    noisy = [
        mismatch(n, outcome=Outcome.NOISE, detail="", mark=Mark.UNSTABLE, triple=triple(d=True))
        for n in range(5)
    ]
    with a_store(tmp_path) as store:
        store.settle(noisy)
        store.settle([mismatch(50, mark=Mark.UNASKED)])
        (noise,) = report_of(store).noise
        assert store.calls(ROUTE, EPOCH) == {PATH: Call.NOISE}
    assert (noise.call, noise.b, noise.d) == ("noise", 0, 5)
    assert noise.proposal == {"path": PATH, "op": "number", "abs": 2}
    assert noise.accepts == "integers within 2"
    with a_store(tmp_path) as store:
        assert store.flush()
        assert store.calls(ROUTE, EPOCH) == {PATH: Call.NOISE}
        assert store.calls(ROUTE, NEXT_EPOCH) == {}


def test_the_shape_of_noise_is_known_after_enough_re_probes(tmp_path: Path) -> None:
    noisy = mismatch(outcome=Outcome.NOISE, detail="", mark=Mark.UNSTABLE, triple=triple(d=True))
    with a_store(tmp_path) as store:
        store.settle([noisy] * 4)
        assert store.flush()
        assert store.own_shapes(ROUTE, EPOCH) == {}
        store.settle([noisy, mismatch(9, mark=Mark.ODD, severity=Severity.CRITICAL)])
        assert store.flush()
        assert store.own_shapes(ROUTE, EPOCH)[PATH].integer_distance == 2
        report = report_of(store)
    assert (report.noise[0].call, report.noise[0].odd) == ("noise", 1)
    assert report.rates[0].mismatches == 1
    assert not report.causes[0].noise


def test_a_regression_is_called_after_enough_re_probes(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(mismatch(n, triple=triple(b=True)) for n in range(5))
        assert store.flush()
        assert store.calls(ROUTE, EPOCH) == {PATH: Call.REGRESSION}


def test_mismatches_count_as_the_noise_test_says_at_the_time_of_the_report(tmp_path: Path) -> None:
    """Differences settled as mismatches are set right when re-probes show that they are noise."""
    with a_store(tmp_path) as store:
        store.settle(mismatch(n, mark=Mark.UNASKED) for n in range(40))
        assert report_of(store).rates[1].mismatches == 40
        store.settle(
            mismatch(100 + n, outcome=Outcome.NOISE, mark=Mark.UNSTABLE, triple=triple(d=True))
            for n in range(100)
        )
        major = report_of(store).rates[1]
    assert (major.mismatches, major.doubtful) == (0, 0)


def test_failed_shadow_requests_count_as_critical(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(end(n) for n in range(20))
        store.settle([end(50, outcome=Outcome.SHADOW_TIMEOUT, detail="first_byte")])
        store.settle([end(51, outcome=Outcome.SHADOW_ERROR, detail="refused")])
        report = report_of(store)
    assert report.rates[0].mismatches == 2
    assert report.verdict is VerdictState.NO_GO


def test_rules_defects_and_skew_add_up(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(
            end(
                n,
                outcome=Outcome.MATCH_NORMALISED,
                rules_used=(("rule:1", "$.a", 2), ("rule:1", "$.b", 1), ("php:number", "$.c", 5)),
                legacy_defects=(("Notice", "Undefined index: x"),),
                skew_seconds=0.2,
                at=BEGIN + n,
            )
            for n in range(4)
        )
        report = report_of(store)
        assert store.rules(ROUTE) == report.rules
    rules = {rule.rule: (rule.paths, rule.count, rule.comparisons) for rule in report.rules}
    assert rules == {
        "rule:1": (("$.a", "$.b"), 12, 4),
        "php:number": (("$.c",), 20, 4),
    }
    assert [(each.level, each.count) for each in report.defects] == [("Notice", 4)]
    assert report.skew == ((0.3, 4, 0),)


def test_reports_cover_every_route_that_is_known(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([end(route="search")])
        assert [each.route for each in store.report()] == [ROUTE, "search"]
        assert store.report("nobody") == ()


def test_the_report_is_json(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([mismatch(), end(1, outcome=Outcome.SHED, detail="queue")])
        document = json.loads(json.dumps(as_document(report_of(store)), allow_nan=False))
    for key in ("verdict", "reasons", "eligible", "outcomes", "causes", "to_go", "epoch"):
        assert key in document
    assert document["causes"][0].keys() >= {"paths", "cause", "severity", "count", "example"}


@pytest.mark.parametrize(
    ("table", "of_it"),
    [
        pytest.param("differences", "differences", id="differences"),
        pytest.param("noise", "noise", id="paths"),
        pytest.param("signatures", "signatures", id="signatures"),
        pytest.param("causes", "causes", id="causes"),
    ],
)
def test_a_full_table_makes_evidence_coarser_and_never_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, of_it: str
) -> None:
    monkeypatch.setitem(store_rows.MOST_ROWS, table, 3)
    with a_store(tmp_path) as store:
        store.settle(
            mismatch(
                n,
                path=f"$.f{n}",
                fingerprint=f"{n:016x}",
                signature=f"kind-{n}",
                severity=Severity.CRITICAL,
            )
            for n in range(1, 9)
        )
        report = report_of(store)
        db = sqlite3.connect(tmp_path / "evidence.sqlite")
        (rows,) = db.execute(f"SELECT count(*) FROM {of_it}").fetchone()
        db.close()
    assert rows <= 4
    assert report.rates[0].mismatches == 8
    assert report.coverage.unseen == 1.0
    assert sum(cause.count for cause in report.causes) == 8


def test_a_comparison_with_very_many_differences_still_counts(tmp_path: Path) -> None:
    many = tuple(
        PathDifference(path=f"$.f{n}", severity=Severity.MAJOR, mark=Mark.STABLE)
        for n in range(store_rows.MOST_PATHS + 1)
    )
    with a_store(tmp_path) as store:
        store.settle([replace(mismatch(), differences=many)])
        assert report_of(store).rates[1].mismatches == 1


def test_text_that_is_no_utf8_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    odd = "\ud800 lone"
    with a_store(tmp_path) as store:
        store.settle(
            [
                replace(
                    mismatch(path=f"$.{odd}", triple=replace(triple(b=True), new=frozenset({odd}))),
                    legacy_defects=(("Notice", odd),),
                    rules_used=(("rule:0", odd, 1),),
                )
            ]
        )
        report = report_of(store)
        assert store.error == ""
    assert report.outcomes["mismatch"] == 1


def test_two_stores_of_one_seed_choose_alike(tmp_path: Path) -> None:
    chosen = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with a_store(tmp_path / name, seed=9) as store:
            store.settle(mismatch(n) for n in range(200))
            chosen.append(report_of(store).causes[0].exemplars)
    assert chosen[0] == chosen[1]


def test_the_state_of_a_store_can_be_read_from_its_repr(tmp_path: Path) -> None:
    with a_store(tmp_path, clock=Clock()) as store:
        assert isinstance(store, EvidenceStore)
        assert store.flush()
        assert repr(store) == f"<EvidenceStore {tmp_path / 'evidence.sqlite'} [ok, 0 waiting]>"
