"""The head of the audit: a note beside the file of its newest line, and of the one being written.

Without it nobody could tell that lines were cut off at the end, or put there. What is about to be
written is noted first: whatever stands behind the last line after a crash is that, or forged.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from proxy.supervision.audit_chain import START, Link

HEAD = "audit-head"

_NOTE = re.compile(r"([0-9]{18}):([0-9a-f]{64})\n([0-9]{18}):([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest line that is on disk, and the newest that may be."""

    last: Link = START
    pending: Link = START


def keep(directory: Path, head: Head, *, flush: bool) -> None:
    """Write the note. Raises OSError.

    In place, so that it needs no room on a full disk and costs little: of one length always.
    """
    note = "".join(f"{link.seq:018d}:{link.hash}\n" for link in (head.last, head.pending))
    handle = os.open(directory / HEAD, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(handle, note.encode("ascii"), 0)
        if flush:
            os.fsync(handle)
    finally:
        os.close(handle)


def read(directory: Path) -> Head | None:
    """The note; None if there is none, or it is damaged."""
    try:
        found = _NOTE.fullmatch((directory / HEAD).read_text("ascii"))
    except (OSError, UnicodeError):
        return None
    if found is None:
        return None
    return Head(
        last=Link(seq=int(found[1]), hash=found[2]), pending=Link(seq=int(found[3]), hash=found[4])
    )
