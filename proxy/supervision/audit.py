"""The audit: who moved what, why, from what to what. One JSON object per line, only appended."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and through what."""

    who: str
    via: Literal["api", "signal", "sentinel", "file", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `before` and `after` are the switches as text; `acks` is worker to milliseconds."""

    # begun: about to be tried; done: what came of it.
    phase: Literal["begun", "done"]
    action: str
    scope: str
    who: str
    via: str
    reason: str
    before: str
    after: str
    revision: int
    outcome: str = ""
    acks: tuple[tuple[int, float], ...] = ()


class Audit:
    """The file. It is opened for every line, so that it may be rotated by renaming it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, entry: Entry) -> str:
        """Write one line and flush it to disk; why that failed, else "". Blocks."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, **asdict(entry), "acks": dict(entry.acks)}) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            handle = os.open(self._path, flags, 0o600)
            try:
                # One write in append mode: lines never mix.
                written = os.write(handle, line.encode("ascii"))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            return f"{self._path}: cannot be written ({error.strerror or error})"
        return "" if written == len(line) else f"{self._path}: the disk is full"
