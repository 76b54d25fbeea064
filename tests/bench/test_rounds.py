"""Rounds rotate, ratios are taken round by round, and time is shared out per request."""

from __future__ import annotations

import pytest

from bench.proc import TICKS_PER_SECOND
from bench.rounds import Round, gather, per_request, ratios, rotated
from bench.wrk import WrkReport


def test_every_turn_begins_with_another_proxy() -> None:
    turns = ["".join(rotated("ABC", turn)) for turn in range(4)]

    assert turns == ["ABC", "BCA", "CAB", "ABC"]


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


def a_turn(cpu: float, *, disturbed: float = 0.0) -> dict[str, Round]:
    report = WrkReport(requests=1, seconds=1.0, errors=0, latency={})
    return {
        name: Round(
            cpu_microseconds=cpu,
            busiest_microseconds=cpu,
            report=report,
            rss_kib=1,
            disturbed=disturbed if name == "nginx" else 0.0,
        )
        for name in ("figway", "nginx")
    }


def test_a_disturbed_round_puts_its_whole_turn_aside() -> None:
    turns = [a_turn(1), a_turn(99, disturbed=0.4), a_turn(2), a_turn(3)]

    measured = gather(("figway", "nginx"), turns)

    assert measured.values(lambda one: one.cpu_microseconds) == {
        "figway": [1, 2, 3],
        "nginx": [1, 2, 3],
    }
    assert measured.note() == "3 undisturbed turns; 1 were put aside."


def test_a_machine_that_is_never_quiet_shows_every_turn_and_says_so() -> None:
    turns = [a_turn(1), a_turn(99, disturbed=0.4), a_turn(98, disturbed=0.11)]

    measured = gather(("figway", "nginx"), turns)

    assert len(measured.rounds["figway"]) == 3
    assert "only 1 of 3 turns were undisturbed" in measured.note()
