"""One request as it was parsed: what routing asks about it, and the head an upstream gets."""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING, Final

from proxy.http1.fields import STRIDE, Fields, request_values
from proxy.http1.known_heads import KnownHead
from proxy.routing.facts import read_cookie

if TYPE_CHECKING:
    from proxy.http1.wire import Wire

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}.*"
)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:@=+/-]{1,128}")


def is_traceparent(value: bytes) -> bool:
    """Tell whether this can be carried on (W3C Trace Context, 3.2.2)."""
    return _TRACEPARENT.fullmatch(value) is not None


def is_request_id(value: bytes) -> bool:
    """Tell whether this is an id that may stand in a log line."""
    return _REQUEST_ID.fullmatch(value) is not None


class _Ids:
    """Random hex digits in stock: one system call for some hundred requests."""

    __slots__ = ("_at", "_stock")

    def __init__(self) -> None:
        self._stock = b""
        self._at = 0

    def take(self) -> bytes:
        """The next 48 digits."""
        at = self._at
        if at >= len(self._stock):
            self._stock = os.urandom(24 * 512).hex().encode("ascii")
            at = 0
        self._at = at + 48
        return self._stock[at : at + 48]


_ids: Final = _Ids()


CHUNKED: Final = -1
NO_BODY: Final = -2


class Request:
    """A request in flight. Mutable only while its body arrives; implements `RequestFacts`.

    `fields` hold every field that is forwarded, in the order and case they came in; hop-by-hop
    fields are already gone, and what frames the body (one Content-Length, or
    `Transfer-Encoding: chunked`) stands in its place, normalised. `length` is the declared body
    length, CHUNKED, or NO_BODY when
    nothing was declared.
    """

    __slots__ = (
        "_device_id",
        "_made",
        "_minted",
        "_request_id",
        "_traceparent",
        "answer_here",
        "chunks",
        "client_ip",
        "complete",
        "cookie_line",
        "expects_continue",
        "fields",
        "forwarded_lines",
        "has_authorization",
        "has_query",
        "held",
        "host",
        "host_field",
        "http10",
        "keep_alive",
        "known",
        "length",
        "measured_from",
        "measured_received",
        "method",
        "method_bytes",
        "path",
        "query",
        "received",
        "started",
        "target",
        "trailers_wanted",
        "upgrade",
        "wire",
    )

    method: str
    method_bytes: bytes
    target: bytes
    path: str
    query: str
    has_query: bool
    host: str
    client_ip: str
    length: int
    http10: bool
    keep_alive: bool
    # As sent, for X-Forwarded-Host; None in an HTTP/1.0 request without one.
    host_field: bytes | None
    cookie_line: bytes | None
    has_authorization: bool
    # Via, X-Forwarded-* and the ids we made: whole header lines.
    forwarded_lines: bytes
    # time.perf_counter() at the end of the head.
    started: float

    def __init__(self, wire: Wire, fields: Fields) -> None:
        self.wire = wire
        self.fields = fields
        self.complete = False
        self.chunks: list[bytes] | None = None
        self.held = 0
        self.received = 0
        # When the upload was last measured anew (coarse monotonic seconds), and what had come.
        self.measured_from = 0.0
        self.measured_received = 0
        self.upgrade = b""
        self.answer_here = False
        self.expects_continue = False
        self.trailers_wanted = False
        self._minted = ""
        self._device_id = ""
        # What the header section meant before, if it was recalled.
        self.known: KnownHead | None = None

    @property
    def moment(self) -> float:
        """When it came, in seconds since the epoch, to a tenth of a second or so."""
        return self.wire.moment

    @property
    def answers(self) -> dict[object, bool] | None:
        """See `RequestFacts.answers`: kept with the head that is known, if it has an identity."""
        known = self.known
        if known is None or not known.device_id:
            return None
        if known.answers is None:
            known.answers = {}
        return known.answers

    def header(self, name: str) -> str | None:
        """Value of a field by lower-case name; several lines are joined (RFC 9110, 5.3)."""
        known = self.known
        if known is None:
            return self._read_header(name)
        read = known.headers
        if read is None:
            read = known.headers = {}
        if name not in read:
            read[name] = self._read_header(name)
        return read[name]

    def _read_header(self, name: str) -> str | None:
        found = request_values(self.fields, name.encode("latin-1"))
        if not found:
            return None
        if len(found) == 1:
            return found[0].decode("latin-1")
        return (b"; " if name == "cookie" else b", ").join(found).decode("latin-1")

    def cookie(self, name: str) -> str | None:
        """Value of a cookie; None when it is absent, or there twice with different values."""
        line = self.cookie_line
        if line is None:
            return None
        known = self.known
        if known is None:
            return read_cookie(line.decode("latin-1"), name)
        read = known.cookies
        if read is None:
            read = known.cookies = {}
        if name not in read:
            read[name] = read_cookie(line.decode("latin-1"), name)
        return read[name]

    def device_id(self) -> str:
        """The identity cookie's value, or one minted for this client to keep."""
        known = self._device_id or self.sent_device_id()
        if not known:
            known = self._minted = secrets.token_hex(16)
        self._device_id = known
        return known

    def sent_device_id(self) -> str:
        """The identity cookie's value; empty when the client has none."""
        if self.known is not None:
            return self.known.device_id
        if self.cookie_line is None:
            return ""
        known = self.wire.device_ids(self.cookie_line)
        # Twice with different values is nobody's identity.
        return known[0].decode("ascii") if known and len(set(known)) == 1 else ""

    @property
    def minted_device_id(self) -> str:
        """The id to hand out with the response; empty when the client had one or needs none."""
        return self._minted

    def identify(self, request_id: bytes | None, traceparent: bytes | None) -> bytes:
        """Fix the request's ids and give the header lines that carry the ones we made."""
        self._request_id = request_id
        self._traceparent = traceparent
        if traceparent is None:
            made = self._made = _ids.take()
            trace_id = made[:32]
            if request_id is None:
                return b"traceparent: 00-%b-%b-00\r\nX-Request-Id: %b\r\n" % (
                    trace_id,
                    made[32:],
                    trace_id,
                )
            return b"traceparent: 00-%b-%b-00\r\n" % (trace_id, made[32:])
        return b"X-Request-Id: %b\r\n" % traceparent[3:35] if request_id is None else b""

    @property
    def trace_id(self) -> bytes:
        """The trace this request belongs to: 32 hex digits (W3C Trace Context)."""
        return self._made[:32] if self._traceparent is None else self._traceparent[3:35]

    @property
    def request_id(self) -> bytes:
        """The client's X-Request-Id, or the trace id."""
        return self.trace_id if self._request_id is None else self._request_id

    def recall(self, known: KnownHead) -> None:
        """Take over what the same header section meant before."""
        self.known = known
        self.host = known.host
        self.host_field = known.host_field
        self.cookie_line = known.cookie_line
        self._device_id = known.device_id
        self.has_authorization = known.has_authorization
        self.http10 = False
        self.keep_alive = True
        self.length = NO_BODY
        self.complete = True

    def to_remember(self) -> KnownHead:
        """What the header section of this request means, for the next one with the same."""
        return KnownHead(
            fields=self.fields,
            block=b"".join(self.fields),
            host=self.host,
            host_field=self.host_field or b"",
            forwarded_host=b"X-Forwarded-Host: %b\r\n" % (self.host_field or b""),
            cookie_line=self.cookie_line,
            device_id=self.sent_device_id(),
            has_authorization=self.has_authorization,
        )

    def head_for(self, target: bytes, authority: bytes) -> bytes:
        """The head for an upstream, always HTTP/1.1."""
        known = self.known
        if known is not None:
            # Recalled: a plain GET or HEAD, whose fields have been joined before.
            return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (
                self.method_bytes,
                target,
                known.block,
                self.forwarded_lines,
            )
        parts = [self.method_bytes, b" ", target, b" HTTP/1.1\r\n"]
        if self.host_field is None:
            parts += (b"Host: ", authority, b"\r\n")
        parts += self.fields
        parts.append(self.forwarded_lines)
        if self.upgrade:
            parts += (b"Connection: Upgrade\r\nUpgrade: ", self.upgrade, b"\r\n")
        elif self.trailers_wanted:
            parts.append(b"Connection: TE\r\nTE: trailers\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)

    def measure_from(self, now: float) -> None:
        """Measure the rate of the upload from here on."""
        self.measured_from = now
        self.measured_received = self.received

    def hold(self, chunk: bytes) -> None:
        """Keep a piece of the body until an upstream connection takes it."""
        if self.chunks is None:
            self.chunks = []
        self.chunks.append(chunk)
        self.held += len(chunk)

    def may_get_a_cookie(self) -> bool:
        """Tell whether this client can be expected to keep an identity cookie.

        A client that authorises itself and sends no cookies is a program, not a browser.
        """
        return self.cookie_line is not None or not self.has_authorization

    def take_held(self) -> list[bytes]:
        """Give what was held, and hold nothing."""
        chunks, self.chunks, self.held = self.chunks or [], None, 0
        return chunks

    def special_use(self) -> str:
        """What keeps the request from being copied: upgrade, range, event_stream, shadow, or "".

        A range is part of a body, an event stream has no end, and a copy is not copied again.
        """
        if self.upgrade:
            return "upgrade"
        known = self.known
        if known is None:
            return _special_use(self.fields)
        if known.special_use is None:
            known.special_use = _special_use(known.fields)
        return known.special_use

    def is_safe(self) -> bool:
        """Tell whether the method promises to change nothing (RFC 9110, 9.2.1)."""
        return self.method in _SAFE

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"{self.received} bytes so far"
        return f"<Request {self.method} {self.path} [{state}]>"


_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SPECIAL_USES: Final = {
    b"range": "range",
    b"x-figway-shadow": "shadow",
    b"x-figway-dry-run": "shadow",
}


def _special_use(fields: Fields) -> str:
    for index in range(0, len(fields), STRIDE):
        name = fields[index].lower()
        if name in _SPECIAL_USES:
            return _SPECIAL_USES[name]
        if name == b"accept" and b"text/event-stream" in fields[index + 2].lower():
            return "event_stream"
    return ""
