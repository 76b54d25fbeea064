"""Reading the audit back: the newest entries that fit, and whether the chain is whole. Blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from proxy.supervision import audit_head
from proxy.supervision.audit_chain import START, Link, Verified, fields_of
from proxy.supervision.audit_files import AuditFile, files_of, lines_of, verify
from proxy.supervision.audit_head import HEAD

# What findings call the newest line that the running figway has written.
MEMORY = "the running figway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are asked for."""

    # Aware; None: from the beginning.
    since: datetime | None = None
    # As it stands in the line; empty: every scope.
    scope: str = ""
    # Changes: one that was begun and done has two lines.
    limit: int = 100

    def fits(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry is asked for. What has no time that can be read is shown."""
        if self.scope and entry.get("scope") != self.scope:
            return False
        if self.since is None:
            return True
        at = moment(str(entry.get("at", "")))
        return at is None or at >= self.since


def moment(text: str) -> datetime | None:
    """A time as ISO 8601 with its offset; None if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def entries(files: Sequence[AuditFile], wanted: Wanted) -> list[dict[str, Any]]:
    """The lines of the newest changes that fit, oldest first. Raises AuditFileError."""
    newest = _Newest(wanted.limit)
    for file in reversed(files):
        if not newest.left:
            break
        # A change has two lines, or more only where a crash left one of the same words unfinished.
        # Then fewer than asked for are found, but none is left out in between.
        found: deque[dict[str, Any]] = deque(maxlen=2 * newest.left)
        read = (fields_of(raw) for raw in lines_of(file.path))
        found.extend(entry for entry in read if entry and wanted.fits(entry))
        if not all(map(newest.take, reversed(found))) or len(found) == found.maxlen:
            break
    return newest.entries[::-1]


def change_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What the two lines of one change have in common."""
    return tuple(repr(entry.get(name)) for name in ("action", "scope", "who", "reason"))


class _Newest:
    """Takes lines, the newest first, until they are of so many changes."""

    def __init__(self, limit: int) -> None:
        self.entries: list[dict[str, Any]] = []
        self.left = limit
        self._ended: set[tuple[str, ...]] = set()

    def take(self, entry: dict[str, Any]) -> bool:
        """Take a line, unless it is of one change too many."""
        change = change_of(entry)
        begun = entry.get("phase") == "begun" and not entry.get("outcome")
        if not (begun and change in self._ended):
            if not self.left:
                return False
            self.left -= 1
        if entry.get("phase") == "done":
            self._ended.add(change)
        self.entries.append(entry)
        return True


def verify_all(path: Path, remembered: Callable[[], Link] = lambda: START) -> Verified:
    """The chain of a figway's audit against the head beside it. Raises AuditFileError.

    `remembered` is the newest line that the figway that is asked has written itself: whoever can
    write the files, head included, cannot change that.
    """
    verified = _verify_once(path, remembered)
    # A file that was put aside while it was read looks like one that lost lines.
    return _verify_once(path, remembered) if verified.findings else verified


def _verify_once(path: Path, remembered: Callable[[], Link]) -> Verified:
    # The file grows meanwhile: it holds what the head knew before, and nothing that it does not
    # know after.
    directory = path.parent
    head, own = audit_head.read(directory), remembered()
    anchors = {} if head is None else {HEAD: head.last}
    if own not in anchors.values():
        anchors[MEMORY] = own
    if head is None:
        return verify(files_of(path), anchors)
    return verify(files_of(path), anchors, end=lambda: pending_of(directory))


def pending_of(directory: Path) -> Link | None:
    """The newest line that may be on disk, as far as the head knows."""
    head = audit_head.read(directory)
    return None if head is None else head.pending
