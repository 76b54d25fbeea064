"""The detection row: draws are what they say, and both rules see the same ones."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from bench.rows.detection import (
    NOISE,
    TOKEN,
    Blame,
    Case,
    Draw,
    Fault,
    Field,
    accepts_tokens_only,
    counts_of,
    describe_detection,
    diffy_blames,
    draw_chances,
    draw_field,
    figway_blames,
    simulate_case,
    token_shape,
    under_rule,
)
from proxy.evidence.noise import PathCounts
from proxy.evidence.proposal import PairShape, shape_of_pair

EQUAL = Draw(new=False, again=False, again_new=False, fault=False)
WRONG = Draw(new=True, again=False, again_new=True, fault=True)
UNSTABLE = Draw(new=True, again=True, again_new=True, fault=False)


def field(draws: dict[Draw, int], sampled: dict[Draw, int] | None = None) -> Field:
    return Field(
        faulty=any(draw.fault for draw in draws),
        noisy=any(draw.again for draw in draws),
        draws=draws,
        sampled=sampled or {},
    )


@pytest.mark.parametrize("fault", [0.0, 0.1])
def test_legacy_differs_from_itself_on_the_given_share(fault: float) -> None:
    chances = draw_chances(NOISE, fault)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert sum(chance for draw, chance in chances.items() if draw.again) == pytest.approx(NOISE)
    assert sum(chance for draw, chance in chances.items() if draw.fault) == pytest.approx(fault)
    # The fault shows only where noise has not made a difference already.
    differing = sum(chance for draw, chance in chances.items() if draw.new)
    assert differing == pytest.approx(NOISE + fault * (1 - NOISE))


def test_only_what_the_observer_would_ask_again_is_counted() -> None:
    quiet = Draw(new=False, again=True, again_new=True, fault=False)
    counted = counts_of(field({EQUAL: 900, WRONG: 7, quiet: 50, UNSTABLE: 3}, {quiet: 2}))
    assert counted == PathCounts(b=7, c=2, d=3)


def test_a_fault_on_a_clean_field_is_found_by_both() -> None:
    fields = [field({EQUAL: 990, WRONG: 10}), field({EQUAL: 1000})]
    assert figway_blames(fields, Fault.CLEAN, PairShape()) == [True, False]
    assert diffy_blames(fields, 1000) == [True, False]


def test_diffy_does_not_see_what_stays_below_its_thresholds() -> None:
    assert diffy_blames([field({EQUAL: 9998, WRONG: 2})], 10_000) == [False]
    hidden = field({EQUAL: 500, UNSTABLE: 400, WRONG: 100})
    assert diffy_blames([hidden], 1000) == [False]
    assert figway_blames([hidden], Fault.ALIKE, token_shape(Random(1))) == [True]


def test_a_value_of_another_shape_is_found_once_in_all_the_noise() -> None:
    once = field({EQUAL: 500, UNSTABLE: 499, replace(UNSTABLE, fault=True): 1})
    own = token_shape(Random(1))
    assert figway_blames([once], Fault.ODD, own) == [True]
    assert figway_blames([once], Fault.ALIKE, own) == [False]


@pytest.mark.parametrize(
    ("fault", "shown"),
    [pytest.param(Fault.ODD, 100, id="null"), pytest.param(Fault.ALIKE, 0, id="a wrong token")],
)
def test_under_the_rule_only_values_of_another_shape_differ(fault: Fault, shown: int) -> None:
    ruled = under_rule(field({EQUAL: 500, UNSTABLE: 400, WRONG: 100}), fault)
    assert sum(number for draw, number in ruled.draws.items() if draw.new) == shown
    assert not any(draw.again for draw in ruled.draws)


def test_tokens_bring_the_proposal_that_tells_them_from_wrong_values() -> None:
    assert accepts_tokens_only(token_shape(Random(5)))
    assert not accepts_tokens_only(PairShape())
    assert not accepts_tokens_only(shape_of_pair("missing", TOKEN, None))


def test_draws_add_up_to_the_requests() -> None:
    drawn = draw_field(NOISE, 0.1, 1000, Random(3))
    assert sum(drawn.draws.values()) == 1000
    assert 0 < sum(drawn.sampled.values()) < 40


def test_a_small_case_runs_through() -> None:
    case = simulate_case(Fault.ALIKE, 0.1, 3, 2000, Random(2))
    assert (case.figway.found, case.diffy.found) == (3, 0)
    assert case.with_rule is not None
    assert case.with_rule.found == 0


def case(*, fault: Fault, found: int, blamed: int, diffy: int) -> Case:
    blame = Blame(found=found, blamed=blamed)
    return Case(
        fault=fault,
        rate=0.1,
        routes=10,
        figway=blame,
        diffy=Blame(found=diffy, blamed=0),
        with_rule=None if fault is Fault.CLEAN else blame,
    )


def test_the_row_tells_found_missed_and_false_alarms() -> None:
    row = describe_detection(
        [
            case(fault=Fault.CLEAN, found=10, blamed=1, diffy=10),
            case(fault=Fault.ODD, found=10, blamed=2, diffy=0),
        ],
        1000,
    )
    assert row.lines[1] == (
        *("10.0% of requests, noisy field, another shape", "10", "0", "2"),
        *("10", "0", "2", "0", "10", "0"),
    )
    assert all(target.met for target in row.targets)


def test_a_missed_fault_and_many_false_alarms_miss_their_targets() -> None:
    row = describe_detection(
        [
            case(fault=Fault.CLEAN, found=9, blamed=100, diffy=10),
            case(fault=Fault.ODD, found=9, blamed=0, diffy=0),
        ],
        1000,
    )
    assert [target.met for target in row.targets] == [False] * 3
