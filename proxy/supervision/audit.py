"""The audit: who moved what, why, from what to what. One JSON line per entry, in a hash chain.

What the disk does not take is owed: it is written late, behind a line that tells of the gap.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from proxy.settings import MIB
from proxy.supervision import audit_head
from proxy.supervision.audit_chain import START, Link, last_link, read_line, seal
from proxy.supervision.audit_files import rotated, rotated_name
from proxy.supervision.audit_head import Head

# Beyond this a file is put aside and another begun.
ROTATE_BYTES = 16 * MIB
# Entries that wait in memory for a disk that takes nothing; beyond it the oldest are only counted.
MAX_OWED = 1000
# How long a disk that took nothing is not asked again by what is written next.
RETRY_SECONDS = 0.5

# fmt: off
Via = Literal[
    "api", "signal", "sentinel", "file", "start",
    "unleash", "webhook", "redis", "fleet", "peer", "audit",
]
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, through what, and how that is known."""

    who: str
    via: Via
    # What proves who that is: a token with its id, an identity header; empty: nothing does.
    credential: str = ""
    # What the sender says of itself, where a credential says who it is.
    claimed: str = ""
    ticket: str = ""
    # The id of the event at the source of the change, such as Unleash's.
    event: str = ""


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `before` and `after` are the switches as text; `acks` is worker to milliseconds."""

    # begun: about to be tried; done: what came of it.
    phase: Literal["begun", "done"]
    action: str
    scope: str
    actor: Actor
    reason: str
    before: str
    after: str
    revision: int
    outcome: str = ""
    acks: tuple[tuple[int, float], ...] = ()
    # Of a fleet: replica to milliseconds until all its workers had confirmed.
    replicas: tuple[tuple[str, float], ...] = ()
    # What the evidence said of the routes in scope: route to verdict.
    evidence: Mapping[str, str] = field(default_factory=_nothing)

    def fields(self) -> dict[str, Any]:
        """What stands in the line."""
        return {
            "phase": self.phase,
            "action": self.action,
            "scope": self.scope,
            **asdict(self.actor),
            "reason": self.reason,
            "before": self.before,
            "after": self.after,
            "revision": self.revision,
            "outcome": self.outcome,
            "acks": dict(self.acks),
            "replicas": dict(self.replicas),
            "evidence": dict(self.evidence),
        }


def text(entry: Entry) -> str:
    """An entry as one JSON line outside the chain, for the shared store."""
    return json.dumps({"at": _now(), **entry.fields()})


class Audit:
    """The file and its chain. Methods block; all of them belong in one thread.

    It is opened for every write, so that it may be rotated from outside by renaming it.
    """

    def __init__(
        self,
        path: Path,
        *,
        rotate_bytes: int = ROTATE_BYTES,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._path = path
        self._retry_seconds = retry_seconds
        self._failed_at = 0.0
        self._rotate_bytes = rotate_bytes
        # The newest line that is known to be on disk.
        self.last = START
        # The newest that may be: it was about to be written.
        self._pending = START
        # Device, inode and size of the file as it was left; None: not looked at yet.
        self._left: tuple[int, int, int] | None = None
        self._owed: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._why = ""

    @property
    def owed(self) -> int:
        """Entries that the disk has not taken yet."""
        return len(self._owed) + self._dropped

    def append(self, entry: Entry, *, unless_written: str = "") -> str:
        """Write one line and flush it to disk; why that failed, else "".

        `unless_written` is the outcome that an entry gets which is owed: it was not made.
        """
        record = {"at": _now(), **entry.fields()}
        if self.owed and time.monotonic() - self._failed_at < self._retry_seconds:
            # All that is owed would be sealed once more, for the same answer.
            why = self._why
        else:
            why = self._write([*self._debts(), record])
        if why:
            self._why = self._why or why
            owed = {**record, "outcome": unless_written} if unless_written else record
            self._owed.append(owed)
            if len(self._owed) > MAX_OWED:
                self._owed.popleft()
                self._dropped += 1
        return why

    def settle(self) -> str:
        """Write what is owed; why that failed, else ""."""
        return self._write(self._debts()) if self.owed else ""

    def _debts(self) -> list[dict[str, Any]]:
        if not self.owed:
            return []
        late = [{**record, "late": True} for record in self._owed]
        told = _own(
            "gap",
            f"the disk took nothing for a while ({self._why}): {len(late)} entries follow late,"
            f" {self._dropped} were lost",
        )
        return [{**told, "entries_late": len(late), "entries_lost": self._dropped}, *late]

    def _write(self, records: Iterable[Mapping[str, Any]]) -> str:
        """All of them or none."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self._rotate()
            handle = os.open(self._path, flags, 0o600)
            try:
                before, data, link = self._continue(handle)
                for record in records:
                    line, link = seal(record, link)
                    data += line
                size = os.fstat(handle).st_size
                self.last, self._pending = before, link
                self._note(Head(last=before, pending=link), flush=True)
                # One write in append mode: lines never mix.
                if os.write(handle, data) != len(data):
                    os.ftruncate(handle, size)
                    raise OSError(errno.ENOSPC, "the disk is full")
                os.fsync(handle)
                self._left = _identity(os.fstat(handle))
            finally:
                os.close(handle)
        except OSError as error:
            self._failed_at = time.monotonic()
            return f"{self._path}: cannot be written ({error.strerror or error})"
        self.last = link
        self._owed.clear()
        self._dropped, self._why = 0, ""
        self._note(Head(last=link, pending=link), flush=False)
        return ""

    def _note(self, head: Head, *, flush: bool) -> None:
        # Without the note the chain is as good, but for its end.
        with contextlib.suppress(OSError):
            audit_head.keep(self._path.parent, head, flush=flush)

    def _rotate(self) -> None:
        with contextlib.suppress(OSError):
            seen = os.stat(self._path)
            if _identity(seen) == self._left and seen.st_size > self._rotate_bytes:
                self._path.rename(self._path.with_name(rotated_name(self.last)))

    # Where the chain goes on.

    def _continue(self, handle: int) -> tuple[Link, bytes, Link]:
        """The newest line, what has to stand behind it before the next, and that one's place."""
        seen = os.fstat(handle)
        if self._left == _identity(seen):
            return self.last, b"", self.last
        known = self._known()
        if seen.st_size == 0 or not stat.S_ISREG(seen.st_mode):
            before = (known or self._newest_aside()).last
            return before, *seal(_own("opened", "a new file begins"), before)
        with os.fdopen(os.dup(handle), "rb") as file:
            tail = _read_tail(file, None if known is None else known.pending)
        if known is None:
            before = tail.last or self._newest_aside().last
        else:
            # What is missing or forged at the end stays visible: nothing follows the wrong line.
            before = known.pending if tail.has_pending else known.last
        if before.seq == 0:
            told = _own("opened", "the chain begins behind lines that have none")
            line, link = seal({**told, "unchained": tail.told(torn=False)}, before)
            return before, tail.missing_newline + line, link
        if tail.lines == 1 and tail.missing_newline:
            told = _own("gap", "the line before was torn when figway or the machine stopped")
            line, link = seal({**told, "unchained": tail.told(torn=True)}, before)
            return before, tail.missing_newline + line, link
        return before, tail.missing_newline, before

    def _known(self) -> Head | None:
        """The end of the chain as this process, or the head beside the file, knows it."""
        if self._pending.seq:
            return Head(last=self.last, pending=self._pending)
        return audit_head.read(self._path.parent)

    def _newest_aside(self) -> Head:
        """The end of the files that were put aside, for want of a head."""
        newest = START
        for path in rotated(self._path):
            with contextlib.suppress(OSError), path.open("rb") as file:
                newest = max(newest, last_link(file) or START, key=lambda link: link.seq)
        return Head(last=newest, pending=newest)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The end of a file: its last sealed line, and what stands behind that."""

    last: Link | None
    lines: int
    sha256: str
    # What the file lacks to end with a whole line.
    missing_newline: bytes
    # The line that was being written when it was noted is there.
    has_pending: bool

    def told(self, *, torn: bool) -> dict[str, Any]:
        return {"lines": self.lines, "sha256": self.sha256, "torn": torn}


def _read_tail(file: Iterable[bytes], pending: Link | None) -> _Tail:
    last: Link | None = None
    has_pending = False
    lines, digest, ended = 0, hashlib.sha256(), True
    for raw in file:
        ended = raw.endswith(b"\n")
        line = read_line(raw.removesuffix(b"\n"))
        # A whole sealed line that only lost its newline is sealed nevertheless.
        if line is not None:
            last, lines, digest = line.link, 0, hashlib.sha256()
            has_pending = has_pending or last == pending
        else:
            lines += 1
            digest.update(raw)
    missing = b"" if ended else b"\n"
    if lines:
        digest.update(missing)
    return _Tail(last, lines, digest.hexdigest(), missing, has_pending)


def _own(action: str, reason: str) -> dict[str, Any]:
    """A line that the audit writes of itself."""
    entry = Entry(
        phase="done",
        action=action,
        scope="audit",
        actor=Actor(who="figway", via="audit"),
        reason=reason,
        before="",
        after="",
        revision=0,
    )
    return {"at": _now(), **entry.fields()}


def _identity(seen: os.stat_result) -> tuple[int, int, int]:
    return seen.st_dev, seen.st_ino, seen.st_size


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
