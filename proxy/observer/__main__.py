"""Run an observer on inherited descriptors."""

from __future__ import annotations

import argparse
import gc
import random
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import uvloop

from proxy.access_log import LogWriter
from proxy.observer.process import ObserverProcess
from proxy.observer.store import EvidenceStore, StoreError
from proxy.observer.telling import Telling

_LOG_QUEUE: Final = 1000
_UNUSABLE: Final = 3


def main() -> int:
    """Observe; 3 when the store cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m proxy.observer", description=__doc__)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    log = LogWriter(sys.stdout.fileno(), _LOG_QUEUE)
    log.start()
    tell = Telling(log.add)

    def store_event(event: str, facts: Mapping[str, object]) -> None:
        tell("warning", event, **facts)

    try:
        store = EvidenceStore(
            options.store, random=random.SystemRandom(), clock=time.time, on_event=store_event
        )
    except StoreError as error:
        tell("error", "store_unusable", error=str(error))
        log.stop(1.0)
        return _UNUSABLE
    listener = socket.socket(fileno=options.listen_fd)
    link = socket.socket(fileno=options.link_fd)
    gc.set_threshold(50_000, 20, 100)

    async def run() -> None:
        await ObserverProcess(listener, link, store, tell).run()

    runner: Callable[..., None] = uvloop.run
    try:
        runner(run())
    finally:
        store.close()
        log.stop(1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
