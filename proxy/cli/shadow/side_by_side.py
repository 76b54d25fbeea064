"""Two texts beside each other, as columns of a terminal. Pure."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.cli.output import many
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.words import printable

_BETWEEN_TAGS = re.compile(r">[ \t]*<")
# Lines of each side that are compared: beyond it difflib takes longer than anybody reads.
MOST_LINES = 1000
CONTEXT = 3
# Marker and spaces between the columns.
_BETWEEN = 3
_NARROW = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what each side has, None where it has nothing."""

    legacy: str | None
    new: str | None

    @property
    def is_equal(self) -> bool:
        """Whether both have the same."""
        return self.legacy == self.new


def body_lines(body: str) -> list[str]:
    """The lines of a body; JSON and markup are spread out, a member or an element on each line."""
    if body.lstrip().startswith("<"):
        return [printable(line) for line in _BETWEEN_TAGS.sub(">\n<", body).splitlines()]
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return [printable(line) for line in body.splitlines()]
    if not isinstance(value, dict | list):
        return [printable(line) for line in body.splitlines()]
    spread = json.dumps(value, indent=2, ensure_ascii=False)
    return [printable(line) for line in spread.splitlines()]


def rows(legacy: Sequence[str], new: Sequence[str]) -> list[Row]:
    """The lines of both sides, equal ones paired."""
    left, right = legacy[:MOST_LINES], new[:MOST_LINES]
    found: list[Row] = []
    # Lines that are everywhere, such as a brace, would make it take seconds.
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=True)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            found += (Row(line, line) for line in left[i:j])
            continue
        for n in range(max(j - i, m - k)):
            one = left[i + n] if i + n < j else None
            other = right[k + n] if k + n < m else None
            found.append(Row(one, other))
    return found


def columns(
    found: Sequence[Row], width: int, paint: Paint, *, whole: bool = False
) -> Iterator[str]:
    """Lines of at most `width` characters: legacy left, new right, what differs marked.

    Without `whole`, equal lines far from a difference are only counted.
    """
    half = max(_NARROW, (width - _BETWEEN) // 2)
    shown = set(range(len(found))) if whole else _near(found)
    skipped = 0
    for index, row in enumerate(found):
        if index not in shown:
            skipped += 1
            continue
        if skipped:
            yield paint.dim(f"... {many(skipped, 'equal line')}")
            skipped = 0
        yield _line(row, half, paint)
    if skipped:
        yield paint.dim(f"... {many(skipped, 'equal line')}")


def heading(legacy: str, new: str, width: int, paint: Paint) -> str:
    """What stands above the two columns."""
    half = max(_NARROW, (width - _BETWEEN) // 2)
    return paint.bold(f"{_column(legacy, half, 0)}   {_fit(new, half, 0)}".rstrip())


def _near(found: Sequence[Row]) -> set[int]:
    """Which lines stand at most CONTEXT lines from a difference."""
    near: set[int] = set()
    for index, row in enumerate(found):
        if not row.is_equal:
            near.update(range(max(0, index - CONTEXT), min(len(found), index + CONTEXT + 1)))
    return near


def _line(row: Row, half: int, paint: Paint) -> str:
    legacy, new = row.legacy or "", row.new or ""
    if row.is_equal:
        return f"{_column(legacy, half, 0)}   {_fit(new, half, 0)}".rstrip()
    start, mark = 0, "<" if row.new is None else ">"
    if row.legacy is not None and row.new is not None:
        # A long line is shown where it begins to differ.
        start, mark = _first_difference(legacy, new), "|"
    left = _column(legacy, half, start)
    right = _fit(new, half, start)
    return f"{paint.bad(left)} {paint.bold(mark)} {paint.good(right)}".rstrip()


def _first_difference(one: str, other: str) -> int:
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index
    return min(len(one), len(other))


def _column(text: str, width: int, start: int) -> str:
    part = _fit(text, width, start)
    return part + " " * (width - cells(part))


def _fit(text: str, width: int, start: int) -> str:
    """The part of a line around a place that takes at most so many cells."""
    if cells(text) <= width:
        return text
    begin = 0 if start < width // 2 - 5 else max(0, start - width // 3)
    # The end of a line leaves room for more of what stands before it.
    while begin and cells(text[begin - 1 :]) < width:
        begin -= 1
    part = text[begin:]
    if begin:
        part = "…" + part[1:]
    if cells(part) <= width:
        return part
    room, kept = width - 1, 0
    while kept < len(part) and (room := room - _cells_of(part[kept])) >= 0:
        kept += 1
    return part[:kept] + "…"


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide characters two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
