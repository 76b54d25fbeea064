"""Breaker, budget, lag and offers: what keeps the observer from doing too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.observer.breaker import (
    COOLDOWN,
    FAILURES,
    LONGEST_COOLDOWN,
    Breaker,
    BreakerState,
)
from proxy.observer.budget import Budget, Budgets
from proxy.observer.lag import LoopLag
from proxy.observer.offers import Offers

# Breaker.


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.admit(now)
        breaker.failed(now)
    return breaker


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(100):
        for _ in range(FAILURES - 1):
            breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert opened().state is BreakerState.OPEN


def test_an_open_breaker_admits_one_trial_after_its_cooldown() -> None:
    breaker = opened()
    assert not breaker.admit(COOLDOWN / 2)
    assert breaker.admit(COOLDOWN)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admit(COOLDOWN)


def test_a_trial_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.admit(COOLDOWN)
    breaker.succeeded()
    assert breaker.admit(COOLDOWN)
    assert breaker.state is BreakerState.CLOSED


def test_a_trial_that_fails_doubles_the_cooldown_up_to_a_limit() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(8):
        start = now
        while not breaker.admit(now):
            now += COOLDOWN / 4
        waits.append(now - start)
        breaker.failed(now)
    assert waits == sorted(waits)
    assert waits[:3] == [COOLDOWN, 2 * COOLDOWN, 4 * COOLDOWN]
    assert waits[-1] == LONGEST_COOLDOWN


def test_a_trial_that_was_given_up_may_be_made_again_at_once() -> None:
    breaker = opened()
    breaker.admit(COOLDOWN)
    breaker.abandoned(COOLDOWN)
    assert breaker.admit(COOLDOWN)


def test_what_was_under_way_when_it_opened_changes_nothing() -> None:
    breaker = opened()
    breaker.failed(COOLDOWN - 0.01)
    assert breaker.admit(COOLDOWN)


# Budget.


@given(
    rate=st.floats(0.1, 100),
    steps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200),
)
def test_a_budget_never_gives_more_than_its_rate_and_one_burst(
    rate: float, steps: list[float]
) -> None:
    budget = Budget(rate, 0.0)
    now, taken = 0.0, 0
    for step in steps:
        now += step
        taken += budget.take(now)
        assert taken <= max(1.0, rate) + rate * now + 1e-6


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        pytest.param(None, 1000, id="none_is_no_limit"),
        pytest.param(0.0, 0, id="0_is_nothing"),
        pytest.param(0.5, 1, id="less_than_one_a_second_gives_one"),
        pytest.param(20.0, 20, id="a_seconds_worth_at_once"),
    ],
)
def test_what_a_budget_gives_at_once(rate: float | None, expected: int) -> None:
    budget = Budget(rate, 0.0)
    assert sum(budget.take(0.0) for _ in range(1000)) == expected


def test_budgets_are_kept_by_name_and_begin_anew_with_another_rate() -> None:
    budgets = Budgets()
    assert budgets.take("a", 1.0, 0.0)
    assert not budgets.take("a", 1.0, 0.0)
    assert budgets.take("b", 1.0, 0.0)
    assert budgets.take("a", 2.0, 0.0)
    budgets.keep({"b"})
    assert budgets.take("a", 2.0, 0.0)


# Lag.


def test_one_late_turn_is_no_overload_and_several_are() -> None:
    lag = LoopLag()
    lag.note(0.2)
    assert lag.seconds < 0.05
    for _ in range(20):
        lag.note(0.2)
    assert lag.seconds > 0.15
    for _ in range(20):
        lag.note(-0.001)
    assert lag.seconds < 0.01


def test_a_process_that_was_stopped_is_not_behind_by_all_that_time() -> None:
    lag = LoopLag()
    lag.note(3600.0)
    assert lag.seconds <= 0.2


async def test_a_loop_that_is_kept_busy_is_late() -> None:
    lag = LoopLag()
    lag.start()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while lag.seconds < 0.02:
            end = loop.time() + 0.15
            while loop.time() < end:
                """Hold the loop."""
            await asyncio.sleep(0)
    lag.stop()


# Offers.


def always(value: float) -> Callable[[], float]:
    return lambda: value


def test_the_first_pairs_of_a_cause_are_all_offered() -> None:
    offers = Offers(always(0.999))
    assert all(offers.wanted("a", ["f"]) for _ in range(50))
    assert not offers.wanted("a", ["f"])
    assert offers.wanted("b", ["f"])


def test_a_pair_with_a_rare_cause_is_offered_whatever_else_it_shows() -> None:
    offers = Offers(always(0.999))
    for _ in range(1000):
        offers.wanted("a", ["common"])
    assert offers.wanted("a", ["common", "rare"])


def test_many_pairs_of_one_cause_cost_a_few_hundred_redactions() -> None:
    offers = Offers(Random(1).random)
    assert 50 <= sum(offers.wanted("a", ["f"]) for _ in range(100_000)) < 1000


def test_offers_remember_so_many_causes_and_no_more() -> None:
    offers = Offers(always(0.999))
    for number in range(20_000):
        offers.wanted("a", [str(number)])
    assert len(offers._seen) == 10_000
