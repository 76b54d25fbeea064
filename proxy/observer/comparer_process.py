"""A process that works on heavy pairs, one at a time, and dies with the observer."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import pickle
import resource
import signal
import socket
import struct
import sys
from typing import Final

from proxy.observer.comparer import Task, run

# prctl(2).
_PR_SET_PDEATHSIG: Final = 1
# Address space: trees of the largest bodies fit, what a trap makes of them does not. Bytes.
_MEMORY: Final = 2 * 1024 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")


def serve(end: socket.socket) -> None:
    """Do what comes until nothing comes any more."""
    with end.makefile("rb") as stream:
        while len(length := stream.read(_LENGTH.size)) == _LENGTH.size:
            text = stream.read(_LENGTH.unpack(length)[0])
            # Only the observer has the other end of the socket pair.
            task: Task = pickle.loads(text)  # noqa: S301 -- see above
            done = pickle.dumps(run(task), protocol=pickle.HIGHEST_PROTOCOL)
            end.sendall(_LENGTH.pack(len(done)) + done)


def die_with_parent(parent: int) -> None:
    """Be killed when the observer dies, also in the middle of a comparison. Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Serve one inherited socket."""
    parser = argparse.ArgumentParser(prog="python -m proxy.observer.comparer_process")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(options.parent)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with socket.socket(fileno=options.fd) as end:
        serve(end)


if __name__ == "__main__":
    main()
