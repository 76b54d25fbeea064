"""The observer's log: one JSON line per event on stdout, as the other processes write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb

from proxy.access_log import Line, Value

# Longest text of one value: a line stays in one piece on a pipe that others write to as well.
_LONGEST = 500


class Telling:
    """Called with level, event and fields."""

    def __init__(self, add: Callable[[Line], None]) -> None:
        self._add = add

    def __call__(self, level: str, event: str, **fields: object) -> None:
        """Write one line; never blocks."""
        line: dict[str, Value] = {
            "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "level": level,
            "event": event,
            "process": "observer",
        }
        for name, value in fields.items():
            line[name] = value if isinstance(value, int | float) else str(value)[:_LONGEST]
        self._add(line)


def defect_of(error: BaseException) -> str:
    """What a defect was and where. Not its message, which may quote what a client sent."""
    steps = extract_tb(error.__traceback__)
    where = f" at {Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else ""
    return f"{type(error).__name__}{where}"
