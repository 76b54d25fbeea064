"""A session in a terminal: servers that run until Ctrl-C, and end in order whatever happens."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from deploy.servers import RunError
from deploy.service import Service, ServiceError

_READY_SECONDS = 60.0
# Figway drains for up to 30 s; a second Ctrl-C cuts it short.
_STOP_SECONDS = 35.0
_LEFT_SECONDS = 5.0
# A service that ends sooner after its start than this is broken, not killed by somebody.
_SHORT_LIFE_SECONDS = 3.0


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


@dataclass(slots=True, kw_only=True)
class _Member:
    """A service, and how another one like it is started when it ends."""

    service: Service
    again: Callable[[], Service] | None
    started: float
    # Members of one batch are told to stop at once.
    batch: int
    # When it is started again; None while it runs.
    due: float | None = None


class Session:
    """What was started so far, in this order.

    `outage_seconds` is how long a service that may end stays away before it is started again.
    """

    def __init__(self, stop: Stop, *, outage_seconds: float = 0.0) -> None:
        self.stop = stop
        self.outage_seconds = outage_seconds
        # Is told after every start: the processes that have to end with us.
        self.on_start: Callable[[list[Service]], None] = lambda _: None
        self._members: list[_Member] = []
        self._batches = 0
        self._last: list[Callable[[], None]] = []

    def on_end(self, *actions: Callable[[], None]) -> None:
        """Have these called once everything has ended."""
        self._last += actions

    def add(self, service: Service) -> None:
        """Have a service ended with the session."""
        self._batches += 1
        self._enlist(service, None)

    def start(self, *starters: Callable[[], Service]) -> None:
        """Start services that may end and come back; at the end they stop side by side."""
        self._batches += 1
        for starter in starters:
            self._enlist(starter(), starter)

    def _enlist(self, service: Service, again: Callable[[], Service] | None) -> None:
        self._members.append(
            _Member(service=service, again=again, started=time.monotonic(), batch=self._batches)
        )
        self.on_start(self._services())

    def _services(self) -> list[Service]:
        return [member.service for member in self._members]

    def wait_until_ready(self) -> None:
        """Wait for every service, or until stopped. Raises ServiceError."""
        for service in self._services():
            service.wait_until_ready(_READY_SECONDS, self.stop.asked)

    def check(self) -> None:
        """Start again what is due. Raises ServiceError when a service has ended for good."""
        for member in self._members:
            if member.due is None and not member.service.is_running():
                self._mourn(member)
            elif member.due is not None and time.monotonic() >= member.due:
                self._revive(member)

    def _mourn(self, member: _Member) -> None:
        now = time.monotonic()
        # One that cannot live is not started for ever.
        if member.again is None or now - member.started < _SHORT_LIFE_SECONDS:
            raise ServiceError(member.service.death_notice())
        member.due = now + self.outage_seconds
        print(
            f"\n{member.service.name} ended; it is started again in"
            f" {self.outage_seconds:.0f} s. The rest goes on.",
            flush=True,
        )

    def _revive(self, member: _Member) -> None:
        self._replace(member)
        print(f"{member.service.name} is back.", flush=True)

    def restart(self, starter: Callable[[], Service]) -> None:
        """Stop what this started, and start it again. Raises ServiceError."""
        [member] = [member for member in self._members if member.again == starter]
        self._replace(member)

    def _replace(self, member: _Member) -> None:
        assert member.again is not None
        # What is left of its group holds its port.
        member.service.stop(_LEFT_SECONDS, hurry=self.stop.asked)
        member.service, member.due = member.again(), None
        member.started = time.monotonic()
        self.on_start(self._services())
        member.service.wait_until_ready(_READY_SECONDS, self.stop.asked)

    def wait_until_stopped(self) -> None:
        """Wait for Ctrl-C. Raises ServiceError when a service ends before."""
        while not self.stop.asked():
            self.check()
            self.stop.wait(0.2)

    def end(self) -> None:
        """Stop everything, the last started first: no request finds its upstream gone."""
        if self._members:
            print("Stopping ...", flush=True)
        for batch in range(self._batches, 0, -1):
            services = [member.service for member in self._members if member.batch == batch]
            for service in services:
                service.ask_to_stop()
            for service in services:
                service.stop(_STOP_SECONDS, hurry=lambda: self.stop.times > 1)
        for action in self._last:
            action()


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
