"""Cohorts by segment: named sets of requests, by header, cookie or client address."""

from __future__ import annotations

from dataclasses import dataclass

from flags.addresses import AddressSet
from proxy.routing.criteria import Criterion, Source, compile_criterion
from proxy.routing.facts import RequestFacts, cookie_values
from proxy.routing.route import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The segments of one `always` or `never`, compiled into one question."""

    segments: tuple[tuple[str, tuple[Criterion, ...], AddressSet | None], ...]

    @classmethod
    def of(cls, segments: tuple[Segment, ...]) -> Cohort:
        """Compile segments; raises ValueError for a bad pattern or CIDR block."""
        return cls(segments=tuple(_compile(segment) for segment in segments))

    def holding(self, facts: RequestFacts) -> str | None:
        """The first segment this request is in for every reader of it."""
        for name, criteria, addresses in self.segments:
            if addresses is not None and addresses.holds(facts.client_ip):
                return name
            for criterion in criteria:
                if criterion.accepts(_value(criterion, facts)):
                    return name
        return None

    def perhaps_holding(self, facts: RequestFacts) -> str | None:
        """The first segment this request is in for any reader of it.

        For `never`: a cookie or header that came twice, or an address that cannot be read, must not
        let a request slip to the new side.
        """
        for name, criteria, addresses in self.segments:
            if addresses is not None and addresses.holds(facts.client_ip) is not False:
                return name
            for criterion in criteria:
                if any(criterion.accepts(value) for value in _all_values(criterion, facts)):
                    return name
        return None


def _compile(segment: Segment) -> tuple[str, tuple[Criterion, ...], AddressSet | None]:
    criteria: list[Criterion] = []
    blocks: list[str] = []
    for condition in segment.any:
        if condition.header is not None:
            criteria.append(compile_criterion(Source.HEADER, condition.header))
        if condition.cookie is not None:
            criteria.append(compile_criterion(Source.COOKIE, condition.cookie))
        if condition.cidr is not None:
            blocks.append(condition.cidr)
    return segment.name, tuple(criteria), AddressSet.of(tuple(blocks)) if blocks else None


def _value(criterion: Criterion, facts: RequestFacts) -> str | None:
    name = criterion.match.name
    return facts.header(name) if criterion.source is Source.HEADER else facts.cookie(name)


def _all_values(criterion: Criterion, facts: RequestFacts) -> tuple[str, ...]:
    name = criterion.match.name
    if criterion.source is Source.COOKIE:
        value = facts.cookie(name)
        return cookie_values(facts.header("cookie"), name) if value is None else (value,)
    line = facts.header(name)
    if line is None:
        return ()
    return (line, *(part.strip() for part in line.split(","))) if "," in line else (line,)
