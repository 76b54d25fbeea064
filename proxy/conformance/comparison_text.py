"""A comparison for people: every cause with its explanation, both values beside each other."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.compare.comparison import Cause, Comparison, Difference, Result
from proxy.compare.silence import silencing_rule, written
from proxy.compare_policy import Rule, Severity
from proxy.conformance.concealment import printable, printable_lines
from proxy.conformance.recorded_case import yaml_text

# Paths of one cause that are listed.
_PATHS = 5
_NARROWEST = 20
_INDENT = "  "


def _plain(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """How a text is emphasised; by default not at all."""

    bold: Callable[[str], str] = _plain
    good: Callable[[str], str] = _plain
    bad: Callable[[str], str] = _plain


PLAIN = Paint()


def comparison_lines(
    comparison: Comparison, *, width: int = 100, paint: Paint = PLAIN
) -> Iterator[str]:
    """The causes one after the other, worst first; then what was ignored on purpose."""
    for cause in comparison.causes:
        yield from cause_lines(cause, comparison.differences, width=width, paint=paint)
    if comparison.incomparable:
        yield paint.bad(f"cannot be compared: {comparison.incomparable}")
    if comparison.more:
        yield f"{comparison.more} more differences are counted above and not listed one by one"
    for defect in comparison.legacy_defects:
        yield f"defect of legacy, not of new: PHP {defect.level}: {printable(defect.message)}"
    if comparison.result in (Result.NORMALISED, Result.DIFFERENT, Result.EXPECTED):
        for use in comparison.rules_used:
            did = "expected" if use.expected else "taken as equal"
            yield f"{did} by {use.rule}: {printable(use.path)} ({use.count})"


def cause_lines(
    cause: Cause, seen: tuple[Difference, ...] = (), *, width: int = 100, paint: Paint = PLAIN
) -> Iterator[str]:
    """One cause: sentence, places, both values, and the rule that would take them as equal."""
    word = cause.severity.value
    marked = paint.bad(word) if cause.severity is not Severity.MINOR else paint.bold(word)
    times = f", {cause.count} times" if cause.count > 1 else ""
    yield f"{marked}  {printable(', '.join(cause.paths[:_PATHS]))}{_more(cause)}{times}"
    explanation = printable_lines(cause.explanation)
    for line in textwrap.wrap(explanation, max(_NARROWEST, width - len(_INDENT))):
        yield f"{_INDENT}{line}"
    yield from _values(cause.example, width - len(_INDENT), paint)
    rule = silencing_rule(cause, seen)
    if rule is not None:
        yield f"{_INDENT}silenced by: - {rule_text(rule)}"
    else:
        yield f"{_INDENT}no rule silences it: mend it"


def _more(cause: Cause) -> str:
    rest = len(cause.paths) - _PATHS
    return f" and {rest} more paths" if rest > 0 else ""


def _values(example: Difference, width: int, paint: Paint) -> Iterator[str]:
    yield from (
        f"{_INDENT}{line}"
        for line in side_by_side(
            ("legacy", _shown(example.legacy)), ("new", _shown(example.new)), width, paint
        )
    )
    if example.at != example.path:
        yield f"{_INDENT}at {printable(example.at)}"


def _shown(value: str | None) -> str:
    return "(absent)" if value is None else value or "(empty)"


def side_by_side(
    left: tuple[str, str], right: tuple[str, str], width: int, paint: Paint = PLAIN
) -> Iterator[str]:
    """Two titled texts in two columns of a page that is `width` characters wide."""
    column = max(_NARROWEST, (width - 3) // 2)
    columns = [_wrapped(text, column) for _, text in (left, right)]
    longest = max(len(left[0]), *(len(line) for line in columns[0]))
    yield f"{paint.bold(left[0].ljust(longest))} | {paint.bold(right[0])}"
    for number in range(max(map(len, columns))):
        one, other = (lines[number] if number < len(lines) else "" for lines in columns)
        yield f"{one.ljust(longest)} | {other}".rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    return [
        piece
        for line in printable_lines(text).split("\n")
        for piece in textwrap.wrap(
            line, width, drop_whitespace=False, replace_whitespace=False, break_on_hyphens=False
        )
        or [""]
    ]


def rule_text(rule: Rule) -> str:
    """A rule as one line of `compare.rules`."""
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in written(rule).items()) + "}"


def _scalar(value: object) -> str:
    text = str(value)
    plain = text and all(c.isalnum() or c in "$._-" for c in text) and ".." not in text
    return text if plain else yaml_text(text)
