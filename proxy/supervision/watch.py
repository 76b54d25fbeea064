"""Watching files: a thread for each looks ten times a second, woken early by the kernel.

A look is a stat. It follows symlinks, so it sees a ConfigMap swap its directory; it works on
network and overlay file systems that send no notifications; and it happens beside the loop, which a
hanging disk would otherwise stop, and beside the looks at files on other disks. watchfiles shortens
the wait where it can.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import watch

LOOK_SECONDS = 0.1
# A writer that truncates first leaves an empty file for a moment; one that stays empty is told.
EMPTY_SECONDS = 0.5

# What tells one content of a file from another; None is no file.
Look = tuple[int, int, int, int] | None


class Watch:
    """Calls `on_change(path)` in the loop when a file appears, changes or goes away."""

    def __init__(self, paths: Sequence[Path], on_change: Callable[[Path], None]) -> None:
        self._paths = tuple(paths)
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._wakes = {path: threading.Event() for path in self._paths}
        self._looks = {path: look(path) for path in self._paths}
        self._emptied: dict[Path, float] = {}
        self._threads = (
            *(
                threading.Thread(target=self._look, args=(path,), name="figway-watch", daemon=True)
                for path in self._wakes
            ),
            threading.Thread(target=self._listen, name="figway-notify", daemon=True),
        )

    def start(self) -> None:
        """Begin watching; what changed since this object was made is reported first."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads, soon."""
        self._stop.set()
        self._look_now()

    def _look_now(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def _look(self, path: Path) -> None:
        while not self._stop.is_set():
            seen = look(path)
            if seen != self._looks[path] and not self._is_being_written(path, seen):
                self._looks[path] = seen
                self._tell(path)
            self._wakes[path].wait(LOOK_SECONDS)
            self._wakes[path].clear()

    def _is_being_written(self, path: Path, seen: Look) -> bool:
        if not (seen and _size(seen) == 0 and _size(self._looks[path]) > 0):
            self._emptied.pop(path, None)
            return False
        since = self._emptied.setdefault(path, time.monotonic())
        return time.monotonic() - since < EMPTY_SECONDS

    def _listen(self) -> None:
        directories = {path.parent for path in self._paths if path.parent.is_dir()}
        try:
            for _ in watch(
                *directories,
                stop_event=self._stop,
                watch_filter=None,
                step=10,
                debounce=50,
                rust_timeout=500,
                recursive=False,
                raise_interrupt=False,
            ):
                self._look_now()
        except OSError:
            # No inotify watches left, or the directory went away: looking goes on by itself.
            return

    def _tell(self, path: Path) -> None:
        try:
            self._loop.call_soon_threadsafe(self._on_change, path)
        except RuntimeError:
            # The loop has been closed: there is nobody to tell.
            self._stop.set()


def _size(seen: Look) -> int:
    return seen[1] if seen else 0


def look(path: Path) -> Look:
    """Tell apart contents by device-independent means: inode, size, and the times of both."""
    try:
        seen = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError:
        # Not allowed or not readable now: that is no news about the file's content.
        return (-1, -1, -1, -1)
    return (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
