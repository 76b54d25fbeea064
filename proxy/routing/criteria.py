"""Criteria on headers, query parameters and cookies, compiled, and how well a request fits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import re2

from proxy.routing.facts import RequestFacts, cookie_values
from proxy.routing.route import Match, ValueKind, ValueMatch
from proxy.routing.target import Reading, read_query


class Source(Enum):
    """Where a criterion looks."""

    HEADER = "header"
    QUERY = "query"
    COOKIE = "cookie"


class Fit(Enum):
    """How a request stands to a criterion."""

    YES = "yes"
    NO = "no"
    # Some readers of the request would say yes, others no.
    UNCLEAR = "unclear"


class UnclearRequest(Exception):
    """A criterion that decides where the request goes can be read in two ways.

    Ends a search, and is caught there.
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__(criterion.describe())
        self.criterion = criterion


class PatternError(ValueError):
    """A pattern that RE2 does not accept; the text says why."""


def compile_pattern(pattern: str) -> Callable[[str], object | None]:
    """A whole-string matcher that runs in linear time; raises `PatternError`."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Any = re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise PatternError(f"RE2 does not accept {pattern!r}: {text}") from None
    fullmatch: Callable[[str], object | None] = compiled.fullmatch
    return fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One `ValueMatch`, ready to be asked."""

    source: Source
    match: ValueMatch
    # Set for regular expressions only.
    pattern: Callable[[str], object | None] | None = None

    def accepts(self, value: str | None) -> bool:
        """Whether one readable value (None: absent) satisfies the criterion."""
        if value is None:
            return False
        if self.match.kind is ValueKind.EXACT:
            return value == self.match.value
        return self.pattern is None or self.pattern(value) is not None

    def fit(self, facts: RequestFacts) -> Fit:
        """How this request stands to the criterion."""
        reading = read(self.source, self.match.name, facts)
        if reading.unreadable:
            return Fit.UNCLEAR
        answers = {self.accepts(value) for value in reading.values}
        if len(answers) == 2:
            return Fit.UNCLEAR
        return Fit.YES if True in answers else Fit.NO

    def describe(self) -> str:
        """The criterion as people write it: `query route = product/product`."""
        name = f"{self.source.value} {self.match.name}"
        if self.match.kind is ValueKind.PRESENT:
            return f"{name} present"
        sign = "=" if self.match.kind is ValueKind.EXACT else "~"
        return f"{name} {sign} {self.match.value}"


def read(source: Source, name: str, facts: RequestFacts) -> Reading:
    """What the request says under a name, for every reader of it."""
    match source:
        case Source.HEADER:
            return Reading((facts.header(name),))
        case Source.QUERY:
            return read_query(facts.query, name)
        case Source.COOKIE:
            value = facts.cookie(name)
            if value is not None:
                return Reading((value,))
            return Reading(cookie_values(facts.header("cookie"), name) or (None,))


def compile_criterion(source: Source, match: ValueMatch) -> Criterion:
    """Compile one criterion; raises `PatternError`."""
    pattern = compile_pattern(match.value) if match.kind is ValueKind.REGEX else None
    return Criterion(source=source, match=match, pattern=pattern)


def compile_criteria(match: Match) -> tuple[Criterion, ...]:
    """All value criteria of a route: headers, query, cookies; raises `PatternError`."""
    return tuple(
        compile_criterion(source, value_match)
        for source, value_matches in (
            (Source.HEADER, match.headers),
            (Source.QUERY, match.query),
            (Source.COOKIE, match.cookies),
        )
        for value_match in value_matches
    )


def all_fit(criteria: tuple[Criterion, ...], facts: RequestFacts) -> bool:
    """Whether every criterion fits; raises `UnclearRequest` where that depends on the reader.

    A criterion that fits nobody's reading settles it: then the others need not be clear.
    """
    unclear: Criterion | None = None
    for criterion in criteria:
        fit = criterion.fit(facts)
        if fit is Fit.NO:
            return False
        if fit is Fit.UNCLEAR and unclear is None:
            unclear = criterion
    if unclear is not None:
        raise UnclearRequest(unclear)
    return True
