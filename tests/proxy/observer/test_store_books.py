"""The books: eligible = outcomes + pending, over every way in which processes come and go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.evidence.outcome import Outcome
from proxy.observer.store import EvidenceStore
from tests.proxy.observer.evidence_rig import (
    BOOT,
    ROUTE,
    a_store,
    balanced,
    end,
    ledger,
    report_of,
)

HERE = (BOOT, ROUTE)


def test_what_the_worker_ended_itself_is_counted_once_however_often_it_is_told(
    tmp_path: Path,
) -> None:
    with a_store(tmp_path) as store:
        for queue in (2, 2, 5):
            own = ((Outcome.SHED, "queue", queue), (Outcome.ABORTED, "client_left", 1))
            store.enter([ledger(20, own=own)], {HERE: 20 - queue - 1})
        report = report_of(store)
    assert report.outcome_details == {"shed": {"queue": 5}, "aborted": {"client_left": 1}}
    assert (report.eligible, report.pending, report.unaccounted) == (20, 14, 0)
    assert balanced(report)


def test_requests_that_are_not_eligible_are_counted_by_reason(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        for times in (1, 3):
            store.enter(
                [ledger(0, ineligible=(("method", times), ("range", 1)), unsampled=10 * times)], {}
            )
        store.enter([ledger(0, boot="boot-2", ineligible=(("method", 4),), unsampled=5)], {})
        report = report_of(store)
    assert report.ineligible == {"method": 7, "range": 1}
    assert report.unsampled == 35


def test_a_request_that_vanishes_is_unaccounted_for(tmp_path: Path) -> None:
    """The test that the metric can be something else than 0."""
    with a_store(tmp_path) as store:
        store.enter([ledger(5)], {HERE: 5})
        store.settle(end(n) for n in range(4))
        # The observer has one of them no more, and never settled it.
        store.enter([ledger(5)], {HERE: 0})
        report = report_of(store)
        assert [each.unaccounted for each in store.balances()] == [1]
    assert (report.eligible, report.pending, report.unaccounted) == (5, 0, 1)
    assert any("the books do not balance: +1" in each for each in report.reasons)


def test_a_request_that_ends_twice_is_unaccounted_for(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.enter([ledger(1)], {HERE: 1})
        store.settle([end(1), end(1)])
        store.enter([ledger(1)], {})
        assert store.flush()
        assert [each.unaccounted for each in store.balances()] == [-1]


def test_what_is_on_its_way_is_pending(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(end(n) for n in range(3))
        store.enter([ledger(10, in_worker=2)], {HERE: 5})
        report = report_of(store)
    assert (report.eligible, report.pending, report.unaccounted) == (10, 7, 0)


def test_ends_beyond_the_last_ledger_balance_too(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.enter([ledger(2)], {HERE: 2})
        store.settle(end(n) for n in range(6))
        report = report_of(store)
    assert (report.eligible, report.pending, report.unaccounted) == (6, 0, 0)


def test_what_an_earlier_observer_had_in_hand_is_settled_as_lost(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(end(n) for n in range(6))
        store.enter([ledger(10)], {HERE: 4})
    with a_store(tmp_path) as store:
        # Two came over the new connection before its first ledger.
        store.enter([ledger(15, in_worker=1)], {HERE: 2}, recover=True)
        report = report_of(store)
        assert report.outcome_details == {"shed": {"observer_lost": 6}}
        assert (report.eligible, report.pending, report.unaccounted) == (15, 3, 0)
        store.settle(end(50 + n) for n in range(3))
        store.enter([ledger(15)], {})
        report = report_of(store)
    assert (report.eligible, report.pending, report.unaccounted) == (15, 0, 0)
    assert balanced(report)


def test_what_a_worker_that_died_had_in_hand_is_aborted(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([end(1)])
        store.enter([ledger(10, in_worker=3)], {HERE: 6})
        # It handed over two more before it died; one waits still.
        store.settle(end(10 + n) for n in range(7))
        store.end_boot(BOOT, {HERE: 1})
        report = report_of(store)
        assert report.outcome_details == {"aborted": {"worker_lost": 1}}
        assert (report.eligible, report.pending) == (10, 1)
        store.settle([end(99)])
        report = report_of(store)
        assert store.balances() == ()
    assert (report.eligible, report.pending, report.unaccounted) == (10, 0, 0)
    assert balanced(report)


def test_a_worker_that_was_only_cut_off_goes_on_in_its_books(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle(end(n) for n in range(5))
        store.enter([ledger(5)], {})
        store.end_boot(BOOT, {})
        store.enter([ledger(9)], {HERE: 1}, recover=True)
        report = report_of(store)
    assert report.outcome_details == {"shed": {"observer_lost": 3}}
    assert (report.eligible, report.pending, report.unaccounted) == (9, 1, 0)


def test_the_books_of_a_boot_that_nobody_knows_begin_with_what_is_missing(tmp_path: Path) -> None:
    """As after the database was set aside: what was settled in it is lost, not unaccounted for."""
    with a_store(tmp_path) as store:
        store.enter([ledger(100)], {HERE: 1})
        report = report_of(store)
    assert report.outcome_details == {"shed": {"observer_lost": 99}}
    assert (report.eligible, report.pending, report.unaccounted) == (100, 1, 0)


# A worker and an observer, told as what happens to one request after the other.
STEPS = st.lists(
    st.sampled_from(
        ["begin", "shed", "hand_over", "settle", "ledger", "worker_dies", "observer_dies"]
    ),
    max_size=60,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_the_books_balance_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("books")
    boots = 1
    total = eligible = in_worker = waiting = own = 0
    fresh = True

    def tell(store: EvidenceStore) -> None:
        row = ledger(
            eligible,
            boot=f"boot-{boots}",
            own=((Outcome.SHED, "queue", own),),
            in_worker=in_worker,
        )
        store.enter([row], {(f"boot-{boots}", ROUTE): waiting}, recover=fresh)

    steps = [*steps, "ledger"]
    while steps:
        with a_store(folder) as store:
            while steps:
                step = steps.pop(0)
                if step == "begin":
                    total, eligible, in_worker = total + 1, eligible + 1, in_worker + 1
                elif step == "shed" and in_worker:
                    in_worker, own = in_worker - 1, own + 1
                elif step == "hand_over" and in_worker:
                    in_worker, waiting = in_worker - 1, waiting + 1
                elif step == "settle" and waiting:
                    waiting -= 1
                    store.settle([end(boot=f"boot-{boots}")])
                elif step == "ledger":
                    tell(store)
                    fresh = False
                elif step == "worker_dies":
                    # Its last word, as from a worker that ends in order; then its connection ends.
                    tell(store)
                    store.end_boot(f"boot-{boots}", {(f"boot-{boots}", ROUTE): waiting})
                    for _ in range(waiting):
                        store.settle([end(boot=f"boot-{boots}")])
                    boots += 1
                    eligible = in_worker = waiting = own = 0
                    fresh = True
                elif step == "observer_dies":
                    waiting, fresh = 0, True
                    break
            reports = store.report(ROUTE)
    (report,) = reports
    assert report.unaccounted == 0
    assert report.eligible == total
    assert report.pending == in_worker + waiting
    assert balanced(report)


CHILD = """
import sys
from pathlib import Path
from tests.proxy.observer.evidence_rig import Clock, BOOT, ROUTE, end, ledger, mismatch, open_store

store = open_store(Path(sys.argv[1]))
number = 0
while True:
    store.settle([end(number + n) for n in range(7)] + [mismatch(number + n) for n in range(7, 10)])
    number += 10
    store.enter([ledger(number)], {(BOOT, ROUTE): 0})
    if number % 50 == 0:
        store.flush()
        print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 3, 8])
def test_a_writer_killed_at_any_moment_leaves_whole_batches_and_open_books(
    tmp_path: Path, after: int
) -> None:
    path = tmp_path / "evidence.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        flushed = [int(child.stdout.readline()) for _ in range(after)][-1]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    with a_store(tmp_path) as store:
        report = report_of(store)
        settled = sum(report.outcomes.values())
        assert settled >= flushed
        # A batch is written whole or not at all.
        assert settled % 10 == 0
        assert report.outcomes["match"] * 3 == report.outcomes["mismatch"] * 7
        assert report.compared == settled
        assert sum(cause.count for cause in report.causes) == report.outcomes["mismatch"]
        # The worker lives on: what was handed over and not written is lost, and balances.
        store.enter([ledger(settled + 25)], {}, recover=True)
        report = report_of(store)
        assert report.outcome_details["shed"] == {"observer_lost": 25}
        assert (report.eligible, report.pending, report.unaccounted) == (settled + 25, 0, 0)
        assert balanced(report)


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda store: store.settle([]), id="an empty batch"),
        pytest.param(lambda store: store.enter([], {}), id="an empty ledger"),
        pytest.param(lambda store: store.end_boot("nobody", {}), id="a boot nobody knows"),
    ],
)
def test_what_says_nothing_changes_nothing(
    tmp_path: Path, disturb: Callable[[EvidenceStore], None]
) -> None:
    with a_store(tmp_path) as store:
        store.settle([end()])
        disturb(store)
        report = report_of(store)
        assert store.error == ""
    assert (report.eligible, report.unaccounted) == (1, 0)
