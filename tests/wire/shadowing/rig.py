"""A route that is copied, and the worker's books of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from proxy.routing.route import Match, PathKind, PathMatch, Route, RouteFile, Upstream
from proxy.shadow_policy import ObserverPolicy, ShadowPolicy
from proxy.stages import Side, Stage
from tests.rigs.scripted_origin import OK, Conversation, Script, answer
from tests.rigs.worker_thread import CATCH_ALL
from tests.wire.conftest import TIMEOUTS, Wire

EVERYTHING = ShadowPolicy(sample=1.0)


def shadowed(
    legacy: str,
    policy: ShadowPolicy = EVERYTHING,
    *,
    new: str = "http://127.0.0.1:1",
    stage: Stage = Stage.SHADOW,
    observer: ObserverPolicy = ObserverPolicy(),
    path: str = "/s",
    **route: Any,
) -> RouteFile:
    """One route under a prefix whose requests are copied, beside a monolith where nothing is."""
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=(legacy,), timeouts=TIMEOUTS),
            Upstream(name="new", side=Side.NEW, urls=(new,), timeouts=TIMEOUTS),
        ),
        routes=(
            Route(
                id="shown",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value=path)),
                new="new",
                stage=stage,
                shadow=policy,
                **route,
            ),
            CATCH_ALL,
        ),
        shadow=observer,
        revision="r1",
    )


def books(wire: Wire, route: str = "shown") -> tuple[int, int, dict[tuple[str, str], int]]:
    """(eligible, handed over, own ends) of a route; asked when nothing is in flight."""

    def ask() -> tuple[int, int, dict[tuple[str, str], int]]:
        found = wire.proxy.worker.books.of(route)
        ended = {(o.value, detail): count for (o, detail), count in found.ended.items()}
        return found.eligible, found.handed, ended

    eligible, handed, ended = wire.proxy.ask(ask)
    return eligible, handed, ended


def wait_until(wire: Wire, happened: Callable[[], bool]) -> None:
    """Poll a condition of the worker, on its own loop."""
    for _ in range(1000):
        if wire.proxy.ask(happened):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"in vain: {wire.proxy.worker.books.all()}")


def assert_balanced(wire: Wire, *, eligible: int, handed: int, **ended: int) -> None:
    """Every eligible request has one end; the worker's are named `outcome__detail`."""
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    wanted = {(key.partition("__")[0], key.partition("__")[2]): n for key, n in ended.items()}
    assert books(wire) == (eligible, handed, wanted)
    assert eligible == handed + sum(ended.values())
    assert wire.proxy.ask(lambda: wire.proxy.worker.outlet.held) == 0


def play(response: bytes, *more: bytes, close: bool = False) -> Script:
    """Script: these pieces, each in a send of its own that the proxy has read before the next."""

    def script(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(response)
            for piece in more:
                threading.Event().wait(0.01)
                conversation.send(piece)
            if close:
                conversation.half_close()
                conversation.wait_until_left()

    return script


def gate() -> tuple[Script, threading.Event, threading.Event]:
    """A script that answers in two halves; the events let the head and the end go."""
    head, end = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        head.wait(20)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        end.wait(20)
        conversation.send(b"cd")
        answer(OK)(conversation)

    return script, head, end
