"""The state directory: one supervisor at a time, mode 0700, every file 0600 and written whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from pathlib import Path

from flags.whole_file import write_whole

TOKEN = "admin-token"  # noqa: S105 - the name of a file
LISTEN = "listen"
ADMIN = "admin"
SENTINEL = "ROLLBACK"
LATCH = "rollback-latch.json"
PAUSE = "shadow-pause.json"
AUDIT = "audit.jsonl"
TOKENS = "tokens.json"
LAST_GOOD_FLAGS = "last-good-flags.json"
LAST_GOOD_UNLEASH = "last-good-unleash.json"
PEERS = "peers.json"
EVIDENCE = "evidence.sqlite3"
_LOCK = "lock"


class StateDirectoryError(Exception):
    """The directory cannot be used; the message says which, why and what to do."""


class StateDirectory:
    """An open, locked state directory. Close it to let another supervisor in."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> StateDirectory:
        """Create what is missing and take the lock. Raises StateDirectoryError."""
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateDirectoryError(
                f"--state-dir: {path} cannot be used ({error.strerror}): name a directory that this"
                " user may write"
            ) from None
        try:
            # The kernel drops the lock when its holder dies, however it dies.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise StateDirectoryError(
                f"--state-dir: {path} is in use by another figway serve (process {holder}): stop"
                " that one, or give this one a --state-dir of its own"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return cls(path, lock)

    def close(self) -> None:
        """Remove what only a running supervisor has, and let go of the lock."""
        for name in (LISTEN, ADMIN):
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        os.close(self._lock)

    def write(self, name: str, content: bytes) -> None:
        """Replace a file: a reader, or a crash, sees the old or the new one, never a part."""
        write_whole(self.path / name, content, mode=0o600)

    def token(self) -> str:
        """Return the admin token, made on first use. Raises StateDirectoryError."""
        path = self.path / TOKEN
        try:
            if path.exists():
                if stat.S_IMODE(path.stat().st_mode) & 0o077:
                    path.chmod(0o600)
                token = path.read_text("ascii").strip()
                if len(token) >= 16:
                    return token
            token = secrets.token_urlsafe(32)
            self.write(TOKEN, token.encode() + b"\n")
        except (OSError, UnicodeError) as error:
            raise StateDirectoryError(
                f"--state-dir: {path} cannot be read or written ({error}): mend its permissions, or"
                " remove it to have a new token made"
            ) from None
        return token
