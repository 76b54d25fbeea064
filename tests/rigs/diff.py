"""Four parsers read the bytes that the proxy emitted; they must all see the same messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import h11
import httptools
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import (
    HttpRequestParser,
    HttpRequestParserPy,
    HttpResponseParser,
    HttpResponseParserPy,
)

LARGEST = 1 << 20

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a parser saw: the start line's parts, the fields (names in lower case), the content."""

    start: tuple[bytes, ...]
    headers: Fields
    body: bytes
    complete: bool


class Disagreement(AssertionError):
    """Two parsers read the same bytes differently, or one of them refused them."""


def _fields(headers: Sequence[tuple[bytes, bytes]]) -> Fields:
    return tuple((bytes(n).lower(), bytes(v).strip(b" \t")) for n, v in headers)


def _h11(stream: bytes, role: type[h11.Sentinel], methods: Sequence[str]) -> list[Message]:
    messages: list[Message] = []
    left, number = stream, 0
    while left:
        reader = h11.Connection(role, max_incomplete_event_size=LARGEST)
        if role is h11.CLIENT:
            reader.send(h11.Request(method=methods[number], target="/", headers=[("Host", "a")]))
            reader.send(h11.EndOfMessage())
        reader.receive_data(left)
        start: tuple[bytes, ...] = ()
        headers: Fields = ()
        body, ended, complete = bytearray(), False, False
        while True:
            try:
                event = reader.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    break
                raise Disagreement(f"h11 refuses: {error}\n{left[:400]!r}") from error
            if event is h11.NEED_DATA:
                if ended:
                    break
                ended = True
                reader.receive_data(b"")
            elif isinstance(event, h11.Request):
                start = (event.method, event.target, event.http_version)
                headers = _fields(event.headers.raw_items())
            elif isinstance(event, h11.InformationalResponse):
                messages.append(
                    Message(
                        start=(event.http_version, b"%d" % event.status_code),
                        headers=_fields(event.headers.raw_items()),
                        body=b"",
                        complete=True,
                    )
                )
            elif isinstance(event, h11.Response):
                start = (event.http_version, b"%d" % event.status_code)
                headers = _fields(event.headers.raw_items())
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                complete = True
                break
            else:
                break
        if start:
            messages.append(
                Message(start=start, headers=headers, body=bytes(body), complete=complete)
            )
        number += 1
        # What comes after a request that was upgraded is no HTTP; the other three stop there too.
        if not complete or any(name == b"upgrade" for name, _ in headers):
            return messages
        left = bytes(reader.trailing_data[0])
    return messages


class _Seen:
    """Collects httptools callbacks as messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser
        self._begun = False

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], bytearray()
        self._head_done, self._begun = False, True
        self._start: tuple[bytes, ...] = ()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_done = True
        version = self.parser.get_http_version().encode()
        if isinstance(self.parser, httptools.HttpRequestParser):
            self._start = (self.parser.get_method(), self._url, version)
        else:
            self._start = (version, b"%d" % self.parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._finish(complete=True)

    def _finish(self, *, complete: bool) -> None:
        self.messages.append(
            Message(
                start=self._start,
                headers=_fields(self._headers),
                body=bytes(self._body),
                complete=complete,
            )
        )
        self._begun = False

    def at_end(self) -> None:
        """A message the end of the stream interrupts; a close-delimited response is whole then."""
        if self._begun and self._head_done:
            names = {n for n, _ in _fields(self._headers)}
            framed = names & {b"content-length", b"transfer-encoding"}
            is_response = isinstance(self.parser, httptools.HttpResponseParser)
            self._finish(complete=is_response and not framed)


def _httptools(
    stream: bytes, parser_class: type[httptools.HttpRequestParser | httptools.HttpResponseParser]
) -> list[Message]:
    seen = _Seen()
    seen.parser = parser_class(seen)
    try:
        seen.parser.feed_data(stream)
    except httptools.HttpParserUpgrade:
        return seen.messages
    except httptools.HttpParserError as error:
        raise Disagreement(f"httptools refuses: {error!r}\n{stream[:400]!r}") from error
    seen.at_end()
    return seen.messages


def _aiohttp(stream: bytes, parser_class: type, **options: object) -> list[Message]:
    loop = asyncio.new_event_loop()
    try:
        parser = parser_class(
            BaseProtocol(loop),
            loop,
            1 << 30,  # never pauses
            max_line_size=LARGEST,
            max_field_size=LARGEST,
            max_headers=100_000,
            auto_decompress=False,
            **options,
        )
        try:
            found, _, _ = parser.feed_data(stream)
            parser.feed_eof()
        except Exception as error:
            if "not enough data" not in str(error).lower() and "Incomplete" not in repr(error):
                name = parser_class.__module__
                raise Disagreement(f"{name} refuses: {error!r}\n{stream[:400]!r}") from error
        messages = []
        for head, payload in found:
            version = b"%d.%d" % tuple(head.version)
            if hasattr(head, "method"):
                start = (
                    head.method.encode(),
                    head.path.encode("utf-8", "surrogateescape"),
                    version,
                )
            else:
                start = (version, b"%d" % head.code)
            # An interrupted body carries its exception; read_nowait() would raise it.
            interrupted = payload.exception() is not None
            body = (
                b"".join(getattr(payload, "_buffer", ())) if interrupted else payload.read_nowait()
            )
            messages.append(
                Message(
                    start=start,
                    headers=_fields(head.raw_headers),
                    body=body,
                    complete=not interrupted and payload.is_eof(),
                )
            )
        return messages
    finally:
        loop.close()


def _compare(stream: bytes, readers: dict[str, Callable[[], list[Message]]]) -> list[Message]:
    results = {name: read() for name, read in readers.items()}
    # A message that the end of the stream interrupts is reported by some parsers with the bytes
    # they had, by others not at all: what must agree is that none takes it for a whole one.
    whole = {name: [m for m in messages if m.complete] for name, messages in results.items()}
    first_name, first = next(iter(whole.items()))
    for name, messages in whole.items():
        if messages != first:
            raise Disagreement(
                f"{first_name} and {name} differ on {stream[:600]!r}:\n{first!r}\n{messages!r}"
            )
    return first


def requests_in(stream: bytes) -> list[Message]:
    """The requests in what the proxy sent upstream; raises `Disagreement`."""
    return _compare(
        stream,
        {
            "h11": lambda: _h11(stream, h11.SERVER, ()),
            "httptools": lambda: _httptools(stream, httptools.HttpRequestParser),
            "aiohttp (C)": lambda: _aiohttp(stream, HttpRequestParser),
            "aiohttp (Python)": lambda: _aiohttp(stream, HttpRequestParserPy),
        },
    )


def responses_in(stream: bytes, methods: Sequence[str]) -> list[Message]:
    """The responses in what the proxy sent to a client that used these methods, in order.

    httptools cannot read responses to HEAD and aiohttp's parsers know one method for the whole
    connection, so those three only read streams without HEAD.
    """
    readers: dict[str, Callable[[], list[Message]]] = {
        "h11": lambda: _h11(stream, h11.CLIENT, methods)
    }
    if "HEAD" not in methods:
        readers |= {
            "httptools": lambda: _httptools(stream, httptools.HttpResponseParser),
            "aiohttp (C)": lambda: _aiohttp(stream, HttpResponseParser, read_until_eof=True),
            "aiohttp (Python)": lambda: _aiohttp(stream, HttpResponseParserPy, read_until_eof=True),
        }
    return _compare(stream, readers)
