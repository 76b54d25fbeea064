"""The gate: how often it is wrong at the limit, and how soon it comes away from it. Simulated."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, count, takewhile
from random import Random

from bench.row import RowResult, Run, Target
from proxy.compare_policy import Severity
from proxy.evidence.eprocess import log_e_no_go, needed, threshold
from proxy.evidence.outcome import Outcome
from proxy.evidence.report import VerdictState
from proxy.evidence.settled import Mark, PathDifference
from proxy.evidence.verdict import RouteEvidence, verdict
from proxy.gate import Gate

SEED = 20261122
LIMIT = 0.001
CONFIDENCE = 0.95
# True mismatch rates, as multiples of the limit.
RATES = (0.0, 0.1, 1 / 3, 1.0, 2.0, 5.0, 10.0)
ROUTES = 10_000
# Comparisons a day, and days: 60 times the comparisons that one limit's worth of mismatches takes.
DAILY = 1_000
DAYS = 60
# Routes that are also put through verdict() itself, day by day.
THROUGH_VERDICT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """When one route was first judged, in comparisons; None for never within the horizon."""

    # Looking after every comparison.
    go: int | None
    no_go: int | None
    # Looking once a day.
    daily_go: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFigures:
    """What became of all routes of one rate."""

    rate: float
    courses: tuple[Course, ...]
    # The same routes under the textbook rule for one look, looked at daily.
    naive_go: int

    def share(self, name: str) -> float:
        """The share of routes that were judged so at some look."""
        judged = sum(getattr(course, name) is not None for course in self.courses)
        return judged / len(self.courses)

    def when(self, name: str, share: float) -> int | None:
        """After how many comparisons this share of all routes was judged so; None for never."""
        found = sorted(
            moment for course in self.courses if (moment := getattr(course, name)) is not None
        )
        rank = math.ceil(share * len(self.courses)) - 1
        return found[rank] if rank < len(found) else None


def measure_gate(run: Run) -> RowResult:
    """Simulate routes of every rate; the seed is fixed."""
    routes = 1_000 if run.quick else ROUTES
    random = Random(SEED)
    figures = [simulate(rate, routes, random) for rate in RATES]
    looks, wrong = compare_with_verdict(5 if run.quick else THROUGH_VERDICT, random)
    return describe_gate(figures, exact=exact_false_go(), looks=looks, disagreements=wrong)


def simulate(
    multiple: float, routes: int, random: Random, *, horizon: int = DAILY * DAYS
) -> RateFigures:
    """Run routes with the given multiple of the limit as their true rate."""
    courses = []
    naive = 0
    for _ in range(routes):
        mismatches = list(mismatch_moments(multiple * LIMIT, horizon, random))
        courses.append(follow(mismatches, horizon))
        naive += first_daily(mismatches, one_look, horizon) is not None
    return RateFigures(rate=multiple, courses=tuple(courses), naive_go=naive)


def mismatch_moments(rate: float, horizon: int, random: Random) -> Iterator[int]:
    """Which comparisons mismatch, counted from 1: the gaps are geometric."""
    if rate <= 0:
        return iter(())
    gaps = (
        1 + int(math.log(1 - random.random()) / math.log1p(-rate)) if rate < 1 else 1
        for _ in count()
    )
    return takewhile(lambda moment: moment <= horizon, accumulate(gaps))


@cache
def go_from(k: int) -> int:
    """With k mismatches the gate says GO from so many comparisons on."""
    found = needed(k, LIMIT, CONFIDENCE)
    assert found is not None
    return found


@cache
def no_go_up_to(k: int) -> int:
    """With k mismatches the gate says NO-GO up to so many comparisons; k - 1 for never."""
    bar = threshold(CONFIDENCE)
    # E falls with every clean comparison.
    low, high = k - 1, 2 * k + 1
    while log_e_no_go(high, k, LIMIT) >= bar:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if log_e_no_go(middle, k, LIMIT) >= bar:
            low = middle
        else:
            high = middle
    return low


@cache
def one_look(k: int) -> int:
    """The exact Poisson bound: right for one look at a number fixed beforehand, and only then."""
    low, high = 0.0, 20.0 + 2.0 * k
    while high - low > 1e-4:
        mean = (low + high) / 2
        if poisson_at_most(k, mean) > 1 - CONFIDENCE:
            low = mean
        else:
            high = mean
    return math.ceil(high / LIMIT)


def poisson_at_most(k: int, mean: float) -> float:
    """P(X <= k), X Poisson."""
    log_mean = math.log(mean)
    return math.fsum(math.exp(i * log_mean - mean - math.lgamma(i + 1)) for i in range(k + 1))


def follow(mismatches: Sequence[int], horizon: int) -> Course:
    """Look after every comparison, and once a day."""
    go = no_go = None
    for k, begin in enumerate((0, *mismatches)):
        end = mismatches[k] - 1 if k < len(mismatches) else horizon
        # With k mismatches the comparisons run from begin to end. E for GO is highest at the end,
        # E for NO-GO at the beginning.
        if go is None and go_from(k) <= end:
            go = max(begin, go_from(k))
        if no_go is None and k and begin <= no_go_up_to(k):
            no_go = begin
    return Course(go=go, no_go=no_go, daily_go=first_daily(mismatches, go_from, horizon))


def first_daily(mismatches: Sequence[int], go: Callable[[int], int], horizon: int) -> int | None:
    """The first daily look that says GO."""
    for look in range(DAILY, horizon + 1, DAILY):
        if look >= go(bisect_right(mismatches, look)):
            return look
    return None


def exact_false_go(horizon: int = DAILY * DAYS) -> float:
    """P(GO at some look within the horizon), a look after every comparison, rate at the limit.

    No GO so far means that at the go_from(k)-th comparison there were more than k mismatches, for
    every k: a chain over these moments, exact but for rounding.
    """
    chances = {0: 1.0}
    before = 0
    for k in count():
        moment = go_from(k)
        if moment > horizon:
            break
        further = _binomial(moment - before, LIMIT)
        after: dict[int, float] = {}
        for seen, chance in chances.items():
            for more, probability in enumerate(further):
                if seen + more > k:
                    after[seen + more] = after.get(seen + more, 0.0) + chance * probability
        chances, before = after, moment
    return 1 - math.fsum(chances.values())


def _binomial(trials: int, rate: float) -> list[float]:
    """The probabilities of 0, 1, 2, ... successes, as far as they are above 1e-15."""
    chance = (1 - rate) ** trials
    chances = [chance]
    for successes in range(1, trials + 1):
        chance *= (trials - successes + 1) / successes * rate / (1 - rate)
        chances.append(chance)
        if successes > trials * rate and chance < 1e-15:
            break
    return chances


def compare_with_verdict(routes: int, random: Random) -> tuple[int, int]:
    """Daily looks through verdict() itself; gives looks, and disagreements with the boundaries."""
    gate = Gate(max_critical=LIMIT, max_major=1.0, confidence=CONFIDENCE)
    looks = wrong = 0
    bad = (PathDifference(path="$.price", severity=Severity.CRITICAL, mark=Mark.STABLE),)
    for number in range(routes):
        rate = RATES[number % len(RATES)] * LIMIT
        mismatches = list(mismatch_moments(rate, DAILY * DAYS, random))
        for n in range(DAILY, DAILY * DAYS + 1, DAILY):
            k = bisect_right(mismatches, n)
            evidence = RouteEvidence(
                route="simulated",
                epoch=None,
                eligible=n,
                outcomes={Outcome.MATCH: n - k, Outcome.MISMATCH: k},
                compared=n,
                differences=((bad, k),) if k else (),
                signatures=1,
                first_at=0.0,
                last_at=float(n),
            )
            state = verdict(evidence, gate, float(n)).state
            looks += 1
            wrong += (state is VerdictState.GO) != (n >= go_from(k))
            wrong += (state is VerdictState.NO_GO) != (k > 0 and n <= no_go_up_to(k))
    return looks, wrong


def describe_gate(
    figures: Sequence[RateFigures], *, exact: float, looks: int, disagreements: int
) -> RowResult:
    """The simulated routes as a row."""
    (at_limit,) = (each for each in figures if each.rate == 1.0)
    routes = len(at_limit.courses)
    beyond = [each for each in figures if each.rate >= 1.0]
    chance_error = math.sqrt(exact * (1 - exact) / routes)
    below = [each for each in figures if each.rate <= 1.0]
    bound = 1 - CONFIDENCE
    return RowResult(
        name="gate",
        title=f"The gate at a limit of {LIMIT:.1%}: {routes:,} simulated routes per rate,"
        f" {DAILY:,} comparisons a day for {DAYS} days",
        header=(
            "true rate",
            "GO, a look per request",
            "GO, a look per day",
            "same, uncorrected",
            "NO-GO",
            "GO: half after",
            "90 % after",
            "NO-GO: half after",
            "90 % after",
        ),
        lines=tuple(
            (
                f"{each.rate:.3g} x limit",
                *(f"{each.share(name):.2%}" for name in ("go", "daily_go")),
                f"{each.naive_go / len(each.courses):.2%}",
                f"{each.share('no_go'):.2%}",
                *(
                    _comparisons(each.when(name, share))
                    for name in ("go", "no_go")
                    for share in (0.5, 0.9)
                ),
            )
            for each in figures
        ),
        targets=(
            Target(
                what="false GO at the limit, a look after every request, exact",
                value=exact,
                bound=bound,
            ),
            Target(
                what="the simulated share lies from it",
                value=abs(at_limit.share("go") - exact) / chance_error,
                bound=3,
                unit="standard errors",
            ),
            Target(
                what="false GO beyond the limit, a look after every request",
                value=max((each.share("go") for each in beyond if each.rate > 1), default=0.0),
                bound=bound,
            ),
            Target(
                what="false GO at or beyond the limit, a look every day",
                value=max(each.share("daily_go") for each in beyond),
                bound=bound,
            ),
            Target(
                what="false NO-GO at or below the limit, a look after every request",
                value=max(each.share("no_go") for each in below),
                bound=bound,
            ),
            Target(
                what=f"disagreements with verdict() in {looks:,} daily looks",
                value=disagreements,
                bound=0,
            ),
        ),
        notes=(
            "Rates are of critical mismatches, independent from request to request;"
            f" the seed is {SEED}.",
            "Uncorrected: the exact Poisson bound for one look, asked every day.",
            f"At the limit the bound is nearly exact: {exact:.2%} follow from the boundaries, and"
            f" {routes:,} routes show {at_limit.share('go'):.2%} +- {chance_error:.2%}.",
            "A GO that comes is not taken back in these figures: any look that says GO counts.",
        ),
        figures={
            f"{each.rate:.3g}": {
                "go_per_request": each.share("go"),
                "go_per_day": each.share("daily_go"),
                "uncorrected_go_per_day": each.naive_go / len(each.courses),
                "no_go_per_request": each.share("no_go"),
                "go_median": each.when("go", 0.5),
                "no_go_median": each.when("no_go", 0.5),
            }
            for each in figures
        },
    )


def _comparisons(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
