"""Each row turns what was measured into figures, targets and a table that agree with each other."""

from __future__ import annotations

import pytest

from bench.open_loop import OpenLoopReport
from bench.rounds import Measured, Round
from bench.rows.cost import describe_cost
from bench.rows.flip import Answer, Flip, describe_flips
from bench.rows.latency import describe_latency
from bench.rows.shadow_cost import COPYING, PLAIN, describe_shadow_cost
from bench.rows.shadow_faults import (
    APART,
    LATER,
    TOGETHER,
    describe_shadow_faults,
)
from bench.suffered import Suffered, Turn, median_interval
from bench.wrk import WrkReport

MILLISECOND = 1_000_000


def a_round(
    cpu: float,
    *,
    errors: int = 0,
    busiest: float | None = None,
    beside: float = 0.0,
    p99: float = 0.004,
) -> Round:
    return Round(
        cpu_microseconds=cpu,
        busiest_microseconds=cpu if busiest is None else busiest,
        report=WrkReport(
            requests=1000, seconds=2.0, errors=errors, latency={50.0: 0.001, 99.0: p99}
        ),
        rss_kib=24 * 1024,
        beside_microseconds=beside,
        beside_kib=48 * 1024 if beside else 0,
    )


def measured(**rounds: list[Round]) -> Measured:
    (turns,) = {len(each) for each in rounds.values()}
    return Measured(rounds=rounds, turns=turns, calm_turns=turns)


def a_flip(*, took: int, last: int, afterwards: int = 0) -> Flip:
    """A rollback called at 1 s; times in milliseconds after the call."""
    called = 1000 * MILLISECOND
    return Flip(
        called=called,
        returned=called + took * MILLISECOND,
        last_arrival=called + last * MILLISECOND,
        arrivals_afterwards=afterwards,
        asked_afterwards_and_answered_by_new=afterwards,
    )


def test_cost_compares_figway_with_nginx_and_envoy_round_by_round() -> None:
    row = describe_cost(
        measured(
            nginx=[a_round(20), a_round(40), a_round(20)],
            envoy=[a_round(60), a_round(120), a_round(60)],
            figway=[a_round(30, busiest=29), a_round(60), a_round(31)],
        )
    )

    to_envoy, to_nginx, errors = row.targets
    assert (to_envoy.value, to_nginx.value, errors.value) == (0.5, 1.5, 0)
    assert all(target.met for target in row.targets)
    assert row.lines[-1][:5] == ("figway", "31.0 µs", "30.0 - 60.0 µs", "1.50", "0.50")


def test_cost_misses_its_target_when_a_request_failed() -> None:
    row = describe_cost(
        measured(
            nginx=[a_round(20)],
            envoy=[a_round(60)],
            figway=[a_round(30, errors=1)],
        )
    )

    assert [target.met for target in row.targets] == [True, True, False]


def test_latency_shows_median_and_tail_in_milliseconds() -> None:
    row = describe_latency(measured(nginx=[a_round(20)], figway=[a_round(30)]))

    assert row.lines[1] == ("figway", "1.00 ms", "4.00 ms", "4.00 - 4.00 ms", "500")


def test_a_clean_flip_meets_every_target() -> None:
    row = describe_flips(
        [Answer(sent=0, side=b"new", status=200), Answer(sent=1, side=b"legacy", status=200)],
        {
            "figway rollback --all": [a_flip(took=180, last=120)],
            "admin API": [a_flip(took=4, last=2), a_flip(took=6, last=3)],
        },
    )

    assert all(target.met for target in row.targets)
    assert row.lines[1] == ("admin API", "2", "5.0 ms", "6.0 ms", "2.5 ms", "3.0 ms", "0")


def test_a_late_arrival_or_a_failed_request_misses_a_target() -> None:
    row = describe_flips(
        [Answer(sent=0, side=b"", status=0)],
        {
            "figway rollback --all": [a_flip(took=180, last=120)],
            "admin API": [a_flip(took=4, last=9, afterwards=1)],
        },
    )

    assert [target.met for target in row.targets] == [False, False, False, True]


def test_a_new_side_that_got_nothing_since_the_call_counts_as_at_once() -> None:
    assert a_flip(took=4, last=-300).last_new == 0.0


def test_shadow_cost_compares_the_worker_with_both_mirrors_and_with_itself() -> None:
    rounds = {
        "nginx mirror": [a_round(70), a_round(140)],
        "envoy mirror": [a_round(100), a_round(200)],
        PLAIN: [a_round(30), a_round(60)],
        COPYING: [a_round(35, beside=90), a_round(70, beside=180)],
    }

    row = describe_shadow_cost(measured(**rounds), {"match": 900, "shed": 100})

    to_nginx, to_envoy, errors = row.targets
    assert (to_nginx.value, to_envoy.value, errors.value) == (0.5, 0.35, 0)
    assert row.lines[-1][0] == COPYING
    assert row.lines[-1][3:6] == ("0.50", "0.35", "135.0 µs")
    assert row.lines[0][5] == "-"
    assert row.figures["ratio_to_no_shadow"] == 35 / 30
    assert any("of 1,000 copies match 900, shed 100" in note for note in row.notes)


def test_shadow_cost_misses_its_target_when_a_mirror_is_cheaper() -> None:
    rounds = {
        "nginx mirror": [a_round(30)],
        "envoy mirror": [a_round(100)],
        PLAIN: [a_round(30)],
        COPYING: [a_round(35, errors=1)],
    }

    row = describe_shadow_cost(measured(**rounds), {})

    assert [target.met for target in row.targets] == [False, True, False]


def a_turn(p99: float, *, errors: int = 0, beside: int = 0, waited: float = 5.0) -> Turn:
    # Ninety-nine of a hundred are at most the 99th percentile.
    latencies = (p99 / 4,) * 98 + (p99, 10 * p99)
    return Turn(
        report=OpenLoopReport(latencies=latencies, errors=errors, late=0.0001),
        ran=30.0,
        waited=waited,
        rss_kib=24 * 1024,
        beside_kib=beside * 1024,
        disturbed=0.0,
    )


def suffered(proxy: str, condition: str, *, alone: float, shadowed: float) -> Suffered:
    return Suffered(
        proxy=proxy,
        condition=condition,
        # The machine slows down meanwhile: that hits both of a pair.
        alone=[a_turn(alone), a_turn(2 * alone), a_turn(3 * alone)],
        shadowed=[
            a_turn(shadowed, beside=48),
            a_turn(2 * shadowed, beside=40, waited=7),
            a_turn(3 * shadowed, beside=40, errors=2 if proxy.endswith("mirror") else 0),
        ],
    )


def test_shadow_faults_judges_figway_by_its_worst_condition_in_each_place() -> None:
    row = describe_shadow_faults(
        [
            suffered(APART, "healthy", alone=0.004, shadowed=0.004),
            suffered(APART, "hung", alone=0.004, shadowed=0.005),
            suffered(LATER, "healthy", alone=0.004, shadowed=0.0041),
            suffered(TOGETHER, "healthy", alone=0.004, shadowed=0.006),
            suffered(TOGETHER, "hung", alone=0.004, shadowed=0.004),
            suffered("envoy mirror", "hung", alone=0.004, shadowed=0.400),
        ],
        ahead=True,
        strange=[OpenLoopReport(latencies=(0.001,) * 1100, errors=1, late=0.0)] * 2,
    )

    worst, later, together, memory, errors = row.targets
    assert worst.what.endswith("(hung)")
    assert worst.value == 1.25
    assert not worst.met
    assert later.what.endswith("5 ms (healthy, +0.20 ms)")
    assert (round(later.value, 3), later.met) == (1.025, True)
    assert together.what.endswith("(healthy)")
    assert together.value == 1.5
    assert (memory.value, memory.met, errors.value) == (72, True, 0)
    assert any("2,000 times a second (2 failed)" in note for note in row.notes)
    assert row.lines[5] == (
        *("hung", "envoy mirror", "12.00 ms", "1200.00 ms", "100.00 (100.00 - 100.00)"),
        *("100.00, 100.00", "30 us", "30 us", "5 us", "5 us", "24 MB", "48 MB", "2"),
    )


def test_shadow_faults_says_when_the_load_had_to_wait_too() -> None:
    given = [suffered(name, "hung", alone=1, shadowed=1) for name in (APART, LATER, TOGETHER)]
    strange = [OpenLoopReport(latencies=(0.001,), errors=0, late=0.0)]
    assert any(
        note.startswith("Others had 0% of")
        for note in describe_shadow_faults(given, ahead=True, strange=strange).notes
    )
    assert (
        "could not be put before"
        in describe_shadow_faults(given, ahead=False, strange=strange).notes[-1]
    )
    assert "could not" not in describe_shadow_faults(given, ahead=True, strange=strange).notes[-1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([3.0], (3.0, 3.0), id="one"),
        # Fewer than six say nothing at 95 %: then it is all of them.
        pytest.param([1.0, 5.0, 2.0, 4.0, 3.0], (1.0, 5.0), id="five"),
        # The ranks that tables of the sign test give: 2nd to 9th of 10, 6th to 15th of 20.
        pytest.param([float(n) for n in range(1, 11)], (2.0, 9.0), id="ten"),
        pytest.param([float(n) for n in range(1, 21)], (6.0, 15.0), id="twenty"),
    ],
)
def test_the_interval_of_a_median_is_that_of_the_sign_test(
    values: list[float], expected: tuple[float, float]
) -> None:
    assert median_interval(values) == expected
