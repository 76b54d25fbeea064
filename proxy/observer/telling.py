"""The observer's log: one JSON line per event on stdout, as the other processes write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

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
