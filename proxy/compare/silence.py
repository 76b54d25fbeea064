"""The narrowest rule that would take the differences of one cause as equal.

For people to judge, never applied by itself: where a difference looks like a defect and not like
noise, the rule is `expected`, which wants a reason and an end.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from proxy.compare.comparison import Cause, Difference, Kind
from proxy.compare.paths import PathError, Take, member, parse
from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare.shapes import same_shape
from proxy.compare_policy import ComparePolicy, Op, Rule

# To be filled in by whoever takes the rule over.
REASON = "why, with a ticket"
EXPIRES = "YYYY-MM-DD"

_OFFSET = re.compile(r"offset:[+-]?([0-9]+(?:\.[0-9]+)?)s").fullmatch
# Two clocks, or two reads one after the other. Beyond it a constant offset is a time zone.
_SKEW = 60.0
# Made by a machine for one answer: an id, a digest, a token.
_GENERATED = re.compile(r"[A-Za-z0-9_+/=:-]{16,}").fullmatch
_NOTHINGS = frozenset({"null_to_missing", "missing_to_null", "null_to_empty", "empty_to_null"})


def silencing_rule(cause: Cause) -> Rule | None:
    """The rule, with `REASON` and `EXPIRES` where they are wanted; None: no rule reaches it."""
    path = _path(cause)
    candidates = (_narrow(cause, path), _expected(path))
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


def _narrow(cause: Cause, path: str) -> Rule | None:
    word = cause.cause.partition(":")[0]
    example = cause.example
    if cause.kind is Kind.ORDER or word == "order":
        return Rule(path=path, op=Op.UNORDERED)
    if word in _NOTHINGS:
        return Rule(path=path, op=Op.NULL_EQUALS_MISSING)
    if word == "rounding":
        distance = _distance(example)
        return Rule(path=path, op=Op.NUMBER, absolute=distance) if distance is not None else None
    offset = _OFFSET(cause.cause)
    if offset is not None and float(offset[1]) <= _SKEW:
        return Rule(path=path, op=Op.DATETIME, tolerance=float(offset[1]))
    if not cause.cause and cause.kind is Kind.VALUE and _is_generated(example):
        return Rule(path=path, op=Op.SHAPE)
    return None


def _expected(path: str) -> Rule:
    return Rule(path=path, op=Op.EXPECTED, reason=REASON, expires=EXPIRES)


def _distance(example: Difference) -> Decimal | None:
    try:
        distance = abs(Decimal(example.legacy or "") - Decimal(example.new or ""))
    except InvalidOperation:
        return None
    return distance.normalize() if distance.is_finite() and distance else None


def _is_generated(example: Difference) -> bool:
    legacy, new = example.legacy, example.new
    return (
        legacy is not None
        and new is not None
        and _GENERATED(legacy) is not None
        and _GENERATED(new) is not None
        and same_shape(legacy, new)
    )


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
