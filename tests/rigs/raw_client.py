"""A client that sends exact bytes, and reads responses strictly (h11 has the last word)."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import h11

# A read that takes longer than this has failed; no assertion depends on the number.
PATIENCE = 20.0

# h11 refuses heads over 16 KiB unless told otherwise.
LARGEST_HEAD = 1 << 20


class Truncated(Exception):
    """The connection ended inside a response; `clean` says whether by FIN (True) or RST."""

    def __init__(self, response: Response | None, *, clean: bool) -> None:
        super().__init__(f"cut after {response!r}")
        self.response = response
        self.clean = clean


class NotHttp(Exception):
    """h11 does not accept what the proxy sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response, with the 1xx responses that came before it."""

    status: int
    reason: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...]
    interim: tuple[tuple[int, tuple[tuple[bytes, bytes], ...]], ...]
    raw: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Every value of the field `name`, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def has(self, name: bytes) -> bool:
        """Whether the field is there at all."""
        return bool(self.values(name))

    @property
    def says_close(self) -> bool:
        """Whether the response announces the end of the connection."""
        return b"close" in b",".join(self.values(b"connection")).lower()


class RawClient:
    """One connection to the proxy. Use as a context manager."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        source: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
        send_buffer: int | None = None,
    ) -> None:
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if send_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        plain.settimeout(PATIENCE)
        plain.bind((source, 0))
        try:
            plain.connect(address)
        except OSError:
            plain.close()
            raise
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        # Everything the proxy sent on this connection, for the parsers that look at it afterwards.
        self.received = bytearray()
        self._unread = bytearray()
        self._ended: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a send of its own (Nagle is off)."""
        for piece in pieces:
            self.sock.sendall(piece)

    def send_as_far_as_taken(self, data: bytes) -> None:
        """Send what the proxy takes; it may refuse and reset in the middle."""
        with suppress(OSError):
            self.sock.sendall(data)

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection the ordinary way."""
        self.sock.close()

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _fill(self) -> bool:
        if self._ended:
            return False
        try:
            piece = self.sock.recv(1 << 18)
        except ConnectionResetError:
            self._ended = "reset"
            return False
        if not piece:
            self._ended = "closed"
            return False
        self.received += piece
        self._unread += piece
        return True

    @property
    def ended(self) -> str | None:
        """None, or how the proxy ended its direction: "closed" (FIN) or "reset" (RST)."""
        return self._ended

    def buffered(self) -> int:
        """Bytes that have come and were not read by the test yet."""
        return len(self._unread)

    def read_until_close(self) -> bytes:
        """Return everything that is still to come."""
        while self._fill():
            pass
        return self._take(len(self._unread))

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and including `mark`."""
        while (at := self._unread.find(mark)) < 0:
            if not self._fill():
                raise Truncated(None, clean=self._ended == "closed")
        return self._take(at + len(mark))

    def read_exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        while len(self._unread) < size:
            if not self._fill():
                raise Truncated(None, clean=self._ended == "closed")
        return self._take(size)

    def read_nothing_more(self) -> None:
        """Assert that the proxy ends the connection without another byte."""
        rest = self.read_until_close()
        assert rest == b"", f"bytes after the last response: {rest[:200]!r}"

    def _take(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def read_response(self, method: str = "GET") -> Response:
        """Read exactly one final response to a request of this method; bytes after it stay unread.

        Raises `Truncated` when the connection ends inside it, `NotHttp` when h11 refuses it.
        """
        reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        reader.send(h11.EndOfMessage())
        interim: list[tuple[int, tuple[tuple[bytes, bytes], ...]]] = []
        final: h11.Response | None = None
        body = bytearray()
        consumed = bytearray()
        while True:
            try:
                event = reader.next_event()
            except h11.RemoteProtocolError as error:
                if self._ended:
                    partial = final and _response(final, bytes(body), (), interim, b"")
                    raise Truncated(partial, clean=self._ended == "closed") from error
                raise NotHttp(f"{error}: {bytes(consumed)[:300]!r}") from error
            if event is h11.NEED_DATA:
                if not self._unread and not self._fill():
                    if self._ended == "reset":
                        # h11 would take the end for the end of a close-delimited body.
                        partial = final and _response(final, bytes(body), (), interim, b"")
                        raise Truncated(partial, clean=False)
                    reader.receive_data(b"")
                    continue
                piece = self._take(len(self._unread))
                consumed += piece
                reader.receive_data(piece)
            elif isinstance(event, h11.InformationalResponse):
                interim.append((event.status_code, tuple(event.headers.raw_items())))
            elif isinstance(event, h11.Response):
                final = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert final is not None
                left, _ = reader.trailing_data
                if left:
                    self._unread[:0] = left
                    del consumed[-len(left) :]
                trailers = tuple(event.headers.raw_items())
                return _response(final, bytes(body), trailers, interim, bytes(consumed))
            else:
                raise Truncated(None, clean=self._ended == "closed")

    def read_responses(self, methods: Sequence[str]) -> list[Response]:
        """Read one response for each method, in order."""
        return [self.read_response(method) for method in methods]


def _response(
    final: h11.Response,
    body: bytes,
    trailers: Sequence[tuple[bytes, bytes]],
    interim: Sequence[tuple[int, tuple[tuple[bytes, bytes], ...]]],
    raw: bytes,
) -> Response:
    return Response(
        status=final.status_code,
        reason=bytes(final.reason),
        version=bytes(final.http_version),
        headers=tuple(final.headers.raw_items()),
        body=body,
        trailers=tuple(trailers),
        interim=tuple(interim),
        raw=raw,
    )
