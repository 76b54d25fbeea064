"""The outlet: one unix socket to the observer that is written and never waited for."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Final

from proxy.handover import Hello
from proxy.handover.writing import decided_frame, hello_frame, ledger_frame

if TYPE_CHECKING:
    from proxy.journey import Journey
    from proxy.tee.books import Books
    from proxy.tee.copy import Copy
    from proxy.tee.tee import Branch

# Frames are gathered up to so many bytes, or for so long: they are then written behind the next
# response, and without one after twice that time.
GATHER_SECONDS: Final = 0.004
GATHER_BYTES: Final = 32 * 1024
# The most that is joined and given to the kernel in one turn of the loop.
_SLICE_BYTES: Final = 256 * 1024
# What may wait for an observer that does not read, and what copies under way may hold together.
# Each is at least as much as some of the largest bodies.
WAITING_BYTES: Final = 8 * 1024 * 1024
HELD_BYTES: Final = 16 * 1024 * 1024
_LARGEST_BODIES: Final = 4
_LEDGER_SECONDS: Final = 0.25
# Rows per frame: a few hundred microseconds to write.
_LEDGER_ROWS: Final = 200
# Between two attempts to connect; doubled until one lasts.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_LASTING_SECONDS: Final = 5.0
# Decisions that have a number on a connection at one time.
_NUMBERS: Final = 16_384


class Outlet:
    """Takes frames, gathers them and writes what the kernel takes; the rest waits, within bounds.

    An exchange that is over is packed once the loop has written the responses of its turn, which it
    does at the turn's end: no client waits for its own copy.

    The fields up to `parts` are read and written by `Copy` directly: a call would be a tenth of
    what a copy costs.
    """

    __slots__ = (
        "_books",
        "_closed",
        "_connected_at",
        "_emptied",
        "_ledger_at",
        "_loop",
        "_named",
        "_names",
        "_path",
        "_pause",
        "_rest",
        "_retry",
        "_socket",
        "_started",
        "_timer",
        "_worker",
        "_write_at",
        "blocked",
        "boot",
        "connection",
        "connections",
        "enough",
        "epoch",
        "exchanges",
        "held",
        "held_limit",
        "parts",
        "room",
        "waiting",
        "waiting_limit",
        "whole",
        "written",
    )

    def __init__(self, path: str, worker: int, books: Books) -> None:
        # The number of the connection that stands; 0 is none.
        self.connection = 0
        # Bytes in `parts` and `_rest`.
        self.waiting = 0
        self.waiting_limit = WAITING_BYTES
        # What `waiting` may come to: `waiting_limit`, or nothing without a connection.
        self.room = 0
        # What `waiting` has to come to before `gather` has something to do.
        self.enough = 0
        # Bytes that copies under way refer to beyond the turn in which they came.
        self.held = 0
        self.held_limit = HELD_BYTES
        # The last id given.
        self.exchanges = 0
        # What perf_counter() lacks to seconds since 1970.
        self.epoch = time.time() - time.perf_counter()
        # The kernel takes no more for now.
        self.blocked = False
        self.parts: list[bytes] = []
        # Exchanges that ended in this turn of the loop, each with the time of its end.
        self.whole: list[tuple[Copy, Journey, float]] = []
        self.boot = secrets.token_hex(16)
        self.connections = 0
        self.written = 0
        self._path = path
        self._worker = worker
        self._books = books
        self._socket: socket.socket | None = None
        self._rest = memoryview(b"")
        self._names: list[Branch] = []
        self._named = 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_at = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._pause = _FIRST_PAUSE
        self._connected_at = 0.0
        self._ledger_at = 0.0
        self._emptied: asyncio.Event | None = None
        self._started = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Connect, and keep connected. Needs a running loop; asked again it does nothing."""
        if self._started:
            return
        self._started = True
        self._loop = asyncio.get_running_loop()
        if self._path:
            self._connect()

    def fit(self, max_body: int) -> None:
        """Widen the bounds for bodies of this size."""
        self.waiting_limit = max(WAITING_BYTES, _LARGEST_BODIES * max_body)
        self.held_limit = max(HELD_BYTES, _LARGEST_BODIES * max_body)
        if self.connection:
            self.room = self.waiting_limit

    # Connecting. A unix socket connects at once or not at all, so there is nothing to wait for.

    def _connect(self) -> None:
        self._retry = None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            self._try_later()
            return
        self._socket = sock
        self.connections += 1
        self.connection = self.connections
        self.room = self.waiting_limit
        self._connected_at = time.monotonic()
        self._loop.add_reader(sock.fileno(), self._ended)
        self.put(hello_frame(Hello(boot=self.boot, worker=self._worker, pid=os.getpid())))
        self._books.all_changed()
        self._tell_books()

    def _try_later(self) -> None:
        if not self._closed:
            self._retry = self._loop.call_later(self._pause, self._connect)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _ended(self) -> None:
        # The observer never writes: whatever can be read, be it the end, ends the connection.
        self._disconnect()
        self._try_later()

    def _disconnect(self) -> None:
        sock, self._socket = self._socket, None
        if sock is None:
            return
        if time.monotonic() - self._connected_at > _LASTING_SECONDS:
            self._pause = _FIRST_PAUSE
        self._loop.remove_reader(sock.fileno())
        if self.blocked:
            self._loop.remove_writer(sock.fileno())
        sock.close()
        self.connection = self.room = self.enough = 0
        self.blocked = False
        # What waited was counted as handed over: the ledger tells the next observer of it.
        self.parts = []
        self._rest = memoryview(b"")
        self.waiting = 0
        for branch in self._names:
            branch.number = 0
        self._names = []
        self._named = 0
        if self._emptied is not None:
            self._emptied.set()

    # Packing.

    def pack_soon(self) -> None:
        """Pack what is in `whole` behind the responses of this turn. To be called for the first."""
        self._loop.call_soon(self._pack)

    def _pack(self) -> None:
        whole, self.whole = self.whole, []
        for copy, journey, ended_at in whole:
            copy.hand_over(journey, ended_at)
        if self._timer is not None and whole and whole[-1][2] >= self._write_at:
            # Nobody waits just now; when the timer ends somebody may.
            self._timer.cancel()
            self._gathered()
        elif self.waiting and self.waiting >= self.enough:
            self.gather()

    # Writing.

    def name(self, branch: Branch) -> int:
        """Give a decision its number on this connection; the oldest name gives way. 0: no room."""
        if self.waiting >= self.room:
            return 0
        at = self._named % _NUMBERS
        self._named += 1
        if at < len(self._names):
            self._names[at].number = 0
            self._names[at] = branch
        else:
            self._names.append(branch)
        branch.number = at + 1
        self.put(decided_frame(branch.number, branch.decided))
        return branch.number

    def put(self, frame: bytes) -> None:
        """Write a small frame with the next batch."""
        self.add((frame,), len(frame))

    def add(self, parts: tuple[bytes, ...], size: int) -> None:
        """Write these with the next batch; `size` is theirs together."""
        self.parts += parts
        self.waiting += size
        if self.waiting >= self.enough:
            self.gather()

    def gather(self) -> None:
        """Write soon, or now if there is enough. To be called when `waiting` reaches `enough`."""
        if self._timer is None:
            self._timer = self._loop.call_later(2 * GATHER_SECONDS, self._gathered)
            self._write_at = time.perf_counter() + GATHER_SECONDS
            self.enough = GATHER_BYTES
        elif not self.blocked:
            self._write()

    def _gathered(self) -> None:
        self._timer = None
        self.enough = 0
        if self.parts and not self.blocked:
            self._write()

    def _write(self) -> None:
        sock = self._socket
        if sock is None or not self.waiting:
            return
        rest = self._rest or self._next_slice()
        try:
            sent = sock.send(rest)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._ended()
            return
        self.waiting -= sent
        self.written += sent
        self._rest = rest[sent:]
        blocked = self.waiting > 0
        if blocked != self.blocked:
            self.blocked = blocked
            if blocked:
                self._loop.add_writer(sock.fileno(), self._write)
            else:
                self._loop.remove_writer(sock.fileno())
        if not blocked and self._emptied is not None:
            self._emptied.set()

    def _next_slice(self) -> memoryview:
        parts = self.parts
        if self.waiting <= _SLICE_BYTES:
            self.parts = []
            return memoryview(b"".join(parts))
        size = count = 0
        while size < _SLICE_BYTES and count < len(parts):
            size += len(parts[count])
            count += 1
        taken, self.parts = parts[:count], parts[count:]
        return memoryview(taken[0] if count == 1 else b"".join(taken))

    # The ledger.

    def tick(self) -> None:
        """Tell the observer what has changed, and follow the clock on the wall."""
        now = time.perf_counter()
        self.epoch = time.time() - now
        if now - self._ledger_at >= _LEDGER_SECONDS:
            self._ledger_at = now
            self._tell_books()

    def _tell_books(self) -> None:
        if self.connection and self.waiting < self.waiting_limit:
            rows = self._books.take_changed(_LEDGER_ROWS)
            if rows:
                self.put(ledger_frame(rows))

    async def finish(self, seconds: float) -> None:
        """Tell the last of the books, write what waits, and close; within this time."""
        self._pack()
        while self.connection:
            rows = self._books.take_changed(_LEDGER_ROWS)
            if not rows:
                break
            self.put(ledger_frame(rows))
        if self.connection and self.waiting:
            self._emptied = asyncio.Event()
            if not self.blocked:
                self._write()
            if self.waiting:
                try:
                    async with asyncio.timeout(seconds):
                        await self._emptied.wait()
                except TimeoutError:
                    pass
        self.close()

    def close(self) -> None:
        """Let go of the socket; nothing is written any more."""
        self._closed = True
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._timer = self._retry = None
        self._disconnect()

    def __repr__(self) -> str:
        state = f"connection {self.connection}" if self.connection else "not connected"
        return f"<Outlet {self._path} [{state}, {self.waiting} bytes wait]>"
