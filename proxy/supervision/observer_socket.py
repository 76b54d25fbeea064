"""The unix socket on which the observer takes exchanges: this user's alone.

The supervisor listens and every observer inherits it: while one is replaced, workers that connect
wait in the kernel's queue instead of being refused.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

# sockaddr_un holds this many bytes, the final zero not counted (unix(7)).
_LONGEST_PATH = 107
_FOLDER = "run"
_NAME = "observer"
_BACKLOG = 128


class ObserverSocket:
    """A listening socket of mode 0600 in a directory of mode 0700."""

    def __init__(self, listener: socket.socket, path: Path, *, temporary: bool) -> None:
        self.listener = listener
        self.path = path
        self._temporary = temporary

    @classmethod
    def open(cls, state_directory: Path) -> ObserverSocket:
        """Listen in the state directory, or, where its path is too long, elsewhere. Raises OSError.

        The state directory must be locked: what an earlier supervisor left there is replaced.
        """
        folder = state_directory / _FOLDER
        if len(os.fsencode(folder / _NAME)) <= _LONGEST_PATH:
            with contextlib.suppress(OSError):  # a file system that has no sockets
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
                return cls(_listen(folder / _NAME), folder / _NAME, temporary=False)
        folder = Path(tempfile.mkdtemp(prefix="figway-"))
        if len(os.fsencode(folder / _NAME)) > _LONGEST_PATH:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="figway-", dir="/tmp"))
        return cls(_listen(folder / _NAME), folder / _NAME, temporary=True)

    def close(self) -> None:
        """Stop listening and leave nothing behind."""
        self.listener.close()
        if self._temporary:
            shutil.rmtree(self.path.parent, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
