"""A proxy between a raw client and a scripted origin, for every test of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy.routing.route import RouteFile, Timeouts
from proxy.settings import Deadlines, Limits, Settings
from tests.rigs import diff
from tests.rigs.raw_client import RawClient, Response
from tests.rigs.scripted_origin import OK, Received, Script, ScriptedOrigin, answer
from tests.rigs.worker_thread import WorkerThread, all_to

# Short enough that no test waits, long enough that a busy machine does not trip over them. Tests of
# a deadline shorten that one.
PATIENT = Deadlines(
    header=10.0,
    body_idle=10.0,
    keep_alive=10.0,
    write=10.0,
    linger=2.0,
    linger_idle=1.0,
    tunnel_idle=10.0,
    drain=5.0,
    drain_idle=0.1,
)
SETTINGS = Settings(deadlines=PATIENT, access_log="off")
TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, idle=10.0, queue=5.0, write=10.0)

# Fields that the proxy adds to what it forwards; everything else must be the client's own.
ADDED_UPSTREAM = frozenset(
    {
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-request-id",
        b"traceparent",
    }
)


def own_fields(request: Received) -> list[tuple[bytes, bytes]]:
    """The fields of a forwarded request without those that the proxy added."""
    return [(n, v) for n, v in request.headers if n.lower() not in ADDED_UPSTREAM]


class Wire:
    """One proxy, one origin, any number of clients."""

    def __init__(self, origin: ScriptedOrigin, proxy: WorkerThread) -> None:
        self.origin, self.proxy = origin, proxy
        self.clients: list[RawClient] = []
        # A test whose requests are too large to be read four times more says so.
        self.look_at_requests = True

    def client(self, **options: Any) -> RawClient:
        """Open a connection to the proxy."""
        client = RawClient(self.proxy.address, **options)
        self.clients.append(client)
        return client

    def ask(self, *pieces: bytes, method: str = "GET") -> Response:
        """Send one request on a connection of its own and read one response."""
        with self.client() as client:
            client.send(*pieces)
            return client.read_response(method)

    def settle(self) -> None:
        """Make sure that everything the proxy has sent so far is in the origin's books.

        A request that is sent now arrives after whatever went before; then nothing may be unread.
        """
        seen = len(self.origin.requests)
        assert (
            self.ask(b"GET /settle HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status == 200
        )
        self.origin.wait_for(lambda: self.origin.targets.count(b"/settle") > 0)
        self.origin.wait_for(lambda: self.origin.unread() == 0)
        assert len(self.origin.requests) > seen

    def assert_refused(self, *pieces: bytes, status: int | tuple[int, ...]) -> Response:
        """Send bytes; one error response, the connection closed, and not one byte at the origin."""
        expected = (status,) if isinstance(status, int) else status
        with self.client() as client:
            for piece in pieces:
                client.send_as_far_as_taken(piece)
            response = client.read_response()
            assert response.status in expected, response
            assert response.says_close
            client.read_nothing_more()
        self.settle()
        assert self.origin.targets == [b"/settle"]
        assert self.origin.received == self.origin.requests[0].raw
        return response


def short(wire_settings: Settings = SETTINGS, **deadlines: float) -> Settings:
    """Settings with these deadlines changed."""
    return replace(wire_settings, deadlines=replace(wire_settings.deadlines, **deadlines))


def limited(wire_settings: Settings = SETTINGS, **limits: int) -> Settings:
    """Settings with these limits changed."""
    return replace(wire_settings, limits=replace(Limits(), **limits))


MakeWire = Callable[..., Wire]


@pytest.fixture
def make_wire() -> Iterator[MakeWire]:
    """Start a proxy in front of an origin that plays `script`; everything is configurable."""
    with ExitStack() as stack:
        wires: list[Wire] = []

        def make(
            script: Script | None = None,
            *,
            settings: Settings = SETTINGS,
            routes: RouteFile | Callable[[ScriptedOrigin], RouteFile] | None = None,
            flags: FlagSnapshot = NOTHING_SET,
            observer: str = "",
            **upstream: Any,
        ) -> Wire:
            origin = stack.enter_context(ScriptedOrigin(script or answer(OK)))
            if routes is None:
                routes = all_to(origin.url, **({"timeouts": TIMEOUTS} | upstream))
            elif callable(routes):
                routes = routes(origin)
            proxy = stack.enter_context(WorkerThread(routes, settings, flags, observer=observer))
            wire = Wire(origin, proxy)
            wires.append(wire)
            return wire

        yield make
        for wire in wires:
            for client in wire.clients:
                client.close()
    for wire in wires:
        assert wire.proxy.unhandled == []
        if wire.look_at_requests:
            for conversation in wire.origin.conversations:
                diff.requests_in(bytes(conversation.received))


@pytest.fixture
def wire(make_wire: MakeWire) -> Wire:
    """A proxy with default settings in front of an origin that answers 200 to everything."""
    return make_wire()
