"""The file provider: flags.yaml on this machine, which needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flags.file_text import NEW_FILE, FlagFileError, FlagProblem, parse_flags, with_percent
from flags.provider import NOTHING_SAID, FlagState, hold_missing
from flags.whole_file import write_whole

__all__ = ["FileProvider", "FlagFileError", "FlagProblem", "Refreshed"]

_HINT: Final = "set the percentage in it by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What holds after another look at the file."""

    state: FlagState
    # Why the file could not be used; then `state` is what held before.
    problems: tuple[FlagProblem, ...] = ()
    # Scopes that the file fell silent about; their last percentage holds.
    held: tuple[str, ...] = ()


class FileProvider:
    """One flag file. `load` and `set_percent` touch the disk; keep them off the event loop."""

    name = "file"

    def __init__(self, path: Path, *, last_good: FlagState = NOTHING_SAID, newest: int = 0) -> None:
        """`last_good` is what was said before this process started, if that was kept.

        `newest` is the newest revision that is known of: what is saved from now on is newer.
        """
        self.path = path
        self._state = last_good
        self._newest = newest
        self._content: bytes | None = None
        self._changed = 0

    @property
    def state(self) -> FlagState:
        """What held after the last `refresh`."""
        return self._state

    @property
    def content(self) -> bytes | None:
        """The bytes that were last read well, to keep for a start without the file."""
        return self._content

    def load(self) -> FlagState:
        """Read the file. A missing one says nothing. Raises `FlagFileError` with every problem."""
        return self._read()[0]

    def glance(self) -> tuple[bytes | None, FlagState]:
        """What stands in the file at this moment, and what that says. Nothing is taken note of.

        None for a file that is not there. Raises `FlagFileError` when it cannot be read; what is
        no flag file says nothing.
        """
        content = self._bytes()
        try:
            # What was taken note of already is no news, and may not look newer than it is.
            if content is not None and content != self._content:
                revision = self._dated(self.path.stat().st_mtime_ns)
                return content, parse_flags(content, str(self.path), revision=revision)
        except (FlagFileError, OSError):
            pass
        return content, NOTHING_SAID

    def refresh(self, glanced: bytes | None = None) -> Refreshed:
        """Read the file; what cannot be read, or is not said any more, changes nothing.

        With `glanced` that is its content, and it is not read again.
        """
        try:
            state, content = self._read(glanced)
        except FlagFileError as error:
            return Refreshed(state=self._state, problems=error.problems)
        if content is None:
            if self._state is NOTHING_SAID:
                return Refreshed(state=NOTHING_SAID)
            problem = FlagProblem(str(self.path), 0, 0, "", "is gone; what it said before holds")
            return Refreshed(state=self._state, problems=(problem,))
        self._content = content
        self._state, held = hold_missing(self._state, state)
        return Refreshed(state=self._state, held=held)

    def set_percent(self, scope: str, basis_points: int) -> None:
        """Rewrite one percentage, atomically and with comments kept. Raises `FlagFileError`."""
        content = self._bytes()
        if content is None:
            content_text = NEW_FILE
        else:
            # First, for its problems: a file that is not UTF-8 is one of them.
            parse_flags(content, str(self.path))
            content_text = content.decode()
        edited = with_percent(content_text, str(self.path), scope, basis_points)
        if self._bytes() != content:
            raise self._error("changed while it was being edited; repeat the command")
        try:
            write_whole(self.path, edited.encode())
        except OSError as error:
            raise self._error(f"cannot be written ({error.strerror}); {_HINT}") from None

    def _read(self, glanced: bytes | None = None) -> tuple[FlagState, bytes | None]:
        content = self._bytes() if glanced is None else glanced
        if content is None:
            return NOTHING_SAID, None
        return parse_flags(content, str(self.path), revision=self._revision(content)), content

    def _revision(self, content: bytes) -> int:
        # The time of the change, so that an old file that comes back (a restored backup, a fresh
        # container) is not newer than a rollback. Within a process a change always counts as newer,
        # and so does saving again what is there: the clock may have been ahead, before the start.
        changed, before = self.path.stat().st_mtime_ns, self._changed
        self._changed = changed
        if self._content is None:
            return changed
        if content == self._content and changed <= before:
            return max(changed, self._state.revision)
        return self._dated(changed)

    def _dated(self, changed: int) -> int:
        if self._content is None:
            return changed
        return max(changed, self._state.revision + 1, self._newest + 1)

    def _bytes(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(f"cannot be read ({error.strerror})") from None

    def _error(self, message: str) -> FlagFileError:
        return FlagFileError((FlagProblem(str(self.path), 0, 0, "", message),))
