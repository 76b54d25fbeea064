"""A comparison: two answers to one request, and the differences between them with their causes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.compare_policy import Severity


class Result(StrEnum):
    """What comparing came to."""

    # Byte-equal where it counts.
    EQUAL = "equal"
    # Equal after rules or the profile, which are counted.
    NORMALISED = "normalised"
    # Different only where a rule says `expected`.
    EXPECTED = "expected"
    DIFFERENT = "different"
    INCOMPARABLE = "incomparable"


class Kind(StrEnum):
    """What kind of difference it is."""

    STATUS = "status"
    HEADER = "header"
    # Another value of the same type.
    VALUE = "value"
    TYPE = "type"
    # Absent on the new side.
    MISSING = "missing"
    # Absent on the legacy side.
    EXTRA = "extra"
    ORDER = "order"
    LENGTH = "length"
    FACET = "facet"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where the two differ. Values are text for people, cut to 200 characters, redacted.

    `path` is a pattern (`$.items[*].price`), `at` the place (`$.items[3].price`). None stands for a
    value that is not there.
    """

    path: str
    at: str
    kind: Kind
    severity: Severity
    legacy: str | None
    new: str | None
    # Word and parameter of the inferred cause: `rounding`, `offset:+3600s`, `int_to_string`,
    # `null_to_missing`, `order`, `case`, `entity_escaping`, ...; empty when nothing explains it.
    cause: str = ""
    # Made by a rule `expected`; it does not count.
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Differences of one comparison that have one explanation: what becomes one ticket.

    The fingerprint (16 hex digits) is the same for the same cause in every comparison of a route:
    it depends on the cause word with its parameter, or on kind and path where nothing explains the
    difference; never on values, times or array positions.
    """

    fingerprint: str
    cause: str
    # One sentence: "legacy 12.345, new 12.35: rounded to 2 places".
    explanation: str
    kind: Kind
    severity: Severity
    paths: tuple[str, ...]
    count: int
    example: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyDefect:
    """A PHP message in a legacy body: `Warning`, and the message without paths and line numbers."""

    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUse:
    """How often a rule or an equivalence of the profile made two values equal, or expected."""

    # `rule:3` is routes.yaml's compare.rules[3]; `php:number`, `header:date`, ... are built in.
    rule: str
    path: str
    count: int
    # What differs fell under a rule `expected`: nothing was made equal.
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing two answers came to."""

    result: Result
    # Worst first; `more` were found beyond the limit. Every difference counts in `causes`.
    differences: tuple[Difference, ...] = ()
    more: int = 0
    causes: tuple[Cause, ...] = ()
    rules_used: tuple[RuleUse, ...] = ()
    # Why they cannot be compared: budget, depth, size, decode, parse, ...
    incomparable: str = ""
    legacy_defects: tuple[LegacyDefect, ...] = ()
    # What the response looks like apart from its values: one of the parts of a request signature.
    shape: str = ""
    # Every path that was different by value, so that re-probes can be paired with it.
    differing_paths: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The worst severity of a difference that counts; None without one."""
        counting = {cause.severity for cause in self.causes}
        return next((severity for severity in Severity if severity in counting), None)
