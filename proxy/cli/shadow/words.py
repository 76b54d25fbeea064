"""How captured text, numbers, times and rules are written for people. Pure."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_PLAIN_YAML = re.compile(r"[A-Za-z$_][A-Za-z0-9$_.:/-]*(?<!:)")
# To YAML 1.1 these words are booleans or nothing.
_NO_WORDS = frozenset({"yes", "no", "on", "off", "y", "n", "true", "false", "null"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What Markdown, or GitHub's dialect of it, could take for markup.
_MARKUP = re.compile(r"[\\`*_\[\]|~#$!@]|://|www\.")


def printable(text: str) -> str:
    """Captured text for a terminal: what could steer it, or reorder the line, is escaped."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    match character:
        case "\n":
            return "\\n"
        case "\t":
            return "\\t"
        case "\r":
            return "\\r"
        case _:
            return f"\\x{ord(character):02x}"


def markdown(text: str) -> str:
    """Captured text for Markdown: shown as it is, never read as markup, HTML, link or mention."""
    safe = html.escape(printable(text), quote=False)
    return _MARKUP.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[0]), safe)


def code(text: str) -> str:
    """The same as a piece of code. Backticks could be ended from inside."""
    return f"<code>{markdown(text)}</code>"


def short(text: str, width: int) -> str:
    """Text cut to so many characters."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def number(count: int) -> str:
    """A count with its thousands apart."""
    return f"{count:,}"


def share(value: float) -> str:
    """A share as a percentage of three digits."""
    return f"{value * 100:.3g} %" if math.isfinite(value) else "-"


def moment(seconds: float) -> str:
    """A point in time, in UTC."""
    if seconds <= 0:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def milliseconds(seconds: float) -> str:
    """A short duration."""
    return f"{seconds * 1000:,.0f} ms"


def rule_line(rule: Mapping[str, object]) -> str:
    """An entry of compare.rules as a line of routes.yaml."""
    pairs = ", ".join(f"{key}: {_yaml(key, value)}" for key, value in rule.items())
    return f"- {{{pairs}}}"


def _yaml(key: str, value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if key == "expires" and _DATE.fullmatch(value):
        return value
    if key == "tolerance" and re.fullmatch(r"[0-9.]+[a-z]+", value):
        return value
    if _PLAIN_YAML.fullmatch(value) and value.lower() not in _NO_WORDS:
        return value
    return '"' + "".join(map(_quotable, value)) + '"'


def _quotable(character: str) -> str:
    """One character between YAML's double quotes. JSON's surrogate pairs would be two to YAML."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    point = ord(character)
    return f"\\x{point:02x}" if point < 256 else f"\\U{point:08x}"
