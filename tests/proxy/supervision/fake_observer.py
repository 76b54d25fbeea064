"""An observer with exactly one fault. Run as `python fake_observer.py FAULT --listen-fd N ...`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from proxy.link import (
    Answer,
    Apply,
    Ask,
    Collect,
    Counters,
    Drain,
    Link,
    Message,
    Ready,
    Start,
    open_link,
)
from proxy.tally import Series, TallySnapshot


async def observe(fault: str, end: socket.socket, store: Path) -> None:
    """Do everything an observer does on its link, but for the fault."""
    ended = asyncio.Event()
    applies: list[tuple[int, bool]] = []
    link: Link

    def told(message: Message) -> None:
        match message:
            case Start():
                pass
            case Apply(revision=revision, routes=routes):
                applies.append((revision, routes is not None))
                if len(applies) == 1 and fault != "never_ready":
                    store.touch()
                    link.send(Ready(worker=0, pid=os.getpid()))
            case Collect(id=number):
                one = Series(metric="figway_log_dropped_total", labels=(), value=1.0)
                gauge = Series(metric="figway_tunnels", labels=(), value=1.0)
                link.send(Counters(id=number, tally=TallySnapshot(series=(one, gauge))))
            case Ask(id=number, what=what, params=params):
                if fault == "never_answers":
                    return
                if fault == "dies_when_asked":
                    os.kill(os.getpid(), signal.SIGKILL)
                body = {"what": what, "params": json.loads(params), "applies": applies}
                link.send(Answer(id=number, status=200, body=json.dumps(body)))
            case Drain() if fault != "never_drains":
                ended.set()
            case _:
                pass

    link = await open_link(end, on_message=told, on_closed=lambda _: ended.set())
    await ended.wait()


def main() -> None:
    """Play one fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--link-fd", type=int)
    parser.add_argument("--store", type=Path)
    args = parser.parse_args()
    if args.fault == "exits_at_once":
        sys.exit(3)
    asyncio.run(observe(args.fault, socket.socket(fileno=args.link_fd), args.store))


if __name__ == "__main__":
    main()
