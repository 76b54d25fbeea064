"""What a command prints: text for people, JSON for programs, and how it fails."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence

OK = 0
REFUSED = 1
UNUSABLE = 2


class Failure(Exception):
    """The command ends here: 1 refused or not applied, 2 wrong usage or unreachable."""

    def __init__(self, code: int, message: str, answer: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.answer = answer


class Help(argparse.HelpFormatter):
    """The layout of --help: sentences are wrapped, what is indented stays as it is written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(
            line if line.startswith(" ") else textwrap.fill(line, width, initial_indent=indent)
            for line in text.splitlines()
        )


def many(count: int, noun: str) -> str:
    """A count with its noun: 1 worker, 1,200 workers."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def print_json(value: object) -> None:
    """Print one JSON value, for programs."""
    print(json.dumps(value, indent=2))


def inert(text: str) -> str:
    """A text that somebody else wrote, on one line: nothing in it may steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    lines[0] = bold(lines[0])
    return "\n".join(lines)


def bold(text: str) -> str:
    """Emphasise, where a person looks (https://no-color.org)."""
    return f"\x1b[1m{text}\x1b[0m" if coloured() else text


def good(text: str) -> str:
    """Green."""
    return f"\x1b[32m{text}\x1b[0m" if coloured() else text


def bad(text: str) -> str:
    """Red."""
    return f"\x1b[31m{text}\x1b[0m" if coloured() else text


def coloured() -> bool:
    """Whether a person looks, on a terminal that takes colour (https://no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
