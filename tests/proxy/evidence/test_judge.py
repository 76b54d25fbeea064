"""The judge: exactly one outcome for every combination of facts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare_policy import Severity
from proxy.evidence.judge import ComparisonFacts, Found, judge
from proxy.evidence.noise import Call
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import PairShape, merge, shape_of_pair
from proxy.evidence.settled import Mark, Triple

A, B = "$.a", "$.b"
MAJOR = ((A, Severity.MAJOR),)


def reprobe(*, again: str = "", again_new: str = "", sampled: bool = False) -> Triple:
    """A re-probe; words are the paths that differ."""
    return Triple(
        sampled=sampled,
        new=frozenset({A, B}),
        again=frozenset(again.split()),
        again_new=frozenset(again_new.split()),
    )


STABLE = reprobe(again_new=f"{A} {B}")
UNSTABLE = reprobe(again=f"{A} {B}", again_new=f"{A} {B}")
AGREES = reprobe(again=f"{A} {B}")


@pytest.mark.parametrize(
    ("facts", "triple", "calls", "outcome", "detail"),
    [
        pytest.param(
            ComparisonFacts(found=Found.EQUAL), None, {}, Outcome.MATCH, "", id="byte-equal"
        ),
        pytest.param(
            ComparisonFacts(found=Found.NORMALISED),
            *(None, {}, Outcome.MATCH_NORMALISED, ""),
            id="equal after rules",
        ),
        pytest.param(
            ComparisonFacts(found=Found.EXPECTED),
            *(STABLE, {}, Outcome.EXPECTED, ""),
            id="declared",
        ),
        pytest.param(
            ComparisonFacts(found=Found.INCOMPARABLE, reason="depth"),
            *(None, {}, Outcome.INCOMPARABLE, "depth"),
            id="incomparable",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR),
            *(None, {}, Outcome.MISMATCH, "major"),
            id="different, nobody asked again",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR),
            *(STABLE, {}, Outcome.MISMATCH, "major"),
            id="legacy is stable",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR),
            *(UNSTABLE, {}, Outcome.NOISE, ""),
            id="legacy differs from itself",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR),
            *(UNSTABLE, {A: Call.REGRESSION}, Outcome.MISMATCH, "major"),
            id="noisy, but a regression by the paired test",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR),
            *(AGREES, {A: Call.REGRESSION}, Outcome.RACE, ""),
            id="legacy agrees later",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR),
            *(None, {A: Call.NOISE}, Outcome.NOISE, ""),
            id="known noise, nobody asked again",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=(*MAJOR, (B, Severity.CRITICAL))),
            *(None, {A: Call.NOISE}, Outcome.MISMATCH, "critical"),
            id="noise beside a mismatch",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=((A, Severity.CRITICAL), *MAJOR)),
            *(None, {}, Outcome.MISMATCH, "critical"),
            id="one path at two severities",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=(*MAJOR, (B, Severity.CRITICAL))),
            *(None, {B: Call.NOISE}, Outcome.MISMATCH, "major"),
            id="the severity is that of what counts",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT),
            *(None, {}, Outcome.MISMATCH, "critical"),
            id="different at no known path",
        ),
        pytest.param(
            ComparisonFacts(found=Found.DIFFERENT, differing=MAJOR, legacy_defect=True),
            *(None, {}, Outcome.LEGACY_DEFECT, ""),
            id="legacy printed a warning",
        ),
        pytest.param(
            ComparisonFacts(
                found=Found.DIFFERENT,
                differing=MAJOR,
                legacy_defect=True,
                legacy_status=200,
                new_status=500,
            ),
            *(None, {}, Outcome.MISMATCH, "major"),
            id="legacy printed a warning, but the new side broke by itself",
        ),
        pytest.param(
            ComparisonFacts(found=Found.EQUAL, legacy_defect=True),
            *(None, {}, Outcome.MATCH, ""),
            id="both print the same warning",
        ),
    ],
)
def test_a_comparison_has_one_outcome(
    facts: ComparisonFacts,
    triple: Triple | None,
    calls: dict[str, Call],
    outcome: Outcome,
    detail: str,
) -> None:
    judged = judge(facts, triple, calls)
    assert (judged.outcome, judged.detail) == (outcome, detail)


PATHS = st.sampled_from([A, B, "status", "header:date"])


@settings(deadline=None)
@given(
    facts=st.builds(
        ComparisonFacts,
        found=st.sampled_from(Found),
        differing=st.lists(st.tuples(PATHS, st.sampled_from(Severity))).map(tuple),
        reason=st.sampled_from(["", "depth"]),
        legacy_defect=st.booleans(),
        legacy_status=st.sampled_from([200, 404, 500]),
        new_status=st.sampled_from([200, 302, 500]),
    ),
    triple=st.none()
    | st.builds(
        Triple,
        sampled=st.booleans(),
        new=st.frozensets(PATHS),
        again=st.frozensets(PATHS),
        again_new=st.frozensets(PATHS),
    ),
    calls=st.dictionaries(PATHS, st.sampled_from(Call)),
)
def test_the_judge_is_total_and_never_milder_than_the_facts(
    facts: ComparisonFacts, triple: Triple | None, calls: dict[str, Call]
) -> None:
    judged = judge(facts, triple, calls)
    # What differs is never a match, and what does not is never a mismatch.
    equal = facts.found in (Found.EQUAL, Found.NORMALISED, Found.EXPECTED)
    matches = (Outcome.MATCH, Outcome.MATCH_NORMALISED, Outcome.EXPECTED)
    assert (judged.outcome in matches) is equal
    assert (judged.outcome is Outcome.MISMATCH) is (
        judged.detail in {severity.value for severity in Severity}
    )
    if judged.outcome in (Outcome.NOISE, Outcome.RACE):
        # Without a re-probe only the noise test can excuse a difference.
        assert all(
            each.mark in (Mark.UNSTABLE, Mark.AGREES) or calls.get(each.path) is Call.NOISE
            for each in judged.differences
        )
    if judged.outcome is Outcome.INCOMPARABLE:
        assert judged.detail


def a_time(hour: int, second: int) -> str:
    return f"2026-03-01T{hour:02}:00:{second:02}Z"


def test_a_time_that_is_an_hour_off_is_not_excused_by_times_that_are_a_second_off() -> None:
    """P, S and C all differ, as noise does; but legacy differs from itself by a second."""
    own = PairShape()
    for second in range(5):
        own = merge(own, shape_of_pair("value", a_time(10, second), a_time(10, second + 1)))
    outcomes = []
    for hour in (10, 11):
        facts = ComparisonFacts(
            found=Found.DIFFERENT,
            differing=MAJOR,
            shapes=((A, shape_of_pair("value", a_time(10, 0), a_time(hour, 1))),),
        )
        for triple in (UNSTABLE, None):
            judged = judge(facts, triple, {A: Call.NOISE}, {A: own})
            outcomes.append((judged.outcome, judged.differences[0].mark))
        assert judge(facts, AGREES, {A: Call.NOISE}, {A: own}).outcome is Outcome.RACE
    assert outcomes == [
        (Outcome.NOISE, Mark.UNSTABLE),
        (Outcome.NOISE, Mark.UNASKED),
        (Outcome.MISMATCH, Mark.ODD),
        (Outcome.MISMATCH, Mark.ODD),
    ]
