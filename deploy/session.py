"""A session in a terminal: servers that run until Ctrl-C, and end in order whatever happens."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from deploy.servers import RunError
from deploy.service import Service, ServiceError

_READY_SECONDS = 60.0
# Figway drains for up to 30 s; a second Ctrl-C cuts it short.
_STOP_SECONDS = 35.0


class Stop:
    """Ctrl-C, SIGTERM and SIGHUP: the first stops in order, the second at once."""

    def __init__(self) -> None:
        # Not an Event: its set() takes a lock, and a signal that comes while wait() holds it would
        # wait for itself for ever.
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        self.times = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.times += 1
        # Full is told as well.
        with suppress(BlockingIOError):
            os.write(self._tell, b"!")

    def asked(self) -> bool:
        """Whether we were told to stop."""
        return self.times > 0

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the signal."""
        select.select([self._told], [], [], seconds)


class Session:
    """What was started so far, in this order."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self._services: list[Service] = []

    def add(self, service: Service) -> None:
        """Have a service ended with the session."""
        self._services.append(service)

    def wait_until_ready(self) -> None:
        """Wait for every service, or until stopped. Raises ServiceError."""
        for service in self._services:
            service.wait_until_ready(_READY_SECONDS, self.stop.asked)

    def check(self) -> None:
        """Raises ServiceError when a service has ended."""
        for service in self._services:
            if not service.is_running():
                raise ServiceError(service.death_notice())

    def wait_until_stopped(self) -> None:
        """Wait for Ctrl-C. Raises ServiceError when a service ends before."""
        while not self.stop.asked():
            self.check()
            self.stop.wait(0.2)

    def end(self) -> None:
        """Stop everything, the last started first: no request finds its upstream gone."""
        if self._services:
            print("Stopping ...", flush=True)
        for service in reversed(self._services):
            service.stop(_STOP_SECONDS, hurry=lambda: self.stop.times > 1)


def run_session(name: str, serve: Callable[[Session], None]) -> int:
    """Let `serve` start and use its servers; 0 when stopped on purpose, 1 when something failed."""
    session = Session(Stop())
    try:
        serve(session)
    except (RunError, ServiceError) as error:
        # Whoever stops us in the middle of seeding is not told that seeding failed.
        if not session.stop.asked():
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            return 1
    finally:
        session.end()
    return 0
