"""What becomes of a logged request before and after a change, through the `decide` of traffic.

Where that hangs on a sticky key which the log does not hold, it is not guessed: the request counts
for every client it may have come from, as a share of each outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from proxy.replay.keys import keys_by_bucket
from proxy.replay.logged_facts import LoggedFacts
from proxy.replay.version import Version
from proxy.routing.decision import Decision
from proxy.routing.rewrite import upstream_target
from proxy.routing.route import Route
from proxy.stages import Side

# Different answers that are remembered; beyond it they are found out again.
_REMEMBERED: Final = 20_000
# Every so many-th key.
_COARSE: Final = 20

_Case = TypeVar("_Case", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One pair of decisions, and the share of the request that comes to it, 0..1."""

    before: Decision
    after: Decision
    share: float
    # Both times the same upstream, which is asked for something else.
    other_target: bool = False

    @property
    def is_change(self) -> bool:
        """Whether another upstream is asked, or for something else."""
        return self.other_target or self.before.upstream.name != self.after.upstream.name


Outcomes = tuple[Outcome, ...]


class Judge:
    """Holds two versions of a migration against each other, one request at a time."""

    def __init__(self, before: Version, after: Version) -> None:
        self.before = before
        self.after = after
        # The decisions are kept with what came of them, so that their identities stay taken.
        self._known: dict[tuple[object, ...], tuple[Decision, Decision, Outcomes]] = {}
        self._one_of_each: dict[tuple[object, ...], Outcomes] = {}

    def outcomes(self, facts: LoggedFacts) -> Outcomes:
        """The outcomes of a request, whose shares add up to 1. Equal ones are one object."""
        before = self.before.decide(facts)
        before_open = self.before.is_open(before, facts)
        after = self.after.decide(facts)
        after_open = self.after.is_open(after, facts)
        by_rule = (before_open and self.before.has_rule(before.route)) or (
            after_open and self.after.has_rule(after.route)
        )
        other_target = before.route.rewrite != after.route.rewrite and _other_target(
            before.route, after.route, facts
        )
        key = (
            before.route.id if before_open else id(before),
            after.route.id if after_open else id(after),
            before_open,
            after_open,
            other_target,
            tuple(sorted(facts.asked.items(), key=str)) if by_rule else (),
        )
        known = self._known.get(key)
        if known is not None:
            return known[2]
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if before_open or after_open:
            # What a rule asks for differs from request to request: then fewer keys have to do.
            step = _COARSE if by_rule and facts.asked else 1
            pairs = self._pairs(before, after, before_open, after_open, facts, step)
        else:
            pairs = [(before, after, 1.0)]
        found = tuple(
            Outcome(
                before=one,
                after=two,
                share=share,
                other_target=other_target
                and one.side is two.side is Side.NEW
                and one.upstream.name == two.upstream.name,
            )
            for one, two, share in pairs
        )
        found = self._one_of_each.setdefault(
            tuple((id(o.before), id(o.after), o.share, o.other_target) for o in found), found
        )
        self._known[key] = before, after, found
        return found

    def _pairs(
        self,
        before: Decision,
        after: Decision,
        before_open: bool,
        after_open: bool,
        facts: LoggedFacts,
        step: int,
    ) -> list[tuple[Decision, Decision, float]]:
        of_what = self.before.bucket_of_what(before.route), self.after.bucket_of_what(after.route)
        firsts: tuple[Decision, ...] = (before,)
        seconds: tuple[Decision, ...] = (after,)
        if before_open:
            keys = keys_by_bucket(of_what[0][0])[step // 2 :: step]
            firsts = self.before.over(keys, before.route, facts)
        if after_open:
            keys = keys_by_bucket(of_what[1][0])[step // 2 :: step]
            seconds = self.after.over(keys, after.route, facts)
        if before_open and after_open and of_what[0] == of_what[1]:
            # The same key has the same bucket before and after: client by client.
            return [(*pair, share) for pair, share in _shares(zip(firsts, seconds, strict=True))]
        # Other buckets: who is in now says nothing of who was.
        return [
            (one, two, p * q)
            for (one,), p in _shares((each,) for each in firsts)
            for (two,), q in _shares((each,) for each in seconds)
        ]


def _shares(cases: Iterable[_Case]) -> list[tuple[_Case, float]]:
    """Different cases and their shares; by identity, since a decision's hash is that of a route."""
    counts: dict[tuple[int, ...], list[_Case]] = {}
    total = 0
    for case in cases:
        total += 1
        counts.setdefault(tuple(map(id, case)), []).append(case)
    return [(found[0], len(found) / total) for found in counts.values()]


def _other_target(before: Route, after: Route, facts: LoggedFacts) -> bool:
    try:
        return upstream_target(before, facts) != upstream_target(after, facts)
    except LookupError:
        # One of them lacks a value, and then that one stays on legacy.
        return False
