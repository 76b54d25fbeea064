"""The access log: one JSON line per request worth telling of, written by a thread of its own."""

from __future__ import annotations

import json
import os
import select
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

Value = str | int | float | bool | None
Line = Mapping[str, Value]

# Lines written with one system call.
_BATCH: Final = 256


class LogWriter:
    """A bounded queue and a thread that writes it to a file descriptor.

    Adding never blocks and never fails: when the reader of the log has stopped, lines are dropped
    and counted.
    """

    def __init__(self, descriptor: int, capacity: int) -> None:
        self._descriptor = descriptor
        self._capacity = capacity
        self._lines: deque[Line] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, line: Line) -> None:
        """Queue one line."""
        if len(self._lines) >= self._capacity:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def stop(self, patience: float) -> None:
        """Write what is queued, but wait no longer than `patience` seconds for it."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._lines:
                batch = [self._lines.popleft() for _ in range(min(_BATCH, len(self._lines)))]
                self._write(batch)
            if self._stopping:
                return

    def _write(self, batch: list[Line]) -> None:
        # json escapes control characters, and ensure_ascii everything a terminal could trip over.
        lines = [json.dumps(line, ensure_ascii=True).encode("ascii") + b"\n" for line in batch]
        while lines:
            data = lines.pop(0)
            count = 1
            # Other workers write to the same pipe, which keeps only so many bytes in one piece.
            while lines and len(data) + len(lines[0]) <= select.PIPE_BUF:
                data += lines.pop(0)
                count += 1
            while data:
                try:
                    written = os.write(self._descriptor, data)
                except OSError:
                    self.dropped += count + len(lines)
                    return
                data = data[written:]
