"""Detection: faults planted in clean and in noisy fields, found by Figway and by Diffy's rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from random import Random

from bench.row import RowResult, Run, Target
from proxy.compare.shapes import same_shape
from proxy.compare_policy import Op, Severity
from proxy.evidence.judge import ComparisonFacts, Found, judge
from proxy.evidence.noise import Call, PathCounts, call_paths, triple_counts
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import PairShape, merge, propose, shape_of_pair
from proxy.evidence.settled import Triple

SEED = 20261122
FAULTS = (0.001, 0.01, 0.1)
# Share of the requests on which legacy differs from itself in a noisy field.
NOISE = 0.4
CLEAN_FIELDS, NOISY_FIELDS = 20, 5
REQUESTS = 10_000
ROUTES = 100
# Default of shadow.aa.rate: re-probes besides those on mismatch.
SAMPLED = 0.01
# Diffy's defaults: a field shows when raw and noise differ by more than this.
RELATIVE, ABSOLUTE = 0.20, 0.0003
# Pairs of values by which the shape of a noisy field is known.
PAIRS = 20
TOKEN = "9f86d081884c7d659a2feaa0c55ad015"


class Fault(StrEnum):
    """Where the fault is, and what its value looks like."""

    CLEAN = "clean field"
    # `null` among tokens.
    ODD = "noisy field, another shape"
    # A token, but the wrong one.
    ALIKE = "noisy field, the same shape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What can happen to one field in one request."""

    # P != C, P != S, S != C; and whether the new side's value is a wrong one.
    new: bool
    again: bool
    again_new: bool
    fault: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the response, with what was drawn for it."""

    faulty: bool
    noisy: bool
    draws: Mapping[Draw, int]
    # The same draws as far as legacy was asked again because it was sampled.
    sampled: Mapping[Draw, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Of all routes of one case: how many faults were found, and clean fields that were blamed."""

    found: int
    blamed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of fault, and what the methods made of it. `routes` routes, one fault each."""

    fault: Fault
    rate: float
    routes: int
    figway: Blame
    diffy: Blame
    # After the proposed rule was accepted; None where there is nothing to propose.
    with_rule: Blame | None


def measure_detection(run: Run) -> RowResult:
    """Simulate routes for every kind of fault; the seed is fixed."""
    random = Random(SEED)
    routes, requests = (20, 2_000) if run.quick else (ROUTES, REQUESTS)
    cases = [
        simulate_case(fault, rate, routes, requests, random) for fault in Fault for rate in FAULTS
    ]
    return describe_detection(cases, requests)


def simulate_case(fault: Fault, rate: float, routes: int, requests: int, random: Random) -> Case:
    """Routes with clean and noisy fields, one of them faulty."""
    figway = [0, 0]
    diffy = [0, 0]
    ruled = [0, 0]
    for _ in range(routes):
        fields = draw_route(fault is not Fault.CLEAN, rate, requests, random)
        own = token_shape(random)
        told = {
            "figway": figway_blames(fields, fault, own),
            "diffy": diffy_blames(fields, requests),
        }
        if accepts_tokens_only(own):
            fields = [under_rule(field, fault) for field in fields]
        told["ruled"] = figway_blames(fields, fault, PairShape())
        for tally, name in ((figway, "figway"), (diffy, "diffy"), (ruled, "ruled")):
            for field, blamed in zip(fields, told[name], strict=True):
                tally[0 if field.faulty else 1] += blamed
    return Case(
        fault=fault,
        rate=rate,
        routes=routes,
        figway=Blame(found=figway[0], blamed=figway[1]),
        diffy=Blame(found=diffy[0], blamed=diffy[1]),
        with_rule=Blame(found=ruled[0], blamed=ruled[1]) if fault is not Fault.CLEAN else None,
    )


def draw_route(noisy: bool, rate: float, requests: int, random: Random) -> list[Field]:
    """All fields of one route."""
    clean = [
        draw_field(0.0, rate if faulty else 0.0, requests, random)
        for faulty in (not noisy, *[False] * (CLEAN_FIELDS - 1))
    ]
    unstable = [
        draw_field(NOISE, rate if faulty else 0.0, requests, random)
        for faulty in (noisy, *[False] * (NOISY_FIELDS - 1))
    ]
    return [*clean, *unstable]


def draw_field(noise: float, fault: float, requests: int, random: Random) -> Field:
    """Draw what happens to one field in every request."""
    chances = draw_chances(noise, fault)
    if len(chances) == 1:
        ((only, _),) = chances.items()
        drawn = Counter({only: requests})
    else:
        drawn = Counter(random.choices(list(chances), list(chances.values()), k=requests))
    sampled = {
        draw: sum(random.random() < SAMPLED for _ in range(number))
        for draw, number in drawn.items()
        # Of the draws in which all agree nothing is ever counted.
        if draw.new or draw.again
    }
    return Field(faulty=fault > 0, noisy=noise > 0, draws=drawn, sampled=sampled)


def draw_chances(noise: float, fault: float) -> dict[Draw, float]:
    """The probability of everything that can happen to a field in one request.

    Every answer has a value of its own with the probability that makes two of them differ in
    `noise` of the requests, and else the common one. A fault is a wrong value, the same each time.
    """
    odd = 1 - math.sqrt(1 - noise)
    chances: dict[Draw, float] = {}
    for p_odd, s_odd, c_odd, wrong in product((False, True), repeat=4):
        chance = fault if wrong else 1 - fault
        for own in (p_odd, s_odd, c_odd):
            chance *= odd if own else 1 - odd
        draw = Draw(
            new=p_odd or c_odd or wrong,
            again=p_odd or s_odd,
            again_new=s_odd or c_odd or wrong,
            fault=wrong,
        )
        if chance:
            chances[draw] = chances.get(draw, 0.0) + chance
    return chances


def figway_blames(fields: Sequence[Field], fault: Fault, own: PairShape) -> list[bool]:
    """Which fields make a mismatch by the paired test and the judge, as the observer asks them.

    `own` is what legacy's differences from itself look like in the noisy fields.
    """
    paths = {f"$.f{number}": counts_of(field) for number, field in enumerate(fields)}
    tests = call_paths(paths)
    calls = {path: test.call for path, test in tests.items()}
    return [
        calls[path] is Call.REGRESSION
        or mismatches(path, field, calls, fault, own if field.noisy else PairShape())
        for path, field in zip(paths, fields, strict=True)
    ]


def counts_of(field: Field) -> PathCounts:
    """What the re-probes of one field add up to: each on a mismatch, and some besides."""
    total = PathCounts()
    for draw, number in field.draws.items():
        picked = field.sampled.get(draw, 0)
        asked = ((True, picked), (False, number - picked if draw.new else 0))
        for sampled, times in asked:
            for one in triple_counts(triple_of(draw, sampled=sampled)).values():
                total += PathCounts(
                    b=one.b * times,
                    c=one.c * times,
                    d=one.d * times,
                    agrees=one.agrees * times,
                    agrees_sampled=one.agrees_sampled * times,
                )
    return total


def mismatches(
    path: str, field: Field, calls: Mapping[str, Call], fault: Fault, own: PairShape
) -> bool:
    """Whether the judge calls any request of this field a mismatch."""
    null = shape_of_pair("value", TOKEN, "null")
    return any(
        judge(
            ComparisonFacts(
                found=Found.DIFFERENT,
                differing=((path, Severity.MAJOR),),
                shapes=((path, null if draw.fault and fault is Fault.ODD else own),),
            ),
            triple_of(draw, sampled=False, path=path),
            calls,
            {path: own},
        ).outcome
        is Outcome.MISMATCH
        for draw, number in field.draws.items()
        if draw.new and number
    )


def triple_of(draw: Draw, *, sampled: bool, path: str = "$") -> Triple:
    """A draw as the observer would hand it over."""
    return Triple(
        sampled=sampled,
        new=frozenset({path} if draw.new else ()),
        again=frozenset({path} if draw.again else ()),
        again_new=frozenset({path} if draw.again_new else ()),
    )


def diffy_blames(fields: Sequence[Field], requests: int) -> list[bool]:
    """Which fields Diffy shows: it asks three times for every request and compares the totals."""
    blamed = []
    for field in fields:
        raw = sum(number for draw, number in field.draws.items() if draw.new)
        noise = sum(number for draw, number in field.draws.items() if draw.again)
        apart = abs(raw - noise)
        relative = apart / (raw + noise) if raw + noise else 0.0
        blamed.append(relative > RELATIVE and apart / requests > ABSOLUTE)
    return blamed


def token_shape(random: Random) -> PairShape:
    """What pairs of tokens have in common, as the re-probes of a noisy field bring them."""
    shape = PairShape()
    for _ in range(PAIRS):
        legacy, again = (f"{random.getrandbits(128):032x}" for _ in ("legacy", "again"))
        shape = merge(shape, shape_of_pair("value", legacy, again))
    return shape


def accepts_tokens_only(own: PairShape) -> bool:
    """Whether a rule is proposed, and it accepts another token and not `null`."""
    rule = propose("$.token", own).rule
    return (
        rule is not None
        and rule.op is Op.SHAPE
        and same_shape(TOKEN, TOKEN[::-1])
        and not same_shape(TOKEN, "null")
    )


def under_rule(field: Field, fault: Fault) -> Field:
    """The same draws compared by the rule: any token will do, also a wrong one."""

    def ruled(draws: Mapping[Draw, int]) -> Mapping[Draw, int]:
        seen: Counter[Draw] = Counter()
        for draw, number in draws.items():
            shown = draw.fault and fault is Fault.ODD
            seen[Draw(new=shown, again=False, again_new=shown, fault=draw.fault)] += number
        return seen

    if not field.noisy:
        return field
    return Field(
        faulty=field.faulty, noisy=True, draws=ruled(field.draws), sampled=ruled(field.sampled)
    )


def describe_detection(cases: Sequence[Case], requests: int) -> RowResult:
    """All cases as a row."""
    routes = cases[0].routes
    fields = (CLEAN_FIELDS + NOISY_FIELDS - 1) * routes
    # What holds no fault at all is not missed.
    shown = [case for case in cases if case.fault is not Fault.ALIKE and case.rate * requests >= 10]
    return RowResult(
        name="detection",
        title=f"Faults in one of {CLEAN_FIELDS + NOISY_FIELDS} fields, {NOISY_FIELDS} of them noisy"
        f" on {NOISE:.0%} of the requests: {routes:,} routes of {requests:,} requests",
        header=(
            "fault",
            "Figway found",
            "missed",
            "false alarms",
            "with the proposed rule",
            "missed",
            "false alarms",
            "Diffy's rule found",
            "missed",
            "false alarms",
        ),
        lines=tuple(
            (
                f"{case.rate:.1%} of requests, {case.fault}",
                *_told(case.figway, routes),
                *(("", "", "") if case.with_rule is None else _told(case.with_rule, routes)),
                *_told(case.diffy, routes),
            )
            for case in cases
        ),
        targets=(
            Target(
                what="faults missed that ten or more requests hold, on clean fields or of another"
                " shape",
                value=sum(routes - case.figway.found for case in shown),
                bound=0,
            ),
            Target(
                what="false alarms per field without a fault",
                value=max(case.figway.blamed for case in cases) / fields,
                bound=0.05,
            ),
            Target(
                what="faults that Diffy's rule finds and Figway misses, of all cases in all routes",
                value=sum(max(0, case.diffy.found - case.figway.found) for case in cases),
                bound=0,
            ),
        ),
        notes=(
            f"Figway asks legacy again for {SAMPLED:.0%} of the requests and on every mismatch,"
            " Diffy for every request. A field is found when the judge makes a mismatch of it.",
            f"Diffy's rule on the same draws: relative > {RELATIVE:.0%},"
            f" absolute > {ABSOLUTE:.2%}.",
            "The noise is tokens of 32 hexadecimal digits. A fault of another shape is `null`, one"
            " of the same shape a wrong token, the same each time. The proposed rule accepts any"
            " token: it makes the second kind invisible, and its author must know that.",
            f"False alarms are of {fields:,} fields without a fault, at one look after all"
            f" requests. The seed is {SEED}.",
        ),
        figures={
            f"{case.rate:g} {case.fault}": {
                "routes": case.routes,
                "figway_found": case.figway.found,
                "figway_false_alarms": case.figway.blamed,
                "with_rule_found": None if case.with_rule is None else case.with_rule.found,
                "with_rule_false_alarms": (
                    None if case.with_rule is None else case.with_rule.blamed
                ),
                "diffy_found": case.diffy.found,
                "diffy_false_alarms": case.diffy.blamed,
            }
            for case in cases
        },
    )


def _told(found: Blame, routes: int) -> tuple[str, str, str]:
    return f"{found.found}", f"{routes - found.found}", f"{found.blamed}"
