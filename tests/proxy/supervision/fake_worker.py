"""A worker with exactly one fault, for what the real one does not do on request.

Run as `python fake_worker.py FAULT --listen-fd N --link-fd M`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from proxy.link import (
    Applied,
    Apply,
    Collect,
    Counters,
    Drain,
    Drained,
    Link,
    Message,
    Ready,
    Start,
    Stop,
    open_link,
)
from proxy.tally import Series, TallySnapshot


async def work(fault: str, end: socket.socket) -> None:
    """Do everything a worker does on its link, but for the fault."""
    ended = asyncio.Event()
    number = 0
    applies = 0
    link: Link

    def told(message: Message) -> None:
        nonlocal number, applies
        match message:
            case Start(worker=number):
                pass
            case Apply(revision=revision):
                applies += 1
                if applies == 1:
                    link.send(Ready(worker=number, pid=os.getpid()))
                if fault == "never_confirms" and applies > 1:
                    return
                if fault == "dies_when_told" and applies > 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                link.send(Applied(revision=revision, config_revision="x", routes_revision=revision))
                if fault == "speaks_garbage" and applies > 1:
                    os.write(end_copy, b"GET / HTTP/1.1\r\n\r\n" * 10)
            case Collect(id=number_asked) if fault != "never_counts":
                counted = Series(metric="figway_log_dropped_total", labels=(), value=float(applies))
                link.send(Counters(id=number_asked, tally=TallySnapshot(series=(counted,))))
            case Drain() if fault != "never_drains":
                link.send(Drained())
                link.close()
                ended.set()
            case Stop() if fault != "never_drains":
                ended.set()
            case _:
                pass

    end_copy = os.dup(end.fileno())
    link = await open_link(
        end, on_message=told, on_closed=lambda _: None if fault == "outlives_link" else ended.set()
    )
    await ended.wait()


def main() -> None:
    """Play one fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--link-fd", type=int)
    args = parser.parse_args()
    if args.fault == "exits_at_once":
        sys.exit(3)
    if args.fault == "never_ready":
        signal.pause()
    asyncio.run(work(args.fault, socket.socket(fileno=args.link_fd)))


if __name__ == "__main__":
    main()
