"""How often somebody may call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.admin.rate import Limiter, Rate

RATE = Rate(per_second=2, burst=3)


def test_a_full_bucket_serves_its_burst_and_then_says_how_long_to_wait() -> None:
    limiter = Limiter()
    assert [limiter.take("ann", RATE, 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    # Whoever waits as told is served; whoever asks in vain loses nothing.
    assert limiter.take("ann", RATE, 0.25) == 0.25
    assert limiter.take("ann", RATE, 0.5) == 0.0


def test_nobody_is_held_up_by_another() -> None:
    limiter = Limiter()
    while not limiter.take("ann", RATE, 0.0):
        pass
    assert limiter.take("bob", RATE, 0.0) == 0.0
    assert limiter.take(("ann", "rollback"), RATE, 0.0) == 0.0


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60))
def test_never_more_than_the_burst_and_what_time_has_given(gaps: list[float]) -> None:
    limiter, now, taken = Limiter(), 0.0, 0
    for gap in gaps:
        now += gap
        taken += not limiter.take("ann", RATE, now)
    assert taken <= RATE.burst + now * RATE.per_second + 1e-6


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60))
def test_whoever_waits_as_long_as_told_is_served(gaps: list[float]) -> None:
    limiter, now = Limiter(), 0.0
    for gap in gaps:
        now += gap
        if waits := limiter.take("ann", RATE, now):
            now += waits + 1e-9
            assert limiter.take("ann", RATE, now) == 0.0


def test_a_clock_that_steps_back_gives_nothing() -> None:
    limiter = Limiter()
    while not limiter.take("ann", RATE, 100.0):
        pass
    assert limiter.take("ann", RATE, 0.0) > 0


def test_callers_are_forgotten_before_they_fill_the_memory() -> None:
    limiter = Limiter(callers=10)
    for number in range(1000):
        limiter.take(number, RATE, 0.0)
    assert len(limiter._left) == 10
