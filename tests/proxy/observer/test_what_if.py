"""What-if: what a draft of rules takes away from stored pairs, and what of that is no noise."""

from __future__ import annotations

import json

from proxy.compare.comparison import Comparison
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, Op, Rule
from proxy.evidence.exemplar import Exemplar, KeptAnswer, StoredExemplar
from proxy.evidence.noise import Call
from proxy.evidence.proposal import PairShape, merge, shape_of_pair
from proxy.observer.examine import Job, examine
from proxy.observer.what_if import Noise, what_if

AT = "2026-11-22T10:00:00Z"
SECONDS_LATER = "2026-11-22T10:00:03Z"
HOUR_LATER = "2026-11-22T11:00:00Z"
IN_FORCE = CompiledPolicy.compile(ComparePolicy())


def drafted(*rules: Rule) -> CompiledPolicy:
    return CompiledPolicy.compile(ComparePolicy(rules=rules))


def pair(number: int, at: str) -> StoredExemplar:
    """A stored pair whose sides say AT and `at`."""

    def answer(said: str) -> KeptAnswer:
        return KeptAnswer(
            upstream="u",
            status=200,
            headers=(("Content-Type", "application/json"),),
            body=json.dumps({"at": said, "name": "a"}).encode(),
        )

    return StoredExemplar(
        route="a",
        epoch_id="e",
        at=0.0,
        outcome="mismatch",
        detail="major",
        fingerprints=(),
        exemplar=Exemplar(
            id=f"{number:08x}", method="GET", target="/a", legacy=answer(AT), new=answer(at)
        ),
    )


def legacy_itself(pairs: int = 5) -> PairShape:
    """What legacy's own differences at `$.at` have in common: it is asked seconds later."""
    shape = PairShape()
    for _ in range(pairs):
        shape = merge(shape, shape_of_pair("value", AT, SECONDS_LATER))
    return shape


async def compare(job: Job) -> Comparison:
    return examine(job)


NOISE = Noise(calls={"$.at": Call.NOISE}, own={"$.at": legacy_itself()})
IGNORE = Rule(path="$.at", op=Op.IGNORE, reason="T-1", expires="2099-01-01")
CLOSE = Rule(path="$.at", op=Op.DATETIME, tolerance=5.0)


async def test_what_differs_as_legacy_does_from_itself_is_noise() -> None:
    pairs = (pair(1, SECONDS_LATER), pair(2, SECONDS_LATER))
    found = await what_if(pairs, IN_FORCE, drafted(CLOSE), NOISE, compare)
    (each,) = found.silenced
    assert (each.pairs, each.noise, found.unused) == (2, True, ())


async def test_a_draft_that_expects_a_difference_changes_something() -> None:
    expected = Rule(path="$.at", op=Op.EXPECTED, reason="T-1", expires="2099-01-01")
    other = Rule(path="$.name", op=Op.EXPECTED, reason="T-1", expires="2099-01-01")
    pairs = (pair(1, HOUR_LATER),)
    found = await what_if(pairs, IN_FORCE, drafted(expected, other), NOISE, compare)
    assert (len(found.silenced), found.unused) == (1, (1,))


async def test_a_fault_at_a_noisy_path_is_not_taken_for_its_noise() -> None:
    """A time that is an hour off, among times that are seconds off."""
    pairs = (pair(1, SECONDS_LATER), pair(2, HOUR_LATER))
    ignored = await what_if(pairs, IN_FORCE, drafted(IGNORE), NOISE, compare)
    assert {(each.cause, each.noise) for each in ignored.silenced} == {
        ("clock_skew", True),
        ("offset:+3600s", False),
    }
    close = await what_if(pairs, IN_FORCE, drafted(CLOSE), NOISE, compare)
    assert [each.noise for each in close.silenced] == [True]
    assert (close.before, close.after) == (2, 1)


async def test_a_path_that_nobody_found_noisy_is_none() -> None:
    found = await what_if(
        (pair(1, SECONDS_LATER),), IN_FORCE, drafted(CLOSE), Noise(calls={}, own={}), compare
    )
    assert [each.noise for each in found.silenced] == [False]


async def test_a_rule_of_the_draft_that_does_nothing_is_named_by_its_place() -> None:
    rules = (Rule(path="$.gone", op=Op.SHAPE), CLOSE)
    found = await what_if((pair(1, SECONDS_LATER),), IN_FORCE, drafted(*rules), NOISE, compare)
    assert found.unused == (0,)
