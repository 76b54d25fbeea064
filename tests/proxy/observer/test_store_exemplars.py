"""Exemplars: kept whole, a fair sample of each cause, and the first to go."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from proxy.evidence.outcome import Outcome
from proxy.observer import store as store_module
from proxy.observer.store import EvidenceStore
from proxy.observer.store_retention import used_bytes
from proxy.observer.store_schema import open_for_reading
from proxy.shadow_policy import ExemplarStore, ObserverPolicy
from tests.proxy.observer.evidence_rig import (
    BEGIN,
    EPOCH,
    FINGERPRINT,
    NEXT_EPOCH,
    ROUTE,
    Clock,
    a_store,
    balanced,
    end,
    exemplar,
    ledger,
    mismatch,
    report_of,
)

OTHER = "cd" * 8


def test_an_exemplar_comes_back_as_it_was(tmp_path: Path) -> None:
    given = mismatch(7, at=BEGIN + 5)
    with a_store(tmp_path) as store:
        store.settle([given])
        stored = store.exemplar(given.id)
        assert store.exemplars(ROUTE) == (stored,)
        assert store.exemplars(ROUTE, FINGERPRINT) == (stored,)
        assert store.exemplars(ROUTE, OTHER) == ()
    assert stored is not None
    assert stored.exemplar == given.exemplar
    assert (stored.route, stored.epoch_id, stored.at) == (ROUTE, EPOCH.id, BEGIN + 5)
    assert (stored.outcome, stored.detail) == ("mismatch", "major")
    assert stored.fingerprints == (FINGERPRINT,)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("aa01", "aa01", id="the whole id"),
        pytest.param("aa0", None, id="ambiguous"),
        pytest.param("b", "bb", id="an unambiguous beginning"),
        pytest.param("bb", "bb", id="one id that others begin with"),
        pytest.param("zz", None, id="unknown"),
        pytest.param("", None, id="nothing"),
        pytest.param("%", None, id="no pattern"),
    ],
)
def test_an_exemplar_is_found_by_its_id_or_the_beginning_of_it(
    tmp_path: Path, asked: str, found: str | None
) -> None:
    with a_store(tmp_path) as store:
        store.settle(
            dataclasses.replace(mismatch(), id=id, exemplar=exemplar(id))
            for id in ("aa01", "aa02", "bb")
        )
        stored = store.exemplar(asked)
    assert (stored.exemplar.id if stored else None) == found


def test_every_comparison_of_a_cause_is_as_likely_to_be_shown(tmp_path: Path) -> None:
    """Reservoirs of 5 out of 50, 60 times over: each tenth is chosen about as often."""
    chosen: Counter[int] = Counter()
    with a_store(tmp_path) as store:
        for round_ in range(60):
            store.settle(
                mismatch(1000 * round_ + n, fingerprint=f"{round_:016x}") for n in range(50)
            )
            (cause,) = [
                each for each in report_of(store).causes if each.fingerprint == f"{round_:016x}"
            ]
            assert len(set(cause.exemplars)) == 5
            chosen.update(int(id, 16) % 1000 // 5 for id in cause.exemplars)
    # 300 in ten classes: 30 each, give or take 5.2; the seed is fixed.
    assert all(14 <= chosen[tenth] <= 46 for tenth in range(10)), chosen


def test_an_exemplar_of_two_causes_lives_as_long_as_one_of_them_shows_it(tmp_path: Path) -> None:
    policy = ObserverPolicy(exemplars_per_fingerprint=1)
    both = mismatch(1)
    (cause,) = both.causes
    both = dataclasses.replace(both, causes=(cause, dataclasses.replace(cause, fingerprint=OTHER)))
    with a_store(tmp_path, policy=policy) as store:
        store.settle([both])
        store.settle(mismatch(10 + n) for n in range(60))
        stored = store.exemplar(both.id)
        # Replaced where many came, still there where none did.
        assert stored is not None
        assert stored.fingerprints == (OTHER,)
        assert len(store.exemplars(ROUTE)) == 2


def test_what_has_no_cause_is_kept_by_its_outcome(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(
            end(n, outcome=Outcome.SHADOW_TIMEOUT, detail="total", exemplar=exemplar(f"{n:032x}"))
            for n in range(9)
        )
        assert len(store.exemplars(ROUTE, "shadow_timeout:total")) == 5


@pytest.mark.parametrize(
    "policy",
    [
        ObserverPolicy(exemplars=ExemplarStore.OFF),
        ObserverPolicy(exemplars_per_fingerprint=0),
    ],
    ids=["off", "none per cause"],
)
def test_no_exemplar_is_written_where_none_is_wanted(
    tmp_path: Path, policy: ObserverPolicy
) -> None:
    with a_store(tmp_path, policy=policy) as store:
        store.settle([mismatch(1)])
        assert store.exemplars(ROUTE) == ()
        assert report_of(store).causes[0].count == 1


def test_old_exemplars_and_ended_epochs_go_and_the_books_still_balance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAINTENANCE_SECONDS", 0.01)
    clock = Clock()
    policy = ObserverPolicy(ttl=1000.0)
    with a_store(tmp_path, policy=policy, clock=clock) as store:
        store.enter([ledger(40)], {("boot-1", ROUTE): 40})
        store.settle(mismatch(n) for n in range(10))
        store.settle(mismatch(50 + n, epoch=NEXT_EPOCH) for n in range(10))
        assert len(store.exemplars(ROUTE)) == 5
        clock.now += 2000
        assert any(not gone(store) for _ in range(500))
        report = report_of(store)
        assert report.causes[0].count == 10, "counters stay"
        assert report.causes[0].exemplars == ()
        assert report.earlier_epochs == ()
    assert (report.eligible, report.pending) == (30, 20)
    assert balanced(report)


def gone(store: EvidenceStore) -> bool:
    store.flush()
    return bool(store.exemplars(ROUTE) or report_of(store).earlier_epochs)


def test_a_full_store_gives_up_its_oldest_exemplars_and_goes_on_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAINTENANCE_SECONDS", 0.01)
    limit = 1024 * 1024
    policy = ObserverPolicy(max_store=limit, exemplars_per_fingerprint=50)
    path = tmp_path / "evidence.sqlite"
    with a_store(tmp_path, policy=policy) as store:
        for batch in range(40):
            store.settle(
                dataclasses.replace(
                    mismatch(batch * 100 + n, fingerprint=f"{batch:016x}", at=BEGIN + batch),
                    exemplar=exemplar(f"{batch * 100 + n:032x}", size=4000),
                )
                for n in range(20)
            )
            assert store.flush()
        for _ in range(200):
            store.flush()
            db = open_for_reading(path)
            used = used_bytes(db)
            db.close()
            if used <= limit:
                break
        report = report_of(store)
        kept = store.exemplars(ROUTE)
        assert store.error == ""
    assert used <= limit
    assert report.outcomes["mismatch"] == 800
    assert sum(cause.count for cause in report.causes) == 800
    assert kept, "the newest are still there"
    assert min(each.at for each in kept) > BEGIN, "the oldest are not"
