"""The verdict: what lets a GO through, what refuses it, and what says NO-GO."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare_policy import Severity
from proxy.evidence.epoch import epoch_of
from proxy.evidence.noise import PathCounts
from proxy.evidence.outcome import Outcome
from proxy.evidence.report import VerdictState
from proxy.evidence.settled import Mark, PathDifference
from proxy.evidence.verdict import OpenCause, RouteEvidence, duration, verdict
from proxy.gate import Gate

DAY = 86_400.0
NOW = 30 * DAY
A = "$.a"
GO, NO_GO, MORE = VerdictState.GO, VerdictState.NO_GO, VerdictState.NEED_MORE_DATA


def difference(
    severity: Severity = Severity.CRITICAL, mark: Mark = Mark.STABLE, path: str = A
) -> tuple[PathDifference, ...]:
    return (PathDifference(path=path, severity=severity, mark=mark),)


def evidence(**changed: Any) -> RouteEvidence:
    """A route that is GO but for what is changed: 4,000 clean comparisons in eight days."""
    return replace(
        RouteEvidence(
            route="product",
            epoch=epoch_of(legacy_version="1", new_version="2", rules_hash="r"),
            eligible=4000,
            outcomes={Outcome.MATCH: 4000},
            compared=4000,
            signatures=12,
            seen_once=0,
            first_at=NOW - 8 * DAY,
            last_at=NOW - 60,
        ),
        **changed,
    )


GATE = Gate(min_window=7 * DAY)


def test_enough_clean_comparisons_over_the_window_are_go() -> None:
    found = verdict(evidence(), GATE, NOW)
    assert found.state is GO
    assert found.reasons == (
        "4,000 comparisons: 0 critical, rate below 0.1 %; 0 major, rate below 0.5 % at 95 %",
    )
    assert (found.to_go, found.eta_seconds) == (0, 0.0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param(
            {"compared": 3235}, "1 more without one show a rate below 0.1 %", id="one too few"
        ),
        pytest.param(
            {"compared": 0, "outcomes": {}, "eligible": 0}, "nothing was compared", id="nothing"
        ),
        pytest.param(
            {"differences": ((difference(), 1),)},
            "critical: 1 of 4,000 comparisons mismatch; 2,699 more",
            id="one critical mismatch",
        ),
        pytest.param({"failed": 1}, "critical: 1 of 4,000", id="one shadow error"),
        pytest.param(
            {"unplaced": {Severity.MAJOR: 30}},
            "major: 30 of 4,000",
            id="mismatches whose place was lost",
        ),
        pytest.param(
            {"first_at": NOW - 6 * DAY}, "the evidence spans 5 d 23 h of 7 d", id="window"
        ),
        pytest.param(
            {"seen_once": 41}, "1.03 % of the traffic is of a kind not seen yet", id="coverage"
        ),
        pytest.param(
            {
                "outcomes": {Outcome.MATCH: 4000, Outcome.SHED: 90},
                "eligible": 4090,
                "lost_details": {"shed queue": 80, "shed budget": 10},
            },
            "2.2 % of the eligible requests were lost (limit 2 %): shed queue 80, shed budget 10",
            id="shed",
        ),
        pytest.param(
            {"outcomes": {Outcome.MATCH: 4000, Outcome.INCOMPARABLE: 90}, "eligible": 4090},
            "were lost",
            id="incomparable",
        ),
        pytest.param(
            {"outcomes": {Outcome.MATCH: 4000, Outcome.LEGACY_DEFECT: 900}, "eligible": 4900},
            "18.4 % of the pages hold a PHP error of legacy",
            id="pages that legacy spoiled",
        ),
        pytest.param(
            {"outcomes": {Outcome.MATCH: 4000, Outcome.ABORTED: 6000}, "eligible": 10_000},
            "only 40 % of the eligible requests were compared",
            id="most were aborted",
        ),
        pytest.param(
            {"pending": 2000, "eligible": 6000},
            "2,000 requests are still without an outcome",
            id="most are on their way",
        ),
        pytest.param({"unaccounted": 1}, "the books do not balance: +1", id="one is unaccounted"),
        pytest.param({"unaccounted": -1}, "the books do not balance: -1", id="one ended twice"),
        pytest.param(
            {"store_error": "full: disk is full"},
            "evidence is not being written: full: disk is full",
            id="the disk is full",
        ),
        pytest.param(
            {"expired_rules": ("rule:3 ($.x, 2026-01-01)",)},
            "rule expired: rule:3 ($.x, 2026-01-01)",
            id="expired rule",
        ),
        pytest.param(
            {"last_at": NOW - 8 * DAY, "first_at": NOW - 20 * DAY},
            "the last comparison is 8 d old",
            id="stale",
        ),
    ],
)
def test_go_is_refused_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    found = verdict(evidence(**changed), GATE, NOW)
    assert found.state is MORE
    assert any(reason in each for each in found.reasons), found.reasons


def cause(**changed: Any) -> OpenCause:
    return replace(
        OpenCause(
            fingerprint="f" * 16,
            severity=Severity.CRITICAL,
            paths=(A,),
            last_seen=NOW - 3600,
            triaged=False,
        ),
        **changed,
    )


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        pytest.param({}, MORE, id="critical, fresh, nobody looked"),
        pytest.param({"triaged": True}, GO, id="somebody looked"),
        pytest.param({"last_seen": NOW - 25 * 3600}, GO, id="not seen for a day"),
        pytest.param({"severity": Severity.MAJOR}, GO, id="not critical"),
    ],
)
def test_a_critical_cause_that_nobody_looked_at_refuses_go(
    changed: dict[str, Any], state: VerdictState
) -> None:
    rich = evidence(compared=100_000, eligible=100_000, outcomes={Outcome.MATCH: 100_000})
    found = verdict(replace(rich, causes=(cause(**changed),)), GATE, NOW)
    assert found.state is state


def test_a_cause_that_is_only_noise_does_not_refuse_go() -> None:
    noise = {A: PathCounts(d=200)}
    quiet = evidence(causes=(cause(),), noise=noise)
    assert verdict(quiet, GATE, NOW).state is GO
    for counts in (PathCounts(d=200, b=1), PathCounts(d=200, odd=1)):
        doubtful = evidence(causes=(cause(),), noise={A: counts})
        assert verdict(doubtful, GATE, NOW).state is MORE


@pytest.mark.parametrize(
    ("compared", "together", "state"),
    [
        pytest.param(200, ((difference(), 5),), NO_GO, id="2.5 % critical"),
        pytest.param(4000, ((difference(), 40),), NO_GO, id="1 % critical"),
        pytest.param(4000, ((difference(Severity.MAJOR), 60),), NO_GO, id="1.5 % major"),
        pytest.param(4000, ((difference(Severity.MINOR), 4000),), GO, id="minor ones do not count"),
        pytest.param(*(4000, ((difference(mark=Mark.AGREES), 4000),)), GO, id="races do not count"),
        pytest.param(
            *(4000, ((difference(mark=Mark.UNSTABLE), 4000),)), GO, id="noise does not count"
        ),
    ],
)
def test_mismatches_beyond_the_limit_are_no_go(
    compared: int, together: Any, state: VerdictState
) -> None:
    noise = {A: PathCounts(d=4000)} if together[0][0][0].mark is Mark.UNSTABLE else {}
    found = verdict(evidence(compared=compared, differences=together, noise=noise), GATE, NOW)
    assert found.state is state
    if state is NO_GO:
        assert found.to_go is None
        assert "is refuted at 95 %" in found.reasons[0]


def test_noise_explained_by_re_probes_does_not_refuse_go_but_is_told() -> None:
    """A timestamp on every page; legacy was asked again 500 times and differed each time."""
    noise = {A: PathCounts(d=500)}
    together = ((difference(Severity.MAJOR, Mark.UNSTABLE), 500),)
    found = verdict(evidence(differences=together, noise=noise), GATE, NOW)
    assert found.state is GO
    assert any(f"legacy differs from itself at {A}" in each for each in found.advice)


def test_a_regression_by_the_paired_test_counts_even_where_legacy_was_unstable() -> None:
    noise = {A: PathCounts(b=60, c=5, d=40)}
    together = (
        (difference(mark=Mark.STABLE), 60),
        (difference(mark=Mark.UNSTABLE), 40),
    )
    found = verdict(evidence(differences=together, noise=noise), GATE, NOW)
    assert found.state is NO_GO
    assert found.rates[0].mismatches == 100
    assert any(f"regression at {A}" in each for each in found.advice)


def test_a_stable_difference_on_a_noisy_path_counts_against_go_but_not_for_no_go() -> None:
    """Three bugs among a thousand timestamps: noise makes no pair with a stable legacy."""
    noise = {A: PathCounts(b=3, d=1000)}
    together = (
        (difference(mark=Mark.STABLE), 3),
        (difference(mark=Mark.UNSTABLE), 1000),
    )
    found = verdict(evidence(differences=together, noise=noise), GATE, NOW)
    assert found.state is MORE
    assert (found.rates[0].mismatches, found.rates[0].doubtful) == (0, 3)
    assert "3 of them may be noise" in found.reasons[0]


def test_noise_that_comes_and_goes_is_set_off_against_its_mirror_images() -> None:
    noise = {A: PathCounts(b=50, c=52, d=40)}
    together = ((difference(mark=Mark.STABLE), 50),)
    assert verdict(evidence(differences=together, noise=noise), GATE, NOW).state is GO


def test_races_hide_no_regression_beside_them() -> None:
    """Stock that changes between the reads, and ten real faults at the same path."""
    noise = {A: PathCounts(b=10, c=2, agrees=60)}
    together = (
        (difference(mark=Mark.STABLE), 10),
        (difference(mark=Mark.AGREES), 60),
    )
    found = verdict(evidence(differences=together, noise=noise), GATE, NOW)
    assert found.state is not GO
    assert found.rates[0].mismatches + found.rates[0].doubtful == 10


@pytest.mark.parametrize(
    ("noise", "certain", "possible"),
    [
        pytest.param({}, 200, 200, id="re-probing is off: each counts"),
        pytest.param({"$.b": PathCounts(d=1)}, 0, 200, id="nobody asked here: each is a doubt"),
        pytest.param({A: PathCounts(d=99)}, 0, 2, id="as good as always noise"),
        pytest.param({A: PathCounts(agrees=99)}, 0, 2, id="as good as always a race"),
        pytest.param({A: PathCounts(b=4)}, 200, 200, id="legacy was stable each time"),
        pytest.param({A: PathCounts(b=2, agrees=2)}, 100, 120, id="half were races"),
    ],
)
def test_differences_that_were_not_re_probed_are_taken_as_the_others_came_out(
    noise: dict[str, PathCounts], certain: int, possible: int
) -> None:
    together = ((difference(mark=Mark.UNASKED), 200),)
    rate = verdict(evidence(differences=together, noise=noise), GATE, NOW).rates[0]
    assert (rate.mismatches, rate.mismatches + rate.doubtful) == (certain, possible)


def test_volatile_headers_are_excused_without_a_person() -> None:
    path = "header:date"
    together = ((difference(Severity.MAJOR, Mark.STABLE, path), 900),)
    noise = {path: PathCounts(b=900, c=890, d=40)}
    assert verdict(evidence(differences=together, noise=noise), GATE, NOW).state is GO


def test_differences_unlike_legacys_own_count_whatever_the_noise() -> None:
    noise = {A: PathCounts(d=4000, odd=40)}
    together = (
        (difference(mark=Mark.ODD), 40),
        (difference(mark=Mark.UNSTABLE), 3960),
    )
    found = verdict(evidence(differences=together, noise=noise), GATE, NOW)
    assert found.state is NO_GO
    assert found.rates[0].mismatches == 40


def test_a_comparison_counts_once_however_many_differences_it_holds() -> None:
    together = (
        (
            (
                *difference(Severity.CRITICAL, path="$.a"),
                *difference(Severity.MAJOR, path="$.b"),
                *difference(Severity.MAJOR, path="$.c"),
            ),
            2,
        ),
    )
    critical, major = verdict(evidence(differences=together), GATE, NOW).rates
    assert (critical.mismatches, major.mismatches) == (2, 2)


def test_time_to_go_follows_the_rate_and_the_window() -> None:
    few = evidence(compared=1000, first_at=NOW - 1000, last_at=NOW)
    found = verdict(few, Gate(), NOW)
    assert found.to_go == 2236
    assert found.eta_seconds == pytest.approx(2236)
    long = verdict(few, Gate(min_window=DAY), NOW)
    assert long.eta_seconds == pytest.approx(DAY - 1000)


def test_time_to_go_grows_while_nothing_comes_and_the_verdict_does_not_change() -> None:
    few = evidence(compared=24, first_at=NOW - 0.6, last_at=NOW)
    at_once, later = verdict(few, Gate(), NOW), verdict(few, Gate(), NOW + 60)
    assert at_once.eta_seconds == pytest.approx(3212 / 24 * 10)
    assert later.eta_seconds == pytest.approx(3212 / 24 * 60.6)
    for same in ("state", "reasons", "to_go", "window_seconds"):
        assert getattr(at_once, same) == getattr(later, same)


def test_silence_counts_towards_the_time_that_the_window_still_takes() -> None:
    enough = evidence(first_at=NOW - 2 * DAY, last_at=NOW - DAY)
    found = verdict(enough, GATE, NOW)
    assert (found.state, found.window_seconds) == (MORE, DAY)
    assert found.eta_seconds == pytest.approx(5 * DAY)


def test_where_nothing_was_compared_there_is_no_time_to_go() -> None:
    none = evidence(compared=0, outcomes={}, eligible=0, first_at=0.0, last_at=0.0)
    assert verdict(none, Gate(), NOW).eta_seconds is None


def test_a_limit_of_zero_says_that_it_cannot_be_shown() -> None:
    found = verdict(evidence(), Gate(max_critical=0.0), NOW)
    assert found.state is MORE
    assert found.to_go is None
    assert "cannot be shown by any number" in found.reasons[0]


def test_a_slower_new_side_is_advice_and_no_reason() -> None:
    slow = evidence(legacy_p95=0.1, new_p95=0.3)
    found = verdict(slow, Gate(p95_ratio=1.1), NOW)
    assert found.state is GO
    assert any("3.00 x legacy's" in each for each in found.advice)


def test_an_unknown_version_is_told() -> None:
    nameless = evidence(epoch=epoch_of(legacy_version="", new_version="", rules_hash="r"))
    found = verdict(nameless, GATE, NOW)
    assert any("a deploy does not begin a new epoch" in each for each in found.advice)


@settings(deadline=None)
@given(
    compared=st.integers(0, 20_000),
    critical=st.integers(0, 50),
    failed=st.integers(0, 5),
    noise=st.builds(
        PathCounts,
        b=st.integers(0, 40),
        c=st.integers(0, 40),
        d=st.integers(0, 40),
        agrees=st.integers(0, 40),
    ),
    mark=st.sampled_from(Mark),
)
def test_one_more_failure_never_turns_a_route_to_go(
    compared: int, critical: int, failed: int, noise: PathCounts, mark: Mark
) -> None:
    before = evidence(
        compared=compared,
        failed=failed,
        differences=((difference(mark=mark), critical),),
        noise={A: noise},
    )
    after = replace(before, compared=compared + 1, failed=failed + 1)
    if verdict(before, GATE, NOW).state is not GO:
        assert verdict(after, GATE, NOW).state is not GO


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "0 s"),
        (40.0, "40 s"),
        (7800.0, "2 h 10 min"),
        (273_600.0, "3 d 4 h"),
        (-5.0, "0 s"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told
