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
    """The newest entries that fit, oldest first. Raises AuditFileError."""
    newest: list[dict[str, Any]] = []
    for file in reversed(files):
        left = wanted.limit - len(newest)
        if not left:
            break
        found: deque[dict[str, Any]] = deque(maxlen=left)
        read = (fields_of(raw) for raw in lines_of(file.path))
        found.extend(entry for entry in read if entry and wanted.fits(entry))
        newest = [*found, *newest]
    return newest


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
