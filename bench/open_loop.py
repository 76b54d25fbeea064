"""An open-loop client: requests at a fixed rate, whether or not answers keep up.

    echo PORT SECONDS | python -m bench.open_loop VISITORS --rate 2000

A closed-loop client asks less of a proxy that is slow, and so never sees what it would have made
everybody else wait. Here the clock of a request starts when it is sent or, if every connection is
taken, when it would have been. It stops when the kernel got the end of the answer from the proxy
(SO_TIMESTAMPNS, socket(7)), not when this process came round to reading it: a client that gets its
core late does not make a proxy look slow.

One process asks one port after another, a line for each turn, and keeps its connections: a turn
measures requests, not the start of a process and of its connections.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.priority import put_ahead, put_behind
from bench.processes import HarnessError, pinned

CONNECTIONS = 256
# A connection that was not used for so long (seconds) is not used again: proxies close those.
IDLE = 5.0
# After the last request: how long an answer may take before it counts as missing (seconds).
PATIENCE = 2.0
# SO_TIMESTAMPNS (asm-generic/socket.h); Python has no name for it.
_TIMESTAMP_NS = 35
_TIME = struct.Struct("@qq")
_RESET = struct.pack("ii", 1, 0)
# prctl(2): how late a sleeping process may be woken; 50 microseconds unless told.
PR_SET_TIMERSLACK = 29
_HEAD = (
    "GET {path} HTTP/1.1\r\nHost: shop.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: */*\r\nAccept-Language: en-GB,en;q=0.8\r\nCookie: figway_id={device}\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoopReport:
    """What one run saw, in seconds."""

    # Ascending; a request without an answer counts with the time until the end of the run.
    latencies: tuple[float, ...]
    # Answers other than 200, connections that ended, answers that did not come.
    errors: int
    # How late the client itself was (99th percentile), which is not in the latencies.
    late: float

    def latency(self, percentile: float) -> float:
        """The nearest-rank percentile."""
        return nearest_rank(self.latencies, percentile)


def nearest_rank(ascending: Sequence[float], percentile: float) -> float:
    """The smallest value that at least `percentile` percent of the values do not exceed."""
    return ascending[max(0, math.ceil(len(ascending) * percentile / 100) - 1)]


class OpenLoopClient:
    """The client in a process of its own. Ends with the `with` block."""

    def __init__(
        self, visitors: Path, *, rate: int, core: int | None, behind: bool = False
    ) -> None:
        """Ask for what `visitors` lists, so many requests a second.

        It runs before everything else on its core; with `behind` after everything.
        """
        options = [str(visitors), "--rate", str(rate), *(["--behind"] if behind else [])]
        self._process = subprocess.Popen(
            pinned([sys.executable, "-m", "bench.open_loop", *options], core),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
        )

    def run(self, port: int, seconds: float) -> OpenLoopReport:
        """Ask 127.0.0.1:`port` for so long. Raises HarnessError when the process ends instead."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{port} {seconds}\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            _, told = process.communicate(timeout=60)
            raise HarnessError(f"the open-loop client ended with {process.returncode}:\n{told}")
        return read_report(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=60)


def read_report(text: str) -> OpenLoopReport:
    """Read what the process printed."""
    found = json.loads(text)
    return OpenLoopReport(
        latencies=tuple(microseconds / 1e6 for microseconds in found["microseconds"]),
        errors=found["errors"],
        late=found["late"],
    )


class _Connection:
    __slots__ = ("began", "number", "received", "size", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
        # A crowd that closes in good form leaves its ports in TIME_WAIT for a minute.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.number = self.sock.fileno()
        self.began = time.time_ns()
        self.received = b""
        # Bytes of the whole answer, 0 while its head is not read yet.
        self.size = 0


class OpenLoop:
    """One run: who waits for what. Times are nanoseconds of the clock on the wall."""

    def __init__(self, port: int, requests: Sequence[bytes], rate: int) -> None:
        self._port = port
        self._requests = requests
        self._gap = round(1e9 / rate)
        self._poll = select.epoll()
        self._free: list[_Connection] = []
        self._busy: dict[int, _Connection] = {}
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._opened = 0
        self.taken: list[int] = []
        self.late: list[int] = []
        self.errors = 0

    def run(self, seconds: float) -> None:
        """Ask for so long, then wait for the answers that are missing."""
        self.taken, self.late, self.errors = [], [], 0
        due = time.time_ns()
        end = due + round(seconds * 1e9)
        asked = 0
        while due < end:
            now = time.time_ns()
            while due <= now:
                self.late.append(now - due)
                self._ask(self._requests[asked % len(self._requests)])
                asked += 1
                due += self._gap
            self._hear(due)
        last = time.time_ns() + round(PATIENCE * 1e9)
        while (self._busy or self._waiting) and time.time_ns() < last:
            self._hear(last)
        now = time.time_ns()
        missing = [each.began for each in self._busy.values()] + [at for at, _ in self._waiting]
        self.taken += (now - began for began in missing)
        self.errors += len(missing)
        for connection in tuple(self._busy.values()):
            self._forget(connection)
        self._waiting.clear()

    def close(self) -> None:
        """Reset every connection."""
        for connection in (*self._free, *self._busy.values()):
            connection.sock.close()
        self._poll.close()

    def _hear(self, until: int) -> None:
        # epoll_wait(2) counts milliseconds; select(2) on its descriptor counts microseconds.
        left = (until - time.time_ns()) / 1e9
        if left > 0 and select.select((self._poll,), (), (), left)[0]:
            for number, _ in self._poll.poll(0):
                self._read(self._busy[number])

    def _ask(self, request: bytes, began: int = 0) -> None:
        if not self._free and self._opened < CONNECTIONS:
            self._opened += 1
            self._free.append(_Connection(self._port))
        if not self._free:
            self._waiting.append((time.time_ns(), request))
            return
        # The one used last: as few connections as will do, as browsers behind a balancer share.
        connection = self._free.pop()
        if time.time_ns() - connection.began > IDLE * 1e9:
            connection.sock.close()
            connection = _Connection(self._port)
        self._busy[connection.number] = connection
        self._poll.register(connection.number, select.EPOLLIN)
        connection.began = began or time.time_ns()
        try:
            connection.sock.send(request)
        except OSError:
            self._lose(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            data, told, _, _ = connection.sock.recvmsg(262_144, 64)
        except BlockingIOError:
            return
        except OSError:
            data, told = b"", []
        if not data:
            self._lose(connection)
            return
        connection.received += data
        if not connection.size:
            connection.size = _whole_size(connection.received)
        if connection.size and len(connection.received) >= connection.size:
            self.taken.append(_came(told) - connection.began)
            if not connection.received.startswith(b"HTTP/1.1 200 "):
                self.errors += 1
            self._let_go(connection)

    def _let_go(self, connection: _Connection) -> None:
        connection.received, connection.size = b"", 0
        self._poll.unregister(connection.number)
        del self._busy[connection.number]
        self._free.append(connection)
        if self._waiting:
            began, request = self._waiting.popleft()
            self._ask(request, began)

    def _lose(self, connection: _Connection) -> None:
        self.errors += 1
        self.taken.append(time.time_ns() - connection.began)
        self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        self._poll.unregister(connection.number)
        del self._busy[connection.number]
        connection.sock.close()
        self._opened -= 1


def _came(told: Sequence[tuple[int, int, bytes]]) -> int:
    if not told:
        # The kernel begins to take times a moment after the first socket has asked it to.
        return time.time_ns()
    seconds, nanoseconds = _TIME.unpack(told[0][2])
    return int(seconds) * 10**9 + int(nanoseconds)


def _whole_size(received: bytes) -> int:
    """Bytes of an answer with its head, 0 when the head is not complete."""
    head, end, _ = received.partition(b"\r\n\r\n")
    if not end:
        return 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(head) + 4 + int(line[15:])
    raise HarnessError(f"an answer without Content-Length:\n{head.decode('latin-1')}")


def main() -> None:
    """Take turns as they are told, and print every latency of each as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.open_loop")
    parser.add_argument("visitors", type=Path)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--behind", action="store_true")
    options = parser.parse_args()
    requests = []
    for line in options.visitors.read_text().splitlines():
        path, device = line.split("\t")
        requests.append(_HEAD.format(path=path, device=device).encode())
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    (put_behind if options.behind else put_ahead)(os.getpid())
    gc.disable()
    loops: dict[int, OpenLoop] = {}
    for line in sys.stdin:
        port, seconds = line.split()
        loop = loops.get(int(port))
        if loop is None:
            loop = loops[int(port)] = OpenLoop(int(port), requests, options.rate)
        loop.run(float(seconds))
        late = nearest_rank(sorted(loop.late), 99) / 1e9
        taken = sorted(round(each / 1e3) for each in loop.taken)
        print(json.dumps({"microseconds": taken, "errors": loop.errors, "late": late}), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
