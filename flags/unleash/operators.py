"""Operators: what a constraint asks of the value of a field. Pure."""

from __future__ import annotations

from typing import Final

from flags.rule import Constraint

OPERATORS: Final = frozenset(
    {
        *("IN", "NOT_IN", "STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH", "REGEX", "IN_CIDR"),
        *("NUM_EQ", "NUM_GT", "NUM_GTE", "NUM_LT", "NUM_LTE", "DATE_AFTER", "DATE_BEFORE"),
        *("SEMVER_EQ", "SEMVER_GT", "SEMVER_GTE", "SEMVER_LT", "SEMVER_LTE"),
    }
)


def fault_of(constraint: Constraint) -> str:
    """Why nothing can meet a constraint, such as an operator that is not known; else empty."""
    if constraint.operator not in OPERATORS:
        return f"there is no operator {constraint.operator!r} that Figway knows"
    return ""
