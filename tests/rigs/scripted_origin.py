"""A TCP origin that records exact bytes and plays a script on every connection.

Threads and blocking sockets on purpose: a script reads top to bottom like the conversation it is,
and every wait in it is a wait for bytes or for an event of the test.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# A conversation that hangs longer than this has failed; no assertion depends on the number.
PATIENCE = 20.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class PeerGone(Exception):
    """The proxy ended the connection while a script was reading or writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived: exact bytes, and what they mean."""

    raw: bytes
    method: bytes
    target: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def line(self) -> bytes:
        """The request line without its CRLF."""
        return self.raw.partition(b"\r\n")[0]

    def values(self, name: bytes) -> list[bytes]:
        """Every value of the field `name`, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def has(self, name: bytes) -> bool:
        """Whether the field is there at all."""
        return bool(self.values(name))


class Conversation:
    """One accepted connection, as seen by a script."""

    def __init__(self, sock: socket.socket, number: int, changed: threading.Condition) -> None:
        self.number = number
        self._changed = changed
        self.received = bytearray()
        self.requests: list[Received] = []
        # Where the last whole request ended in `received`.
        self.whole_bytes = 0
        # Set when the proxy sent FIN or RST; `was_reset` tells which.
        self.left = threading.Event()
        self.was_reset = False
        self._sock = sock
        self._unread = bytearray()
        self._closed = False
        sock.settimeout(PATIENCE)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _fill(self) -> bool:
        try:
            piece = self._sock.recv(1 << 16)
        except (ConnectionResetError, OSError) as error:
            self.was_reset = isinstance(error, ConnectionResetError)
            self.left.set()
            raise PeerGone from error
        if not piece:
            self.left.set()
            return False
        with self._changed:
            self.received += piece
            self._unread += piece
            self._changed.notify_all()
        return True

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and including `mark`."""
        seen = 0
        while (at := self._unread.find(mark, max(0, seen - len(mark)))) < 0:
            seen = len(self._unread)
            if not self._fill():
                raise PeerGone
        return self._take(at + len(mark))

    def read_exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        while len(self._unread) < size:
            if not self._fill():
                raise PeerGone
        return self._take(size)

    def read_some(self) -> bytes:
        """Return whatever is there, at least one byte; b"" at the end."""
        if not self._unread and not self._fill():
            return b""
        return self._take(len(self._unread))

    def read_to_end(self) -> bytes:
        """Return everything until the proxy ends its direction (FIN); RST raises `PeerGone`."""
        while self._fill():
            pass
        return self._take(len(self._unread))

    def wait_until_left(self) -> None:
        """Read and record until the proxy goes away, by FIN or by RST."""
        with suppress(PeerGone):
            self.read_to_end()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def read_head(self) -> bytes:
        """Return the bytes of one head, with its empty line."""
        return self.read_until(b"\r\n\r\n")

    def read_request(self) -> Received:
        """Read one whole request; strict, because what arrives here was written by our proxy."""
        head = self.read_head()
        request = read_head(head)
        framing = {n.lower(): v for n, v in request.headers}
        raw, body, trailers = head, b"", ()
        if framing.get(b"transfer-encoding", b"").lower() == b"chunked":
            raw_body, body, trailers = self._read_chunked()
            raw += raw_body
        elif b"content-length" in framing:
            body = self.read_exactly(int(framing[b"content-length"]))
            raw += body
        whole = Received(
            raw=raw,
            method=request.method,
            target=request.target,
            version=request.version,
            headers=request.headers,
            body=body,
            trailers=trailers,
        )
        with self._changed:
            self.requests.append(whole)
            self.whole_bytes += len(raw)
            self._changed.notify_all()
        return whole

    def _read_chunked(self) -> tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
        raw, body = bytearray(), bytearray()
        while True:
            line = self.read_until(b"\r\n")
            raw += line
            size = int(line[:-2], 16)  # an extension would raise here: we must not forward any
            if size == 0:
                break
            piece = self.read_exactly(size + 2)
            assert piece.endswith(b"\r\n"), piece[-10:]
            raw += piece
            body += piece[:-2]
        trailers = []
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            raw += line
            trailers.append(_field(line[:-2]))
        return bytes(raw + b"\r\n"), bytes(body), tuple(trailers)

    def send(self, *pieces: bytes) -> None:
        """Send each piece with a send of its own."""
        for piece in pieces:
            try:
                self._sock.sendall(piece)
            except OSError as error:
                self.left.set()
                raise PeerGone from error

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands; what is recorded from now on is plaintext."""
        self._sock = context.wrap_socket(self._sock, server_side=True)

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection the ordinary way."""
        # Whoever asks for what is pending holds the lock: its descriptor must not go meanwhile.
        with self._changed:
            if not self._closed:
                self._closed = True
                self._sock.close()

    def reset(self) -> None:
        """End the connection with RST."""
        if not self._closed and self._sock.family != socket.AF_UNIX:
            with suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def pending(self) -> int:
        """Bytes that arrived and were not read by the script yet."""
        with self._changed:
            if self._closed:
                return 0
            waiting = fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, b"\0" * 4)
            return int(struct.unpack("i", waiting)[0])


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    assert colon, line
    assert name == name.strip(), line
    return name, value.strip(b" \t")


def read_head(head: bytes) -> Received:
    """Parse a head that our proxy wrote; anything unusual is a failed assertion."""
    assert head.endswith(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    method, target, version = first.split(b" ")
    return Received(
        raw=head,
        method=method,
        target=target,
        version=version,
        headers=tuple(_field(line) for line in lines),
        body=b"",
    )


Script = Callable[[Conversation], None]


def answer(*responses: bytes) -> Script:
    """Script: the n-th request of a connection gets the n-th response; the last one repeats."""

    def play(conversation: Conversation) -> None:
        number = 0
        while True:
            conversation.read_request()
            conversation.send(responses[min(number, len(responses) - 1)])
            number += 1

    return play


def answer_then_close(*pieces: bytes) -> Script:
    """Script: one request, these bytes (each piece in a send of its own), FIN."""

    def play(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(*pieces)
        conversation.half_close()
        conversation.wait_until_left()

    return play


def answer_then_reset(*pieces: bytes) -> Script:
    """Script: one request, these bytes, RST."""

    def play(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(*pieces)
        conversation.reset()

    return play


def never_answer(conversation: Conversation) -> None:
    """Script: read everything, say nothing."""
    conversation.wait_until_left()


def hang_up(conversation: Conversation) -> None:
    """Script: FIN right after accept."""
    conversation.close()


def reset_at_once(conversation: Conversation) -> None:
    """Script: RST right after accept."""
    conversation.reset()


class ScriptedOrigin:
    """The listener: one thread for accepting, one per connection.

    Use as a context manager. `script` may be replaced at any time; it counts for later connections.
    """

    def __init__(self, script: Script | None = None, unix: Path | None = None) -> None:
        self.script = script or answer(OK)
        self.conversations: list[Conversation] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        # Assertions that failed in a script; raised again when the origin ends.
        self.failures: list[BaseException] = []
        self._unix = unix
        if unix is not None:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(unix))
            self._listener.listen(512)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="origin")

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """What an upstream's `urls` says of this origin."""
        return f"unix:{self._unix}" if self._unix else f"http://127.0.0.1:{self.port}"

    @property
    def authority(self) -> bytes:
        """host:port of the TCP address."""
        return b"127.0.0.1:%d" % self.port

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown() wakes the accept() that close() alone would leave hanging.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(PATIENCE)
        for conversation in self.conversations:
            with suppress(OSError):
                conversation._sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        if self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            conversation = Conversation(sock, len(self.conversations), self._changed)
            thread = threading.Thread(
                target=self._run, args=(self.script, conversation), daemon=True
            )
            with self._changed:
                self.conversations.append(conversation)
                self._threads.append(thread)
                self._changed.notify_all()
            thread.start()

    def _run(self, script: Script, conversation: Conversation) -> None:
        try:
            script(conversation)
        except PeerGone:
            pass
        except BaseException as error:  # noqa: BLE001 -- a script's failure is the test's failure
            self.failures.append(error)
        finally:
            conversation.close()
            with self._changed:
                self._changed.notify_all()

    @property
    def requests(self) -> list[Received]:
        """Every whole request so far, connection by connection."""
        return [r for c in list(self.conversations) for r in c.requests]

    @property
    def targets(self) -> list[bytes]:
        """The targets of all whole requests so far."""
        return [r.target for r in self.requests]

    @property
    def received(self) -> bytes:
        """Every byte of every connection."""
        return b"".join(bytes(c.received) for c in list(self.conversations))

    def mark(self) -> list[int | None]:
        """How far every connection has got, in whole requests; for `since`.

        None: it holds a part of a request that was cut off, so nothing new can come on it.
        """
        return [
            None if len(c.received) > c.whole_bytes else c.whole_bytes for c in self.conversations
        ]

    def since(self, mark: list[int | None]) -> list[bytes]:
        """What every connection received after `mark`; those that received nothing are left out."""
        starts = [*mark, *[0] * (len(self.conversations) - len(mark))]
        return [
            bytes(conversation.received[start:])
            for conversation, start in zip(self.conversations, starts, strict=True)
            if start is not None and len(conversation.received) > start
        ]

    def unread(self) -> int:
        """Bytes that wait in the kernel for a script to read them."""
        return sum(c.pending() for c in list(self.conversations))

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Block until `happened` is true; it is asked again whenever something arrives."""
        with self._changed:
            assert self._changed.wait_for(happened, PATIENCE), "the origin waited in vain"

    def wait_for_requests(self, count: int) -> list[Received]:
        """Block until `count` whole requests arrived, and return them."""
        self.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    def wait_for_connections(self, count: int) -> list[Conversation]:
        """Block until `count` connections were accepted, and return them."""
        self.wait_for(lambda: len(self.conversations) >= count)
        return list(self.conversations)

    def one_request(self) -> Received:
        """The only request that may have arrived."""
        (request,) = self.wait_for_requests(1)
        return request


def closed_port() -> int:
    """A port on which nobody listens: connecting is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def blackhole() -> Iterator[int]:
    """A port whose SYNs are never answered: its accept queue is full and stays full."""
    fillers: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        try:
            # The queue of a backlog of 0 holds one connection; the second SYN stays unanswered.
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect(address)
                fillers.append(filler)
            yield address[1]
        finally:
            for filler in fillers:
                filler.close()
