"""`${NAME}` in a case: filled from the environment and from what earlier steps captured."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

# `$${` is a literal `${`.
_PLACEHOLDER = re.compile(r"\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\})")

_Value = TypeVar("_Value")


class Unfilled(LookupError):
    """A placeholder for which there is no value; the argument is its name."""


def names_in(value: Any) -> Iterator[str]:
    """Every name that a text, or the texts within lists and mappings, ask for."""
    if isinstance(value, str):
        yield from (found[2] for found in _PLACEHOLDER.finditer(value) if found[2])
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from names_in(key)
            yield from names_in(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from names_in(below)


def fill(text: str, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """Put the values in, each passed through `encode`. Raises Unfilled."""

    def value(found: re.Match[str]) -> str:
        name = found[2]
        if not name:
            return "${"
        if name not in values:
            raise Unfilled(name)
        return encode(values[name])

    return _PLACEHOLDER.sub(value, text)


def fill_all(value: _Value, values: Mapping[str, str]) -> _Value:
    """Put the values into every text of a JSON value. Raises Unfilled."""
    filled: Any = value
    if isinstance(value, str):
        filled = fill(value, values)
    elif isinstance(value, dict):
        filled = {fill(key, values): fill_all(below, values) for key, below in value.items()}
    elif isinstance(value, list):
        filled = [fill_all(below, values) for below in value]
    result: _Value = filled
    return result


def without_placeholders(text: str) -> str:
    """The text with a letter in the place of each placeholder, to be judged by its syntax."""
    return _PLACEHOLDER.sub(lambda found: "x" if found[2] else "${", text)


def literal(text: str) -> str:
    """Write a text so that nothing in it is taken for a placeholder."""
    return text.replace("${", "$${")
