"""The gate row: its boundaries are the gate's own, and what it counts is what happened."""

from __future__ import annotations

from random import Random

import pytest

from bench.rows.gate import (
    CONFIDENCE,
    LIMIT,
    Course,
    RateFigures,
    compare_with_verdict,
    describe_gate,
    exact_false_go,
    first_daily,
    follow,
    go_from,
    mismatch_moments,
    no_go_up_to,
    one_look,
    simulate,
)
from proxy.evidence.eprocess import log_e_go, log_e_no_go, threshold


@pytest.mark.parametrize("k", [0, 1, 5, 40])
def test_the_boundaries_are_where_the_e_processes_cross(k: int) -> None:
    bar = threshold(CONFIDENCE)
    assert log_e_go(go_from(k), k, LIMIT) >= bar > log_e_go(go_from(k) - 1, k, LIMIT)
    last = no_go_up_to(k)
    assert log_e_no_go(last + 1, k, LIMIT) < bar
    assert last < k or log_e_no_go(last, k, LIMIT) >= bar


@pytest.mark.parametrize(
    ("k", "times_limit"), [(0, 3.00), (1, 4.74), (2, 6.30), (3, 7.75), (4, 9.15), (5, 10.51)]
)
def test_the_uncorrected_rule_is_the_textbook_one(k: int, times_limit: float) -> None:
    assert one_look(k) * LIMIT == pytest.approx(times_limit, abs=0.005)


def test_a_route_is_followed_by_its_mismatches() -> None:
    assert follow([], 10_000) == Course(go=3236, no_go=None, daily_go=4000)
    # One early mismatch puts GO off; one a moment before GO does too.
    assert follow([10], 10_000).go == go_from(1)
    assert follow([3235], 10_000).go == go_from(1)
    assert follow([3237], 10_000).go == 3236
    # Two at the very beginning refute the limit.
    assert follow([1, 2], 100) == Course(go=None, no_go=2, daily_go=None)


def test_a_daily_look_misses_a_go_between_two_looks() -> None:
    # GO would be said from 3,236 to 3,499; the looks are at 3,000 and 4,000.
    assert follow([3500], 5000) == Course(go=3236, no_go=None, daily_go=None)
    assert first_daily([3500], go_from, 7000) == 7000


def test_every_look_agrees_with_verdict_itself() -> None:
    looks, wrong = compare_with_verdict(4, Random(1))
    assert looks == 240
    assert wrong == 0


def test_mismatches_come_at_the_given_rate() -> None:
    found = list(mismatch_moments(0.01, 200_000, Random(4)))
    assert found == sorted(set(found))
    assert len(found) == pytest.approx(2000, rel=0.07)
    assert list(mismatch_moments(0.0, 1000, Random(4))) == []
    assert list(mismatch_moments(1.0, 3, Random(4))) == [1, 2, 3]


def test_the_exact_chance_of_a_false_go_keeps_the_promise() -> None:
    """Hand-checked beginning: no mismatch among the first 3,236 is the only way to a GO by then."""
    assert exact_false_go(3236) == pytest.approx((1 - LIMIT) ** 3236)
    assert exact_false_go(3236) < exact_false_go(20_000) < exact_false_go(60_000) <= 0.05


def test_simulated_routes_at_the_limit_agree_with_the_exact_chance() -> None:
    figures = simulate(1.0, 1000, Random(20261122), horizon=20_000)
    exact = exact_false_go(20_000)
    # Three standard errors of 1,000 routes; the seed is fixed.
    assert abs(figures.share("go") - exact) <= 3 * (exact * (1 - exact) / 1000) ** 0.5
    assert figures.share("daily_go") <= figures.share("go") <= figures.naive_go / 1000 + 0.05


def rate(multiple: float, *, go: int, no_go: int, daily: int = 0, naive: int = 0) -> RateFigures:
    """100 routes of which so many were judged so, each after 5,000 comparisons."""
    return RateFigures(
        rate=multiple,
        courses=tuple(
            Course(
                go=5000 if number < go else None,
                no_go=5000 if number < no_go else None,
                daily_go=5000 if number < daily else None,
            )
            for number in range(100)
        ),
        naive_go=naive,
    )


def test_the_row_shows_shares_and_moments_and_meets_its_targets() -> None:
    row = describe_gate(
        [
            rate(0.0, go=100, no_go=0, daily=100, naive=100),
            rate(1.0, go=5, no_go=3, daily=2, naive=21),
            rate(10.0, go=0, no_go=60),
        ],
        exact=0.0499,
        looks=10,
        disagreements=0,
    )
    assert all(target.met for target in row.targets)
    assert row.lines[1][:5] == ("1 x limit", "5.00%", "2.00%", "21.00%", "3.00%")
    assert row.lines[2][5:] == ("-", "-", "5,000", "-")


def test_a_gate_that_is_wrong_too_often_misses_its_targets() -> None:
    row = describe_gate(
        [rate(1.0, go=30, no_go=9, daily=8), rate(2.0, go=6, no_go=90)],
        exact=0.06,
        looks=10,
        disagreements=1,
    )
    assert [target.met for target in row.targets] == [False] * 6
