"""A comparer process with exactly one fault: `python comparer_that_hangs.py FAULT --fd N`."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from proxy.observer.comparer_process import die_with_parent


def main() -> None:
    """Play one fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("--fd", type=int)
    parser.add_argument("--parent", type=int)
    args = parser.parse_args()
    die_with_parent(args.parent)
    end = socket.socket(fileno=args.fd)
    end.recv(1)
    if args.fault == "exits":
        sys.exit(1)
    if args.fault == "garbage":
        end.sendall(b"\x00\x00\x00\x03abc")
    if args.fault == "tells":
        print(os.getpid(), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
