"""Rounds rotate, ratios are taken round by round, and time is shared out per request."""

from __future__ import annotations

import pytest

from bench.proc import TICKS_PER_SECOND
from bench.rounds import per_request, ratios, rotated


def test_every_round_begins_with_another_proxy() -> None:
    assert "".join(rotated("ABC", 4)) == "ABCBCACABABC"


def test_ratios_compare_the_same_round_because_noise_hits_both() -> None:
    # The machine was three times slower in the second round; the ratio does not know.
    measured = {"figway": [30.0, 90.0, 33.0], "nginx": [20.0, 60.0, 20.0]}

    spread = ratios(measured, "figway", "nginx")

    assert (spread.median, spread.low) == (1.5, 1.5)
    assert spread.high == pytest.approx(1.65)


def test_ratios_refuse_rounds_that_do_not_pair_up() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios({"figway": [1.0], "nginx": [1.0, 2.0]}, "figway", "nginx")


def test_cpu_per_request_is_in_microseconds() -> None:
    assert per_request(3 * TICKS_PER_SECOND, 100_000) == pytest.approx(30.0)


def test_a_round_without_requests_does_not_divide_by_zero() -> None:
    assert per_request(TICKS_PER_SECOND, 0) == pytest.approx(1e6)
