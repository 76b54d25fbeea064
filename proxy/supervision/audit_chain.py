"""The chain of the audit: each line carries the hash of the line before it and its own. Pure.

A line is one JSON object. Its `hash` is the last field: SHA-256 of everything in front of it. Who
can write the file can seal all of it anew; what such a one cannot reach are the numbers and hashes
that stand elsewhere: beside the file, in the event log, in the shared store.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Lines that are remembered because nothing elsewhere knows of them.
_MAX_BEYOND = 10_000
# What the first line of a chain has as the hash of the line before it.
GENESIS = "0" * 64

_SEAL = re.compile(rb', "hash": "([0-9a-f]{64})"\}\Z')
_NUMBERED = re.compile(rb'\{"seq": ([1-9][0-9]{0,17}), "prev": "([0-9a-f]{64})", ')


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The place of one line in the chain: its number from 1, and its hash."""

    seq: int
    hash: str


START = Link(seq=0, hash=GENESIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that is sealed: where it says that it stands, and whether its seal fits it."""

    link: Link
    prev: str
    intact: bool


def seal(fields: Mapping[str, object], before: Link) -> tuple[bytes, Link]:
    """The line that follows `before`, with its newline, and its own place."""
    body = json.dumps({"seq": before.seq + 1, "prev": before.hash, **fields})[:-1].encode("ascii")
    digest = hashlib.sha256(body).hexdigest()
    link = Link(seq=before.seq + 1, hash=digest)
    return body + b', "hash": "' + digest.encode() + b'"}\n', link


def read_line(line: bytes) -> Line | None:
    """What a line says of its place; None when it is no sealed line. Without the newline."""
    sealed, numbered = _SEAL.search(line), _NUMBERED.match(line)
    if sealed is None or numbered is None:
        return None
    digest = sealed[1].decode()
    intact = hashlib.sha256(line[: sealed.start()]).hexdigest() == digest
    return Line(
        link=Link(seq=int(numbered[1]), hash=digest), prev=numbered[2].decode(), intact=intact
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: where, at or before which line of the chain, and what."""

    file: str
    # From 1; 0 is the end of all files.
    line: int
    seq: int
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What came of looking at every line. No finding: nothing was altered between both ends."""

    lines: int
    first: int
    last: Link
    findings: tuple[Finding, ...]
    # What should be known although nothing is wrong.
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Stray:
    """Lines without a seal, since the last sealed one."""

    file: str
    first: int
    lines: int = 0
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    # The last of them ends without a newline.
    open_ended: bool = False


class Verifier:
    """Takes every line of every file in order, then tells. Holds no line in memory."""

    def __init__(self, anchors: Mapping[str, Link] | None = None) -> None:
        """`anchors`: places known from elsewhere, by where that is, such as the head file."""
        self._anchors = dict(anchors or {})
        self._met: set[str] = set()
        self._findings: list[Finding] = []
        self._notes: list[str] = []
        self._lines = 0
        self._first: int | None = None
        self._last = START
        # Where the last line stood, for whoever is found to have changed it.
        self._place = ("", 0)
        # The content of the last line was found to be changed already.
        self._known_bad = False
        # The other one of two lines with one number.
        self._rival: Link | None = None
        self._stray: _Stray | None = None
        # Lines behind everything that is known from elsewhere, and where they stood.
        self._known_to = max((anchor.seq for anchor in self._anchors.values()), default=0)
        self._beyond: list[tuple[str, int, Link]] = []

    def take(self, file: str, number: int, raw: bytes) -> None:
        """The next line, with its newline if it has one."""
        text = raw.removesuffix(b"\n")
        line = read_line(text)
        if line is None:
            self._strays(file, number, raw)
            return
        self._lines += 1
        self._judge_strays(line, text)
        if not line.intact:
            self._find(file, number, line.link.seq, f"line {line.link.seq} was changed")
        self._place_line(file, number, line, text)
        self._compare_anchors(file, number, line)

    def done(self, end: Link | None = None) -> Verified:
        """Everything that was found. `end`: the newest line that may be there, if it is known."""
        self._judge_beyond(end)
        stray = self._stray
        if stray is not None:
            self._stray = None
            if stray.lines == 1 and stray.open_ended:
                # Had it been the end of a whole line, an anchor would know of that line.
                self._notes.append(
                    f"{stray.file}:{stray.first}: the last line is torn; figway says so in the"
                    " next one that it writes"
                )
            else:
                after = f" after line {self._last.seq}" if self._last.seq else ""
                what = f"{_lines(stray.lines)}{after} that figway did not seal"
                self._find(stray.file, stray.first, self._last.seq, what)
        for where, anchor in self._anchors.items():
            if where in self._met or anchor.seq == 0:
                continue
            if anchor.seq > self._last.seq:
                missing = _span(self._last.seq + 1, anchor.seq)
                self._find(
                    "the end", 0, anchor.seq, f"{missing} cut off: {where} knows of {anchor.seq}"
                )
            elif self._first is not None and anchor.seq >= self._first:
                self._find(
                    "the chain", 0, anchor.seq, f"line {anchor.seq}, known from {where}, is missing"
                )
        return Verified(
            lines=self._lines,
            first=self._first or 0,
            last=self._last,
            findings=tuple(self._findings),
            notes=tuple(self._notes),
        )

    # One line.

    def _place_line(self, file: str, number: int, line: Line, text: bytes) -> None:
        seq = line.link.seq
        if self._first is None:
            self._first = seq
            self._begin(file, number, line, text)
        elif seq <= self._last.seq:
            self._find(file, number, seq, self._out_of_place(seq))
            if seq == self._last.seq:
                self._rival = line.link
            return
        elif seq > self._last.seq + 1:
            missing = _span(self._last.seq + 1, seq - 1)
            self._find(file, number, seq, f"{missing} missing before line {seq}")
        elif not self._follows(line):
            self._find(
                *self._place,
                self._last.seq,
                f"line {self._last.seq} is not the one after which line {seq} was written:"
                " it was changed and sealed anew",
            )
        self._rival = None
        self._last = line.link
        if seq > self._known_to and len(self._beyond) < _MAX_BEYOND:
            self._beyond.append((file, number, line.link))
        self._place = (file, number)
        self._known_bad = not line.intact

    def _follows(self, line: Line) -> bool:
        """Whether a line was written after the last one, as far as that one can be believed."""
        if line.prev == self._last.hash or self._known_bad:
            return True
        return self._rival is not None and line.prev == self._rival.hash

    def _begin(self, file: str, number: int, line: Line, text: bytes) -> None:
        seq = line.link.seq
        if seq == 1 and line.prev != GENESIS:
            self._find(file, number, seq, "line 1 names a line before it: it was changed")
        if seq > 1:
            if _action(text) != "opened":
                self._find(file, number, seq, f"{_span(1, seq - 1)} missing before line {seq}")
            else:
                self._notes.append(f"begins at line {seq}: older files are not here")

    def _out_of_place(self, seq: int) -> str:
        last = self._last.seq
        if seq == last:
            file, number = self._place
            return f"line {seq} is here and at {file}:{number}: one of them was inserted"
        return f"line {seq} stands after line {last}: it was moved or inserted"

    # Lines that are none.

    def _strays(self, file: str, number: int, raw: bytes) -> None:
        stray = self._stray
        if stray is None:
            stray = self._stray = _Stray(file, number)
        stray.lines += 1
        stray.size += len(raw)
        stray.digest.update(raw)
        stray.open_ended = not raw.endswith(b"\n")

    def _judge_strays(self, line: Line, text: bytes) -> None:
        stray, self._stray = self._stray, None
        told = _unchained(text) if line.intact else None
        if stray is None:
            if told is not None:
                self._find(
                    "the chain",
                    0,
                    line.link.seq,
                    f"{_lines(told['lines'])} without a seal before line {line.link.seq} missing",
                )
            return
        if told is not None and told["sha256"] == stray.digest.hexdigest():
            if line.link.seq == 1 and self._first is None:
                self._notes.append(f"{_lines(stray.lines)} from before the chain, as they were")
                return
            if told["torn"] and stray.lines == 1:
                self._notes.append(
                    f"{stray.file}:{stray.first}: a line was torn by a crash; nothing stands for it"
                )
                return
        self._find(
            stray.file,
            stray.first,
            self._last.seq,
            f"{_lines(stray.lines)} without a seal before line {line.link.seq}:"
            " inserted, or changed beyond recognition",
        )

    # What is known from elsewhere.

    def _judge_beyond(self, end: Link | None) -> None:
        if end is None:
            return
        for file, number, link in self._beyond:
            if link.seq > end.seq or (link.seq == end.seq and link != end):
                self._find(
                    file,
                    number,
                    link.seq,
                    f"line {link.seq} was put behind the last one that figway wrote",
                )

    def _compare_anchors(self, file: str, number: int, line: Line) -> None:
        for where, anchor in self._anchors.items():
            if anchor.seq == line.link.seq and where not in self._met:
                self._met.add(where)
                if anchor.hash != line.link.hash:
                    self._find(
                        file, number, anchor.seq, f"line {anchor.seq} is not the one in {where}"
                    )

    def _find(self, file: str, number: int, seq: int, what: str) -> None:
        self._findings.append(Finding(file=file, line=number, seq=seq, what=what))


def _span(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def fields_of(text: bytes) -> dict[str, Any]:
    """The fields of a line; empty when it is no JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _action(text: bytes) -> object:
    return fields_of(text).get("action")


def _unchained(text: bytes) -> dict[str, Any] | None:
    """What a line says of unsealed text in front of it."""
    if b'"unchained": {' not in text:
        return None
    told = fields_of(text).get("unchained")
    if not isinstance(told, dict):
        return None
    return {
        "lines": told.get("lines", 0),
        "sha256": told.get("sha256", ""),
        "torn": told.get("torn") is True,
    }


def last_link(lines: Iterable[bytes]) -> Link | None:
    """The place of the last sealed line; None if there is none."""
    last = None
    for raw in lines:
        line = read_line(raw.removesuffix(b"\n"))
        last = last if line is None else line.link
    return last
