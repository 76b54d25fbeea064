"""Access-log files: opened, unpacked and read line by line, with what could not be read counted."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from proxy.replay.log_line import BadLine, OtherLine, read_log_line
from proxy.replay.logged_request import LoggedRequest

# A line that is longer is none.
_LONGEST: Final = 1024 * 1024
_TOO_LONG: Final = BadLine(reason="longer than 1 MiB")
_SHOWN: Final = 160


class LogError(Exception):
    """A log that cannot be read on; the message names it."""


@dataclass(slots=True)
class Unusable:
    """Lines of one kind that told of no request: how many, and the first with its file:line."""

    place: str
    example: str
    count: int = 0


@dataclass(slots=True)
class AccessLogs:
    """One or more access logs as a stream of requests; `-` is stdin, .gz is known by its content.

    While they are read, `lines` counts those that tell of a request or should, `bad` what could not
    be used, by its reason, and `line` is the number of the line in hand.
    """

    names: tuple[str, ...]
    lines: int = 0
    line: int = 0
    name: str = ""
    bad: dict[str, Unusable] = field(default_factory=dict)

    def __iter__(self) -> Iterator[LoggedRequest]:
        """Every request in turn. Raises LogError."""
        for name in self.names:
            self.name = shown_name(name)
            self.line = 0
            for text in _lines(name):
                self.line += 1
                request = _TOO_LONG if text is None else read_log_line(text)
                if isinstance(request, OtherLine) or (text is not None and not text.strip()):
                    continue
                self.lines += 1
                if isinstance(request, BadLine):
                    self._note(request, text or "")
                else:
                    yield request

    @property
    def place(self) -> str:
        """Where the request in hand stands: file and line."""
        return f"{self.name}:{self.line}"

    def unusable(self) -> int:
        """How many lines could not be used."""
        return sum(each.count for each in self.bad.values())

    def complaint(self) -> str:
        """Why nothing came of these logs; empty when something did."""
        if not self.lines:
            return "the log is empty, or tells of other things only: no request was looked at"
        if self.unusable() < self.lines:
            return ""
        reason, first = max(self.bad.items(), key=lambda item: item[1].count)
        return (
            f"no line tells of a request; {first.place}: {reason}: {first.example!r}"
            " (known are the combined format and JSON lines: docs/diff.md)"
        )

    def _note(self, bad: BadLine, text: str) -> None:
        known = self.bad.get(bad.reason)
        if known is None:
            shown = "".join(c if c.isprintable() else "." for c in text[:_SHOWN])
            known = self.bad[bad.reason] = Unusable(place=self.place, example=shown)
        known.count += 1


def shown_name(name: str) -> str:
    """What messages call a log."""
    return "stdin" if name == "-" else Path(name).name


def _lines(name: str) -> Iterator[str | None]:
    """Every line as latin-1; None stands for one that is too long."""
    try:
        if name == "-":
            # stdin may be anything that reads; the reader around it may not close it.
            reader: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, sys.stdin.buffer))
            try:
                yield from _unpacked(reader)
            finally:
                reader.detach()
            return
        with Path(name).open("rb") as file:
            yield from _unpacked(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LogError(f"{name}: is no whole gzip file: {error}") from None
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error.strerror or error}") from error


def _unpacked(file: io.BufferedReader) -> Iterator[str | None]:
    # Peeked at, not sought back: a pipe cannot be.
    if file.peek(2)[:2] == b"\x1f\x8b":
        with gzip.open(file) as unpacked:
            yield from _decoded(unpacked)
    else:
        yield from _decoded(file)


def _decoded(file: io.BufferedIOBase) -> Iterator[str | None]:
    while line := file.readline(_LONGEST):
        if len(line) < _LONGEST or line.endswith(b"\n"):
            yield line.decode("latin-1").rstrip("\r\n")
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_LONGEST)
        yield None
