"""The server's clock as this replica knows it."""

from __future__ import annotations

import time

import pytest

from flags.redis.watch import StoreClock

HOUR_US = 3_600_000_000


def sample(clock: StoreClock, ahead_us: int, round_trip: float = 0.001, at: float = 0.0) -> None:
    """One answer of a server whose clock is that much ahead of our monotonic one."""
    asked = time.monotonic() + at
    answered = asked + round_trip
    there = int((asked + answered) / 2 * 1_000_000) + ahead_us
    clock.sample(there // 1_000_000, there % 1_000_000, asked, answered)


def ahead(clock: StoreClock) -> int:
    return clock.now_us() - time.monotonic_ns() // 1000


def test_before_the_server_was_heard_it_is_our_own_time() -> None:
    before = time.time_ns() // 1000
    assert before <= StoreClock().now_us() <= time.time_ns() // 1000


def test_it_is_the_servers_however_far_off_that_is() -> None:
    clock = StoreClock()
    sample(clock, 5 * HOUR_US)
    assert ahead(clock) == pytest.approx(5 * HOUR_US, abs=20_000)


def test_a_slow_answer_does_not_spoil_a_quick_one() -> None:
    clock = StoreClock()
    sample(clock, HOUR_US, 0.001)
    # Asked and answered at the server's leisure: half a second off, and it does not know better.
    sample(clock, HOUR_US + 400_000, 1.0)
    assert ahead(clock) == pytest.approx(HOUR_US, abs=20_000)
    sample(clock, HOUR_US + 400_000, 1.0, at=60.0)
    assert ahead(clock) == pytest.approx(HOUR_US + 400_000, abs=20_000)


@pytest.mark.parametrize("step", [-HOUR_US, HOUR_US, 1_000_000])
def test_a_clock_that_was_set_is_believed_at_once(step: int) -> None:
    clock = StoreClock()
    sample(clock, 0, 0.001)
    sample(clock, step, 0.01)
    assert ahead(clock) == pytest.approx(step, abs=20_000)


def test_another_server_is_believed_at_its_first_answer() -> None:
    clock = StoreClock()
    sample(clock, 0, 0.001)
    clock.forget()
    sample(clock, 3_000, 0.5)
    assert ahead(clock) == pytest.approx(3_000, abs=2_000)
