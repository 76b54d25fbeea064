"""The paired noise test: what is counted, what is called, and that noise is no regression."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare_policy import Severity
from proxy.evidence.noise import (
    Call,
    PathCounts,
    at_least,
    call_paths,
    marked_counts,
    triple_counts,
)
from proxy.evidence.settled import Mark, PathDifference, Triple

PATH = "$.price"


def triple(legacy: str, again: str, new: str, *, sampled: bool) -> Triple:
    """A triple of which only one path is looked at."""
    return Triple(
        sampled=sampled,
        new=frozenset({PATH} if legacy != new else ()),
        again=frozenset({PATH} if legacy != again else ()),
        again_new=frozenset({PATH} if again != new else ()),
    )


@pytest.mark.parametrize(
    ("legacy", "again", "new", "sampled", "expected"),
    [
        pytest.param("x", "x", "y", True, PathCounts(b=1), id="the new side alone differs"),
        pytest.param("x", "x", "y", False, PathCounts(b=1), id="asked because of it"),
        pytest.param("x", "y", "x", True, PathCounts(c=1), id="legacy alone differs"),
        pytest.param("x", "y", "x", False, None, id="asked for another path: not comparable"),
        pytest.param("x", "y", "z", True, PathCounts(d=1), id="all three differ"),
        pytest.param(
            *("x", "y", "y", True),
            PathCounts(agrees=1, agrees_sampled=1),
            id="legacy agrees later, sampled",
        ),
        pytest.param("x", "y", "y", False, PathCounts(agrees=1), id="legacy agrees later"),
        pytest.param("x", "x", "x", True, None, id="nothing differs"),
    ],
)
def test_a_triple_is_counted_by_who_is_the_odd_one_out(
    legacy: str, again: str, new: str, sampled: bool, expected: PathCounts | None
) -> None:
    assert triple_counts(triple(legacy, again, new, sampled=sampled)).get(PATH) == expected


def test_differences_that_were_not_re_probed_and_odd_ones_are_counted() -> None:
    differences = tuple(
        PathDifference(path=mark.value, severity=Severity.MAJOR, mark=mark) for mark in Mark
    )
    assert marked_counts(differences) == {
        "unasked": PathCounts(unasked=1),
        "odd": PathCounts(odd=1),
    }


@settings(deadline=None)
@given(successes=st.integers(0, 60), trials=st.integers(0, 60))
def test_the_tail_is_exact(successes: int, trials: int) -> None:
    exact = Fraction(sum(comb(trials, i) for i in range(successes, trials + 1)), 2**trials)
    assert at_least(successes, trials) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)


def test_the_tail_of_many_trials_is_found() -> None:
    assert at_least(50_000, 100_000) == pytest.approx(0.50126, abs=1e-5)
    assert at_least(51_000, 100_000) == pytest.approx(1.2886e-10, rel=1e-2)


@pytest.mark.parametrize(
    ("counts", "call"),
    [
        pytest.param(PathCounts(b=5), Call.REGRESSION, id="five of five, legacy stable"),
        pytest.param(PathCounts(b=4), Call.UNDECIDED, id="four of four are chance at 5 %"),
        pytest.param(PathCounts(d=1), Call.NOISE, id="legacy was unstable"),
        pytest.param(PathCounts(c=1), Call.NOISE, id="legacy alone differed"),
        pytest.param(PathCounts(b=20, c=3, d=9), Call.REGRESSION, id="a regression under noise"),
        pytest.param(PathCounts(b=20, c=18, d=9), Call.NOISE, id="noise both ways"),
        pytest.param(
            PathCounts(agrees=9), Call.UNDECIDED, id="only races: legacy itself is not noisy"
        ),
        pytest.param(PathCounts(unasked=99), Call.UNDECIDED, id="nobody asked"),
        pytest.param(PathCounts(b=9, agrees=10), Call.UNDECIDED, id="asked because of a mismatch"),
    ],
)
def test_a_path_is_called_by_its_counts(counts: PathCounts, call: Call) -> None:
    assert call_paths({PATH: counts})[PATH].call is call


def test_one_path_of_many_needs_stronger_evidence() -> None:
    weak = PathCounts(b=6, c=0)
    assert call_paths({PATH: weak})[PATH].call is Call.REGRESSION
    crowd = {f"$.noise{i}": PathCounts(b=5, c=5) for i in range(100)}
    assert call_paths({PATH: weak, **crowd})[PATH].call is Call.UNDECIDED
    strong = PathCounts(b=16, c=0)
    assert call_paths({PATH: strong, **crowd})[PATH].call is Call.REGRESSION


def test_drift_is_no_mirror_of_a_regression() -> None:
    """Data that changes between the reads makes legacy agree later; that explains no stable one."""
    test = call_paths({PATH: PathCounts(b=4, c=1, agrees=40)})[PATH]
    assert test.drifts
    assert test.excess == 4
    calm = call_paths({PATH: PathCounts(b=14, c=10)})[PATH]
    assert not calm.drifts
    assert calm.excess == 4


@pytest.mark.parametrize("noise", [0.05, 0.4, 0.9], ids=["rare", "diffy's case", "nearly always"])
@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "asked because of a mismatch"])
def test_noise_alone_is_rarely_called_a_regression(noise: float, sampled: bool) -> None:
    """Three independent draws: 5 % of the paths may be called, at any one look."""
    random = Random(7)
    wrong = 0
    rounds = 300
    for _ in range(rounds):
        counts = PathCounts()
        for _ in range(150):
            drawn = [random.choice("abcd") if random.random() < noise else "same" for _ in range(3)]
            if sampled or drawn[0] != drawn[2]:
                one = triple_counts(triple(drawn[0], drawn[1], drawn[2], sampled=sampled))
                counts += one.get(PATH, PathCounts())
        wrong += call_paths({PATH: counts})[PATH].call is Call.REGRESSION
    assert wrong / rounds <= 0.07


def test_a_regression_on_a_noisy_path_is_found_where_relative_thresholds_hide_it() -> None:
    """40 % noise and a fault on 20 % of the requests: the marginals are 40 % and 52 %."""
    random = Random(11)
    counts = PathCounts()
    differs = noisy = 0
    for _ in range(2000):
        legacy, again, new = (
            str(random.random()) if random.random() < 0.4 else "same" for _ in range(3)
        )
        if random.random() < 0.2:
            new = "wrong"
        differs += legacy != new
        noisy += legacy != again
        one = triple_counts(triple(legacy, again, new, sampled=True))
        counts += one.get(PATH, PathCounts())
    assert abs(differs - noisy) / (differs + noisy) < 0.2, "Diffy would hide it"
    assert call_paths({PATH: counts})[PATH].call is Call.REGRESSION
