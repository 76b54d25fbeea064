"""Operators: what a constraint asks of the value of a field. Pure.

Each operator becomes a test of text that is made once and asked often. A field that a request does
not have meets no operator; that `inverted` turns this into yes is Unleash's meaning of it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import re2

from flags.addresses import AddressSet, is_block
from flags.rule import Constraint
from flags.unleash.semver import Version, read_version

# What a value must be like; None: the request does not have the field.
Test = Callable[[str | None], bool]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
# RFC 3339: a date, a time and an offset.
_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "EQ": operator.eq,
    "GT": operator.gt,
    "GTE": operator.ge,
    "LT": operator.lt,
    "LTE": operator.le,
    "AFTER": operator.gt,
    "BEFORE": operator.lt,
}
_PIECE: Final[dict[str, Callable[[str, str], bool]]] = {
    "STR_CONTAINS": operator.contains,
    "STR_STARTS_WITH": str.startswith,
    "STR_ENDS_WITH": str.endswith,
}


class ConstraintError(ValueError):
    """A constraint that nothing can meet; the text says why."""


def fault_of(constraint: Constraint) -> str:
    """Why nothing can meet a constraint, such as an operator that is not known; else empty."""
    try:
        compile_test(constraint)
    except ConstraintError as error:
        return str(error)
    return ""


def compile_test(constraint: Constraint) -> Test:
    """The test of one constraint, `inverted` included. Raises `ConstraintError`."""
    test = _test(constraint)
    if not constraint.inverted:
        return test
    return lambda value: not test(value)


def compile_moment_test(constraint: Constraint) -> Callable[[float], bool]:
    """The test of a date constraint for a time in seconds since the epoch."""
    wanted = _date(constraint)
    order = _ORDER[constraint.operator.removeprefix("DATE_")]
    inverted = constraint.inverted
    return lambda moment: order(moment, wanted) is not inverted


def read_moment(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 date; None when it is none."""
    if _DATE(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        return None


def _test(constraint: Constraint) -> Test:
    values = frozenset(constraint.values)
    match constraint.operator:
        case "IN":
            return values.__contains__
        case "NOT_IN":
            return lambda value: value not in values
        case "STR_CONTAINS" | "STR_STARTS_WITH" | "STR_ENDS_WITH":
            return _piece_test(constraint)
        case "REGEX":
            return _pattern_test(constraint)
        case "IN_CIDR":
            return _address_test(constraint)
        case _:
            return _ordered_test(constraint)


def _ordered_test(constraint: Constraint) -> Test:
    kind, _, order = constraint.operator.partition("_")
    known = _ORDERED.get(kind)
    if known is not None and order in known[0]:
        return known[1](constraint, _ORDER[order])
    raise ConstraintError(f"there is no operator {constraint.operator!r} that Figway knows")


def _piece_test(constraint: Constraint) -> Test:
    has = _PIECE[constraint.operator]
    if constraint.case_insensitive:
        lower = tuple(value.lower() for value in constraint.values)

        def test_lower(value: str | None) -> bool:
            return value is not None and any(has(value.lower(), piece) for piece in lower)

        return test_lower
    pieces = constraint.values

    def test(value: str | None) -> bool:
        return value is not None and any(has(value, piece) for piece in pieces)

    return test


def _pattern_test(constraint: Constraint) -> Test:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not constraint.case_insensitive
    # Linear time whatever the pattern and the value: whoever sends a request chooses the value. A
    # set of one, because it tells whether it was found and does not work out where.
    patterns: Any = re2.Set.SearchSet(options)
    try:
        patterns.Add(constraint.value)
        patterns.Compile()
    except re2.error:
        raise ConstraintError(f"{constraint.value!r} is no pattern that RE2 accepts") from None
    found = patterns.Match
    return lambda value: value is not None and bool(found(value))


def _address_test(constraint: Constraint) -> Test:
    blocks = tuple(value for value in constraint.values if is_block(value))
    if not blocks:
        raise ConstraintError("not one value is an address or a CIDR block")
    holds = AddressSet.of(blocks, strict=False).holds
    return lambda value: value is not None and holds(value) is True


def _number(text: str) -> float | None:
    return float(text) if _NUMBER(text) else None


def _number_test(constraint: Constraint, order: Callable[[Any, Any], bool]) -> Test:
    wanted = _number(constraint.value.strip())
    if wanted is None:
        raise ConstraintError(f"{constraint.value!r} is no number")

    def test(value: str | None) -> bool:
        number = None if value is None else _number(value)
        return number is not None and order(number, wanted)

    return test


def _version_test(constraint: Constraint, order: Callable[[Any, Any], bool]) -> Test:
    wanted = read_version(constraint.value.strip())
    if wanted is None:
        raise ConstraintError(f"{constraint.value!r} is no semantic version")

    def test(value: str | None) -> bool:
        version: Version | None = None if value is None else read_version(value)
        return version is not None and order(version, wanted)

    return test


def _date(constraint: Constraint) -> float:
    wanted = read_moment(constraint.value.strip())
    if wanted is None:
        raise ConstraintError(f"{constraint.value!r} is no date with time and offset (RFC 3339)")
    return wanted


def _date_test(constraint: Constraint, order: Callable[[Any, Any], bool]) -> Test:
    wanted = _date(constraint)

    def test(value: str | None) -> bool:
        moment = None if value is None else read_moment(value)
        return moment is not None and order(moment, wanted)

    return test


_SIZES: Final = frozenset({"EQ", "GT", "GTE", "LT", "LTE"})
_ORDERED: Final = {
    "NUM": (_SIZES, _number_test),
    "SEMVER": (_SIZES, _version_test),
    "DATE": (frozenset({"AFTER", "BEFORE"}), _date_test),
}
