"""An observer that only reads: it keeps every frame a worker hands over, or misbehaves as told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from proxy.handover import (
    Closed,
    Ended,
    Frame,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    TakenRequest,
    TakenResponse,
    Unpacker,
    Whole,
)

PATIENCE = 20.0

# What to do with a connection until the event says that the test is over.
Manner = Callable[[socket.socket, threading.Event], None]


def never_read(_sock: socket.socket, over: threading.Event) -> None:
    """Manner: accept and read nothing."""
    over.wait()


def talk(sock: socket.socket, over: threading.Event) -> None:
    """Manner: write, which no observer does."""
    with suppress(OSError):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 1000)
        over.wait()


def hang_up(_sock: socket.socket, _over: threading.Event) -> None:
    """Manner: end the connection at once."""


class ScriptedObserver:
    """A listening unix socket. Use as a context manager; `manner` None reads and keeps frames."""

    def __init__(self, path: Path, manner: Manner | None = None) -> None:
        self.path = path
        self.manner = manner
        self.frames: list[Frame] = []
        self.failures: list[BaseException] = []
        self.connections = 0
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True, name="observer")]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        self.drop_connections()
        for thread in self._threads:
            thread.join(PATIENCE)
        if self.failures:
            raise self.failures[0]

    def drop_connections(self) -> None:
        """End every connection; the worker may come again."""
        with self._changed:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            with self._changed:
                self.connections += 1
                self._open.append(sock)
                self._threads.append(thread)
                self._changed.notify_all()
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock:
                if self.manner is None:
                    self.read(sock)
                else:
                    self.manner(sock, self._over)
        except BaseException as error:  # noqa: BLE001 -- what the thread finds is the test's
            self.failures.append(error)
        finally:
            with self._changed:
                if sock in self._open:
                    self._open.remove(sock)
                self._changed.notify_all()

    def read(self, sock: socket.socket) -> None:
        """Keep every frame until the connection ends; a manner may call it when it likes."""
        unpacker = Unpacker()
        while True:
            try:
                data = sock.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            for frame in unpacker.feed(data):
                with self._changed:
                    self.frames.append(frame)
                    self._changed.notify_all()

    # What came.

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Block until `happened` is true; it is asked again whenever a frame comes."""
        with self._changed:
            assert self._changed.wait_for(happened, PATIENCE), f"waited in vain: {self.frames}"

    def of(self, *kinds: type[Frame]) -> list[Frame]:
        """The frames of these kinds, in order."""
        return [frame for frame in list(self.frames) if isinstance(frame, kinds)]

    @property
    def hellos(self) -> list[Hello]:
        """One for each connection."""
        return [frame for frame in list(self.frames) if isinstance(frame, Hello)]

    @property
    def taken(self) -> list[TakenRequest]:
        """Every request handed over, whole or only opened."""
        return [frame.request for frame in list(self.frames) if isinstance(frame, Opened | Whole)]

    @property
    def exchanges(self) -> list[tuple[TakenRequest, TakenResponse]]:
        """Every request with its response."""
        opened: dict[tuple[str, int], TakenRequest] = {}
        found = []
        boot = ""
        for frame in list(self.frames):
            match frame:
                case Hello(boot=name):
                    boot = name
                case Whole(request=request, response=response):
                    found.append((request, response))
                case Opened(request=request):
                    assert (boot, request.id) not in opened
                    opened[boot, request.id] = request
                case Closed(id=number, response=response):
                    found.append((opened.pop((boot, number)), response))
                case _:
                    pass
        return found

    @property
    def ended(self) -> list[tuple[str, str]]:
        """(outcome, detail) of every request that was opened and not closed."""
        return [(f.outcome.value, f.detail) for f in list(self.frames) if isinstance(f, Ended)]

    def ledger(self) -> dict[str, LedgerRow]:
        """The newest row of every route."""
        rows: dict[str, LedgerRow] = {}
        for frame in list(self.frames):
            if isinstance(frame, Ledger):
                rows |= {row.route: row for row in frame.rows}
        return rows

    def wait_for_exchanges(self, count: int) -> list[tuple[TakenRequest, TakenResponse]]:
        """Block until so many exchanges are whole, and return them."""
        self.wait_for(lambda: len(self.exchanges) >= count)
        return self.exchanges

    def one_exchange(self) -> tuple[TakenRequest, TakenResponse]:
        """The only exchange that may have come."""
        (exchange,) = self.wait_for_exchanges(1)
        return exchange
