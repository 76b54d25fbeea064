"""One YAML scalar without quotes: a value that every YAML reader agrees about, or a trap."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BOOLEAN_WORDS = {"yes": True, "no": False, "on": True, "off": False, "y": True, "n": False}
_CONSTANTS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]{0,17})\.[0-9]{0,17}|\.[0-9]{1,17})")
# What some YAML reader takes for a number or a date, and what it is called.
_TRAPS = (
    (re.compile(r"[-+]?0o?[0-9_]+"), "is octal to some YAML readers and decimal to others"),
    (re.compile(r"[-+]?0[xb][0-9a-fA-F_]+"), "is a number in another base than ten"),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
        "is a number in base sixty to YAML 1.1",
    ),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"), "is a number only to YAML 1.1"),
    (
        re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+"),
        "is a number to some YAML readers and a word to others",
    ),
    (re.compile(r"[-+]?[0-9]{19,}(\.[0-9]*)?|[-+]?[0-9]*\.[0-9]{18,}"), "has too many digits"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "is not a finite number"),
    (
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"),
        "is a date to YAML 1.1",
    ),
)
# Only these first characters can begin anything but a word.
_SPECIAL_START = frozenset("0123456789+-.~nNtTfFyYoO")


@dataclass(frozen=True, slots=True)
class Trap:
    """A scalar that YAML readers take for different values."""

    text: str
    rule: str
    message: str


def plain_scalar(text: str) -> str | int | float | bool | Trap | None:
    """Return what the scalar is to every reader; a `Trap` where they differ."""
    if text and text[0] not in _SPECIAL_START:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    word = _BOOLEAN_WORDS.get(text.lower())
    if word is not None:
        boolean = str(word).lower()
        message = (
            f"the plain word {text} is the boolean {boolean} to YAML 1.1: "
            f"write {quoted(text)} for the word, {boolean} for the boolean"
        )
        return Trap(text, "YAML001", message)
    if _INTEGER.fullmatch(text):
        return int(text)
    for trap, what in _TRAPS:
        if trap.fullmatch(text):
            mend = f"write {quoted(text, 40)} in quotes, or a plain decimal number"
            return Trap(text, "YAML004", f"{text[:40]} {what}: {mend}")
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text


def quoted(text: str, limit: int = 60) -> str:
    """Quote a value for a message: one line, no control characters, not endless."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return f'"{printable(shown)}"'


def printable(text: str) -> str:
    """Escape what would move the cursor of whoever reads a message."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
