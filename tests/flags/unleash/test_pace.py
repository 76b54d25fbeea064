"""The pauses between fetches, without waiting for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.unleash.pace import CLOSEST, HURRY_SECONDS, HURRY_STEPS, JITTER, Pace


def paused(pace: Pace, now: float, *, seen: int = 0, refused: bool = False) -> float:
    return pace.pause(now, seen=seen, refused=refused)


def test_in_peace_it_is_the_poll() -> None:
    pace = Pace(5.0, spread=lambda: 1.0)
    assert [paused(pace, now) for now in (0.0, 5.0, 10.0)] == [5.0, 5.0, 5.0]


def test_after_a_word_it_asks_some_times_at_once_and_is_calm_again() -> None:
    pace = Pace(5.0, spread=lambda: 1.0)
    pace.hurry(100.0)
    assert tuple(paused(pace, 100.0) for _ in HURRY_STEPS) == HURRY_STEPS
    assert paused(pace, 100.0) == 5.0


def test_for_a_revision_that_is_coming_it_asks_until_that_is_there() -> None:
    pace = Pace(5.0, spread=lambda: 1.0)
    pace.hurry(100.0, awaited=19)
    now, asked = 100.0, 0
    while now < 101.5:
        now += paused(pace, now, seen=18)
        asked += 1
    assert asked > len(HURRY_STEPS)
    assert paused(pace, now, seen=19) == 5.0


def test_what_never_comes_is_not_waited_for_in_a_hurry_for_ever() -> None:
    pace = Pace(5.0, spread=lambda: 1.0)
    pace.hurry(100.0, awaited=10**9)
    assert paused(pace, 100.0 + HURRY_SECONDS, seen=18) == 5.0
    # A later word is not haunted by it.
    pace.hurry(200.0)
    for _ in HURRY_STEPS:
        paused(pace, 200.0, seen=18)
    assert paused(pace, 200.0, seen=18) == 5.0


def test_refused_credentials_are_tried_less_often() -> None:
    pace = Pace(5.0, spread=lambda: 1.0)
    assert paused(pace, 0.0, refused=True) > 5.0


def test_a_flood_of_words_does_not_make_a_flood_of_fetches() -> None:
    pace = Pace(5.0)
    assert pace.rest(100.0, began=100.0) == pytest.approx(CLOSEST)
    assert pace.rest(100.0 + CLOSEST / 2, began=100.0) == pytest.approx(CLOSEST / 2)
    # The first word after a while is followed at once.
    assert pace.rest(100.1 + CLOSEST, began=100.0) == 0.0
    assert pace.rest(900.0, began=100.0) == 0.0


@given(st.floats(0.01, 3600))
def test_a_time_is_spread_by_a_fifth_at_most(seconds: float) -> None:
    drawn = Pace(5.0).spread(seconds)
    assert seconds * (1 - JITTER) * 0.999 <= drawn <= seconds * (1 + JITTER) * 1.001
