"""The event log: structlog, one JSON object per line on stdout, written by a thread of its own."""

from __future__ import annotations

import json
import os
import queue
import select
import threading
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

# Longest text of one value, and most items of one list.
MAX_VALUE = 1000
MAX_ITEMS = 10


class LogWriter:
    """A bounded queue and the thread that empties it. A line that finds it full is counted.

    The supervisor's loop must never wait for whoever reads its stdout.
    """

    def __init__(self, descriptor: int = 1, *, waiting: int = 10_000) -> None:
        # The descriptor, not sys.stdout: a thread that hangs in the stream's lock stops the exit.
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._write, name="figway-log", daemon=True)
        self._thread.start()
        self.dropped = 0

    def msg(self, line: str) -> None:
        """Take one line."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    # structlog calls the method named after the level.
    debug = info = warning = error = critical = msg

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most `seconds`."""
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = line.encode("ascii", "backslashreplace") + b"\n"
            try:
                # Workers write to the same pipe: a line in one call stays in one piece.
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                # The reader has gone; serving goes on without it.
                self.dropped += 1


def stamp(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Put first what every line begins with, as the access log does."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return {"timestamp": now, "level": level, "event": event.pop("event"), **event}


def render(_: WrappedLogger, __: str, event: EventDict) -> str:
    """One line of pure ASCII: no byte of a value can end the line or steer a terminal."""
    text = ""
    # Workers write to the same pipe, which keeps only so many bytes in one piece: shorten until
    # the line fits. An attacker may choose how long a value is, and a bad file has many problems.
    for limit in (MAX_VALUE, 300, 60):
        text = json.dumps({key: _short(value, limit) for key, value in event.items()}, default=str)
        text = text.replace("\x7f", "\\u007f")
        if len(text) < select.PIPE_BUF:
            break
    return text


def _short(value: Any, limit: int) -> Any:
    if isinstance(value, str) and len(value) > limit:
        return value[:limit] + "…"
    if isinstance(value, list | tuple):
        shown = [_short(item, limit) for item in value[:MAX_ITEMS]]
        more = len(value) - len(shown)
        return [*shown, f"and {more} more"] if more else shown
    return value


def event_log(writer: LogWriter, **always: Any) -> FilteringBoundLogger:
    """A logger whose every line carries `timestamp`, `level`, `event` and `always`."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        writer,
        processors=[
            stamp,
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("INFO"),
        **always,
    )
    return logger
