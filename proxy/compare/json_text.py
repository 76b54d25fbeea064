"""JSON text to values: exact, bounded, duplicate names noted.

Numbers stay the `bytes` they were written with. So no digit is lost however long they are, `1` is
neither `1.0` nor `"1"`, and `==` on whole trees, which runs in C, is exact and strict about types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from proxy.compare.charset import text_of
from proxy.compare.reader import Incomparable
from proxy.compare_policy import CompareLimits

# Objects are dict, arrays list, numbers bytes; texts, true, false and null as in Python.
Json = object


class NotJson(ValueError):
    """A body that is no JSON (RFC 8259); the text says why, without quoting the body."""


# Once for all: a decoder keeps nothing between two texts.
_DECODER = json.JSONDecoder(parse_int=str.encode, parse_float=str.encode, parse_constant=str.encode)


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON text that was read, and its value."""

    text: str
    value: Json
    # Whether it came as UTF-8 (RFC 8259, 8.1).
    is_utf8: bool = True

    @property
    def colons(self) -> int:
        """How many colons it has, those that are escaped included."""
        text = self.text
        escaped = text.count("\\u003a") + text.count("\\u003A") if "\\" in text else 0
        return text.count(":") + escaped

    @property
    def may_have_duplicates(self) -> bool:
        """Whether it has colons that are not in its value; Python writes them where JSON does."""
        return self.colons != repr(self.value).count(":")

    @property
    def constants(self) -> int:
        """How often NaN and Infinity stand in it, which only some parsers take."""
        if "NaN" not in self.text and "Infinity" not in self.text:
            return 0
        count = 0

        def constant(name: str) -> bytes:
            nonlocal count
            count += 1
            return name.encode()

        json.JSONDecoder(parse_int=str.encode, parse_constant=constant).decode(self.text)
        return count

    def duplicates(self) -> dict[str, list[Json]]:
        """Names that stand more than once in one object, and the values that the last one hides."""
        duplicates: dict[str, list[Json]] = {}

        def members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
            value = dict(pairs)
            if len(value) != len(pairs):
                last = {name: place for place, (name, _) in enumerate(pairs)}
                for place, (name, hidden) in enumerate(pairs):
                    if place < last[name]:
                        duplicates.setdefault(name, []).append(hidden)
            return value

        json.JSONDecoder(
            parse_int=str.encode,
            parse_float=str.encode,
            parse_constant=str.encode,
            object_pairs_hook=members,
        ).decode(self.text)
        return duplicates


def parse(content: bytes, charset: str, limits: CompareLimits) -> Document:
    """Read a JSON body. Raises `NotJson`, and `Incomparable` beyond the limits (nodes, depth)."""
    try:
        # RFC 8259, 8.1: UTF-8 whatever the charset parameter says, which it does not define.
        text, is_utf8 = content.decode("utf-8"), True
    except UnicodeDecodeError:
        text, is_utf8 = text_of(content, charset), False
    text = text.removeprefix("\ufeff")
    openings = text.count("{") + text.count("[")
    # At most so many values; a comma inside a text counts as well.
    if openings + text.count(",") + 1 > limits.nodes:
        raise Incomparable("nodes")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise Incomparable("depth") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos + 1}") from None
    if openings > limits.depth and depth_of(value) > limits.depth:
        raise Incomparable("depth")
    return Document(text, value, is_utf8)


def colons_of(value: Json) -> int:
    """How many colons a value has when written: one for each member, and those in its texts."""
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, dict):
        return sum([1 + name.count(":") + colons_of(inner) for name, inner in value.items()])
    return sum(map(colons_of, value)) if isinstance(value, list) else 0


def depth_of(value: Json) -> int:
    """How many containers stand within each other."""
    depth = 0
    level = [value] if type(value) in (dict, list) else []
    while level:
        depth += 1
        level = [
            inner
            for container in level
            for inner in (container.values() if type(container) is dict else container)  # type: ignore[attr-defined]  # only dicts and lists are in a level
            if type(inner) is dict or type(inner) is list
        ]
    return depth
