"""Values of secrets, kept out of everything that is told of a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote

from proxy.compare.comparison import Cause, Comparison, Difference

# Name of the placeholder and a value that was filled in for it.
Secret = tuple[str, str]

# A shorter value is found everywhere.
_SHORTEST = 3


def concealed(text: str, secrets: Collection[Secret]) -> str:
    """Write `${NAME}` in the place of every value, also where it is percent-encoded."""
    for name, value in sorted(secrets, key=lambda pair: -len(pair[1])):
        if len(value) >= _SHORTEST:
            for spelling in {value, quote(value, safe="")}:
                text = text.replace(spelling, f"${{{name}}}")
    return text


def concealed_comparison(comparison: Comparison, secrets: Collection[Secret]) -> Comparison:
    """The comparison with the values of secrets taken out of what it shows."""
    if not secrets:
        return comparison

    def difference(each: Difference) -> Difference:
        return replace(each, legacy=shown(each.legacy), new=shown(each.new))

    def cause(each: Cause) -> Cause:
        explanation = concealed(each.explanation, secrets)
        return replace(each, explanation=explanation, example=difference(each.example))

    def shown(text: str | None) -> str | None:
        return None if text is None else concealed(text, secrets)

    return replace(
        comparison,
        differences=tuple(map(difference, comparison.differences)),
        causes=tuple(map(cause, comparison.causes)),
    )


def printable(text: str) -> str:
    """The text on one line, without what a terminal would act on: an application wrote it."""
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def printable_lines(text: str) -> str:
    """The same, with its lines."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(code: int) -> str:
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
