"""A legacy origin that takes its time, as an application does: the origin's answer, some ms late.

    python -m bench.unhurried PORT MILLISECONDS

It waits and does not compute: it stands for another machine. Request bodies are not read.
"""

from __future__ import annotations

import ctypes
import heapq
import select
import socket
import sys
import time
from contextlib import suppress

from bench.open_loop import PR_SET_TIMERSLACK
from bench.origin import DOCUMENT

_ANSWER = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Origin: legacy\r\n"
    f"Content-Length: {len(DOCUMENT)}\r\n\r\n{DOCUMENT}"
).encode()
_HEAD_END = b"\r\n\r\n"


class Unhurried:
    """The server. An event loop counts milliseconds; this counts microseconds: answers are even."""

    def __init__(self, port: int, seconds: float) -> None:
        self._seconds = seconds
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._peers: dict[int, socket.socket] = {}
        # When each answer is due, ascending.
        self._due: list[tuple[float, int]] = []

    def serve(self) -> None:
        """Answer until killed."""
        while True:
            left = max(0.0, self._due[0][0] - time.perf_counter()) if self._due else None
            # epoll_wait(2) counts milliseconds; select(2) on its descriptor counts microseconds.
            if select.select((self._poll,), (), (), left)[0]:
                for number, _ in self._poll.poll(0):
                    self._hear(number)
            while self._due and self._due[0][0] <= time.perf_counter():
                peer = self._peers.get(heapq.heappop(self._due)[1])
                if peer is not None:
                    with suppress(OSError):
                        peer.send(_ANSWER)

    def _hear(self, number: int) -> None:
        if number == self._listener.fileno():
            with suppress(BlockingIOError):
                peer, _ = self._listener.accept()
                peer.setblocking(False)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._peers[peer.fileno()] = peer
                self._poll.register(peer, select.EPOLLIN)
            return
        peer = self._peers[number]
        try:
            received = peer.recv(65536)
        except OSError:
            received = b""
        if not received:
            self._poll.unregister(number)
            self._peers.pop(number).close()
            self._due = [each for each in self._due if each[1] != number]
            heapq.heapify(self._due)
        elif received.endswith(_HEAD_END):
            heapq.heappush(self._due, (time.perf_counter() + self._seconds, number))


def main() -> None:
    """Serve until killed."""
    port, milliseconds = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    Unhurried(int(port), float(milliseconds) / 1e3).serve()


if __name__ == "__main__":
    main()
