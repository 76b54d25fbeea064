"""Replacing a file as a whole: a reader, or a crash, sees the old or the new one, never a part."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write beside the file, flush to disk, rename over it. Raises OSError.

    A symbolic link stays one: what it points to is replaced. Without `mode`, the permissions of the
    old file are kept (0644 for a new one).
    """
    path = path.resolve()
    if mode is None:
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            # open() is subject to the umask, this is not.
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    # The rename itself is only durable once the directory is.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
