"""The proxy under test: one real worker on a uvloop loop in a thread of the test process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Self

import uvloop

from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy.routing.route import Match, PathKind, PathMatch, Route, RouteFile, Upstream
from proxy.routing.table import RouteTable
from proxy.settings import Settings
from proxy.stages import Side
from proxy.worker import Worker

CATCH_ALL = Route(id="monolith", match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/")))


def all_to(url: str, **upstream: Any) -> RouteFile:
    """A table whose only route sends everything to one legacy endpoint."""
    return RouteFile(
        upstreams=(Upstream(name="legacy", side=Side.LEGACY, urls=(url,), **upstream),),
        routes=(CATCH_ALL,),
        revision="test",
    )


class WorkerThread:
    """Runs a `Worker`. Use as a context manager."""

    def __init__(
        self,
        routes: RouteFile,
        settings: Settings,
        flags: FlagSnapshot = NOTHING_SET,
        *,
        observer: str = "",
    ) -> None:
        self._routes, self._flags, self._settings = routes, flags, settings
        self._observer = observer
        self._revision = 0
        self._loop = uvloop.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker", daemon=True)
        # What the event loop could not deliver: a bug in the proxy, whatever the client saw.
        self.unhandled: list[dict[str, Any]] = []
        self.worker: Worker

    def __enter__(self) -> Self:
        self._loop.set_exception_handler(lambda _, context: self.unhandled.append(context))
        self._thread.start()
        self.do(self._start())
        return self

    async def _start(self) -> None:
        self.worker = Worker(self._settings, observer=self._observer)
        self._apply()
        self.worker.listen(self._listener)

    def _apply(self) -> None:
        self._revision += 1
        self.worker.apply(self._revision, RouteTable.compile(self._routes), self._flags, ())

    def __exit__(self, *_: object) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()
        self._listener.close()

    async def _stop(self) -> None:
        self.worker.close()
        # Transports tell their protocols in the next turn of the loop.
        await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]  # never None here
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def do(self, work: Coroutine[Any, Any, Any], patience: float = 20.0) -> Any:
        """Run a coroutine on the worker's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(patience)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the worker's loop without waiting."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def ask(self, question: Callable[[], Any]) -> Any:
        """Call a plain function on the worker's loop."""

        async def answer() -> Any:
            return question()

        return self.do(answer())

    def change(self, *, routes: RouteFile | None = None, flags: FlagSnapshot | None = None) -> None:
        """Apply new routes or flags; returns when they are in force."""
        self._routes = routes or self._routes
        self._flags = flags or self._flags
        self.ask(self._apply)

    def with_revision(self, revision: str) -> None:
        """Apply the same routes under another revision."""
        self.change(routes=replace(self._routes, revision=revision))
