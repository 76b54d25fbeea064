"""The narrowest rule that would take the differences of one cause as equal.

For people to judge, never applied by itself: where a difference looks like a defect and not like
noise, the rule is `expected`, which wants a reason and an end.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import starmap
from typing import Protocol, TypeVar

from proxy.compare.comparison import Cause, Kind
from proxy.compare.moments import epoch, gap, moment
from proxy.compare.paths import PathError, Take, member, parse
from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare.shapes import same_shape
from proxy.compare_policy import ComparePolicy, Op, Rule

_Distance = TypeVar("_Distance", Decimal, float)

# To be filled in by whoever takes the rule over.
REASON = "why, with a ticket"
EXPIRES = "YYYY-MM-DD"

# Made by a machine for one answer: an id, a digest, a token.
_GENERATED = re.compile(r"[A-Za-z0-9_+/=:-]{16,}").fullmatch
_DISTANCES = frozenset({"rounding", "unrounded", "float_noise", "number_notation"})
_MOMENTS = frozenset({"clock_skew", "date_precision", "date_format"})
_NOTHINGS = frozenset({"null_to_missing", "missing_to_null"})
# JSON in a page has the rules of a body of JSON: `html:ld+json$.a` is reached by `$.a`.
_EMBEDDED = re.compile(r"html:[^$]*(?=\$)").sub


class Seen(Protocol):
    """A difference, as it was found or as it is kept."""

    @property
    def path(self) -> str:
        """Its pattern of places."""

    @property
    def cause(self) -> str:
        """Its cause word."""

    @property
    def legacy(self) -> str | None:
        """The value of legacy as text; None without one."""

    @property
    def new(self) -> str | None:
        """The value of new as text; None without one."""


def silencing_rule(cause: Cause, seen: Iterable[Seen] = ()) -> Rule | None:
    """The rule, with `REASON` and `EXPIRES` where they are wanted; None: no rule silences it.

    Of the differences `seen` in the same comparison, those of this cause fall under it too.
    """
    if cause.kind is Kind.BODY:
        # A name that stands twice, NaN, another charset: rules are about values, not about bodies.
        return None
    path = _path(cause)
    paths = dict.fromkeys((path, _EMBEDDED("", path)))
    pairs = [(_plain(each.legacy), _plain(each.new)) for each in _alike(cause, seen)]
    candidates = (rule for each in paths for rule in (_narrow(cause, each, pairs), _expected(each)))
    return next((rule for rule in candidates if rule is not None and _is_possible(rule)), None)


def written(rule: Rule) -> dict[str, object]:
    """A rule as an entry of `compare.rules` in routes.yaml: its keys, and the values as text."""
    entry: dict[str, object] = {"path": rule.path, "op": rule.op.value}
    if rule.tolerance or rule.op is Op.DATETIME:
        entry["tolerance"] = f"{rule.tolerance:g}s"
    if rule.absolute is not None:
        entry["abs"] = f"{rule.absolute:f}"
    if rule.relative is not None:
        entry["rel"] = f"{rule.relative:f}"
    entry |= {key: getattr(rule, key) for key in ("key", "reason", "expires") if getattr(rule, key)}
    return entry


def _alike(cause: Cause, seen: Iterable[Seen]) -> Iterator[Seen]:
    yield cause.example
    paths = frozenset(cause.paths)
    for each in seen:
        if each.cause == cause.cause and each.path in paths:
            yield each


def _narrow(cause: Cause, path: str, pairs: list[tuple[str | None, str | None]]) -> Rule | None:
    word = cause.cause.partition(":")[0]
    both = [(one, other) for one, other in pairs if one is not None and other is not None]
    if len(both) < len(pairs):
        return Rule(path=path, op=Op.NULL_EQUALS_MISSING) if word in _NOTHINGS else None
    if cause.kind is Kind.ORDER and path.startswith("$"):
        return Rule(path=path, op=Op.UNORDERED)
    if word in _DISTANCES:
        distance = _widest([_distance(*each) for each in both])
        return Rule(path=path, op=Op.NUMBER, absolute=distance) if distance is not None else None
    if word in _MOMENTS:
        span = _widest([_span(*each) for each in both])
        return Rule(path=path, op=Op.DATETIME, tolerance=span) if span is not None else None
    if not word and cause.kind is Kind.VALUE and all(starmap(_is_generated, both)):
        return Rule(path=path, op=Op.SHAPE)
    return None


def _widest(distances: Sequence[_Distance | None]) -> _Distance | None:
    known = [each for each in distances if each is not None]
    return max(known) if len(known) == len(distances) else None


def _expected(path: str) -> Rule:
    return Rule(path=path, op=Op.EXPECTED, reason=REASON, expires=EXPIRES)


def _plain(text: str | None) -> str | None:
    """A value without the quotes that JSON puts around a text."""
    if text is None or not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        # It was cut.
        return text


def _distance(legacy: str, new: str) -> Decimal | None:
    try:
        distance = abs(Decimal(legacy) - Decimal(new))
    except InvalidOperation:
        return None
    return distance.normalize() if distance.is_finite() else None


def _span(legacy: str, new: str) -> float | None:
    """Whole seconds between two moments, rounded up."""
    one, other = moment(legacy) or epoch(legacy), moment(new) or epoch(new)
    distance = gap(one, other) if one is not None and other is not None else None
    return None if distance is None else float(math.ceil(abs(distance)))


def _is_generated(legacy: str, new: str) -> bool:
    return bool(_GENERATED(legacy) and _GENERATED(new)) and same_shape(legacy, new)


def _path(cause: Cause) -> str:
    """One path for all places of a cause: the only one, or the last member they share."""
    if len(cause.paths) > 1:
        names = {_last_member(path) for path in cause.paths}
        name = names.pop()
        if name and not names:
            return member("$.", name)
    return cause.example.path


def _last_member(path: str) -> str:
    try:
        steps = parse(path)
    except PathError:
        return ""
    last = steps[-1] if steps else None
    return last.name if last is not None and last.take is Take.MEMBER else ""


def _is_possible(rule: Rule) -> bool:
    """Whether the grammar of rules reaches the path: a status has none."""
    filled = Rule(
        path=rule.path,
        op=rule.op,
        tolerance=rule.tolerance,
        absolute=rule.absolute,
        reason=rule.reason,
        expires="2000-01-01" if rule.expires else "",
    )
    try:
        CompiledPolicy.compile(ComparePolicy(rules=(filled,)))
    except CompareRuleError:
        return False
    return True
