"""Reading one response head from an upstream: as strict as with a client, because we relay it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from httptools import HttpResponseParser

from proxy.errors import BrokenResponse
from proxy.headers import FORBIDDEN_IN_TRAILERS, PROTECTED_FROM_NOMINATION
from proxy.http1 import fields as kinds
from proxy.http1.fields import (
    Fields,
    connection_options,
    known_response_kinds,
    learn_response_kind,
    values,
    without,
)

if TYPE_CHECKING:
    from proxy.settings import Limits

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

# RFC 9112, 4: reason-phrase = 1*( HTAB / SP / VCHAR / obs-text )
_REASON: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_REMEMBERED: Final = 512
_status_lines: Final[dict[tuple[int, bytes], bytes]] = {}


class ResponseListener(Protocol):
    """Who learns of everything that is not the head."""

    def on_message_begin(self) -> None:
        """A message begins."""

    def on_headers_complete(self) -> None:
        """The head is whole."""

    def on_body(self, chunk: bytes) -> None:
        """A piece of the decoded body."""

    def on_message_complete(self) -> None:
        """The message is whole."""


class ResponseHead:
    """Collects what a connection's parser reports of a response head, and judges it.

    One per upstream connection, used again for every response on it. `length` is the declared
    length, CHUNKED or UNTIL_CLOSE.
    """

    __slots__ = (
        "_connection",
        "_dropped",
        "_limits",
        "_te_at",
        "fields",
        "keep_alive",
        "length",
        "on_body",
        "on_headers_complete",
        "on_message_begin",
        "on_message_complete",
        "persistent",
        "plainly_11",
        "reason",
        "status",
        "suspect",
        "trailers",
        "upgrade",
        "whole",
    )

    def __init__(self, limits: Limits, listener: ResponseListener) -> None:
        self._limits = limits
        # The parser's callbacks that are not about the head, bound once.
        self.on_message_begin = listener.on_message_begin
        self.on_headers_complete = listener.on_headers_complete
        self.on_body = listener.on_body
        self.on_message_complete = listener.on_message_complete
        # More bytes came than one field may have, so the fields have to be measured.
        self.suspect = False
        # The bytes at hand began with `HTTP/1.1 `; llhttp takes long to tell the version.
        self.plainly_11 = False
        self.begin()

    def begin(self) -> None:
        """Start on a new head."""
        self.status = 0
        self.reason = b""
        self.fields: Fields = []
        self.trailers: Fields | None = None
        self.length = UNTIL_CLOSE
        self.upgrade = b""
        self.whole = False
        self.keep_alive = False
        self.persistent = False
        self._connection: tuple[bytes, ...] | None = None
        self._te_at = -1
        self._dropped = 0

    def on_status(self, reason: bytes) -> None:
        """Take the reason phrase, or a piece of it."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Sort one field; the common ones go straight on. Raises BrokenResponse."""
        try:
            kind = known_response_kinds[name]
        except KeyError:
            kind = learn_response_kind(name)
        if self.whole:
            self._trailer(name, value)
        elif kind:
            self.special(kind, name, value)
        else:
            self.fields += (name, b": ", value, b"\r\n")

    def _trailer(self, name: bytes, value: bytes) -> None:
        if self.trailers is None:
            self.trailers = []
        self.trailers += (name, b": ", value, b"\r\n")
        if len(self.trailers) // kinds.STRIDE > self._limits.header_count:
            raise BrokenResponse("too many trailer fields")
        if len(name) + len(value) > self._limits.response_header_bytes:
            raise BrokenResponse("a trailer field is too large")

    def special(self, kind: int, name: bytes, value: bytes) -> None:
        """Take a field that means something to the proxy. Raises BrokenResponse."""
        match kind:
            case kinds.CONTENT_LENGTH:
                value = value.strip(b" \t")
                if not value.isdigit() or self.length != UNTIL_CLOSE:
                    raise BrokenResponse("Content-Length is not one number")
                self.length = int(value)
            case kinds.TRANSFER_ENCODING:
                if value.strip(b" \t").lower() != b"chunked" or self.length != UNTIL_CLOSE:
                    raise BrokenResponse("a transfer coding other than one chunked")
                self.length = CHUNKED
                self._te_at = len(self.fields)
                value = b"chunked"
            case kinds.SET_COOKIE:
                pass
            case kinds.CONNECTION:
                self._connection = (self._connection or ()) + connection_options(value)
                self._dropped += 1
                return
            case kinds.UPGRADE:
                self.upgrade = value.strip(b" \t")
                self._dropped += 1
                return
            case _:
                self._dropped += 1
                return
        self.fields += (name, b": ", value, b"\r\n")

    def finish(self, parser: HttpResponseParser) -> None:
        """Check the whole head. Raises BrokenResponse."""
        fields = self.fields
        limits = self._limits
        if len(fields) // kinds.STRIDE + self._dropped > limits.header_count:
            raise BrokenResponse("too many header fields")
        if self.suspect:
            self.suspect = False
            if kinds.size_of_largest(fields) > limits.response_header_bytes:
                raise BrokenResponse("a header field is too large")
            if sum(map(len, fields)) > limits.response_head_bytes:
                raise BrokenResponse("the head is too large")
        status = self.status = parser.get_status_code()
        if status < 100:
            raise BrokenResponse("no such status")
        self.keep_alive = parser.should_keep_alive()
        http10 = False
        if not self.plainly_11:
            version = parser.get_http_version()
            if version not in ("1.1", "1.0"):
                raise BrokenResponse("neither HTTP/1.0 nor HTTP/1.1")
            http10 = version == "1.0"
            if http10 and self.length == CHUNKED:
                raise BrokenResponse("Transfer-Encoding in HTTP/1.0")
        options = self._connection or ()
        if options not in _NOMINATE_NOTHING:
            nominated = set(options) - PROTECTED_FROM_NOMINATION - _OWN_OPTIONS
            if nominated:
                self.fields = without(fields, nominated)
        # llhttp takes a response without a length for one that ends with the connection, also where
        # there is no body to end.
        self.persistent = b"close" not in options and (not http10 or b"keep-alive" in options)
        self.whole = True

    def status_line(self) -> bytes:
        """The status line for the client. Raises BrokenResponse for a reason that is none."""
        key = (self.status, self.reason)
        line = _status_lines.get(key)
        if line is None:
            if _REASON.fullmatch(self.reason) is None:
                raise BrokenResponse("control characters in the reason phrase")
            line = b"HTTP/1.1 %03d %b\r\n" % key
            if len(_status_lines) < _REMEMBERED:
                _status_lines[key] = line
        return line

    def without_framing(self) -> Fields:
        """The fields of a response that can have no content (RFC 9110, 8.6; RFC 9112, 6.1).

        A 304 keeps its Content-Length: it says how long the content would have been.
        """
        if self.status == 304:
            return self.without_chunked()
        return without(self.fields, {b"content-length", b"transfer-encoding"})

    def is_event_stream(self) -> bool:
        """Whether it goes on for as long as there are events, and its client asks again after it.

        One with a length would look cut off, not ended.
        """
        kind = values(self.fields, b"content-type")
        return (
            self.length in (CHUNKED, UNTIL_CLOSE)
            and bool(kind)
            and kind[0].partition(b";")[0].strip().lower() == b"text/event-stream"
        )

    def without_chunked(self) -> Fields:
        """The fields for a client to whom chunks mean nothing."""
        return (
            without(self.fields, {b"transfer-encoding"}) if self.length == CHUNKED else self.fields
        )

    def take_trailers(self) -> bytes:
        """The trailer section to relay: what may stand in one (RFC 9110, 6.5.1)."""
        if not self.trailers:
            return b""
        return b"".join(without(self.trailers, FORBIDDEN_IN_TRAILERS))


_NOMINATE_NOTHING: Final[tuple[tuple[bytes, ...], ...]] = ((), (b"keep-alive",), (b"close",))
_OWN_OPTIONS: Final = frozenset({b"keep-alive", b"close", b"upgrade", b"transfer-encoding"})
