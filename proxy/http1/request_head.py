"""Reading one request head: every gate that llhttp leaves open, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from httptools import HttpRequestParser

from proxy.errors import (
    BadRequest,
    BodyTooLarge,
    ClientError,
    ExpectationFailed,
    HeadersTooLarge,
    LoopDetected,
    MethodNotAllowed,
    TargetTooLong,
    VersionNotSupported,
)
from proxy.headers import PROTECTED_FROM_NOMINATION
from proxy.http1 import fields as kinds
from proxy.http1.authority import authority_of, origin_form, read_host
from proxy.http1.diagnosis import why_no_coding
from proxy.http1.fields import (
    Fields,
    connection_options,
    known_request_kinds,
    learn_request_kind,
    tokens,
    without,
)
from proxy.http1.forwarded import from_trusted
from proxy.http1.known_heads import read_line
from proxy.http1.request import CHUNKED, NO_BODY, Request, is_request_id, is_traceparent

if TYPE_CHECKING:
    from proxy.http1.wire import Wire

_METHODS: Final[dict[bytes, str]] = {}
_KNOWN_OPTIONS: Final = frozenset({b"keep-alive", b"close", b"upgrade", b"te"})


class HeadListener(Protocol):
    """Who learns of everything that is not the head."""

    def on_headers_complete(self) -> None:
        """The head is whole."""

    def on_body(self, chunk: bytes) -> None:
        """A piece of the decoded body."""

    def on_message_complete(self) -> None:
        """The message is whole."""


class HeadReader:
    """Collects what a connection's parser reports of a head, and turns it into a Request.

    One per connection, used again for every request on it.
    """

    __slots__ = (
        "_authorization",
        "_connection",
        "_cookie",
        "_dropped",
        "_dropped_size",
        "_expect",
        "_finished",
        "_forwarded",
        "_host",
        "_length",
        "_max_forwards",
        "_partial",
        "_peer",
        "_peer_lines",
        "_request_id",
        "_scan",
        "_slack",
        "_te",
        "_tls",
        "_traceparent",
        "_trusted",
        "_upgrade",
        "begun",
        "data",
        "fields",
        "on_body",
        "on_headers_complete",
        "on_message_complete",
        "skip_next",
        "target",
        "upgrade_pending",
        "wire",
    )

    def __init__(self, wire: Wire, listener: HeadListener, *, tls: bool) -> None:
        self.wire = wire
        self.on_headers_complete = listener.on_headers_complete
        self.on_body = listener.on_body
        self.on_message_complete = listener.on_message_complete
        self._tls = tls
        self._peer = ""
        self._peer_lines = b""
        self._trusted = False
        self.begun = False
        self.skip_next = False
        self.upgrade_pending = False
        self.data = b""
        self._partial = b""
        # Bytes of `_partial` that may belong to what came before the head.
        self._slack = 0
        # A head was finished in the data at hand.
        self._finished = False
        self._scan = 0
        self._reset()

    def know_peer(self, peer: str) -> None:
        """Prepare what every request of this client says about it."""
        self._peer = peer
        self._trusted = self.wire.trusted.trusts(peer)
        scheme = b"https" if self._tls else b"http"
        self._peer_lines = b"%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
            self.wire.via_line,
            peer.encode("ascii", "replace"),
            scheme,
        )

    # The parser's callbacks. Those that are not about the head are the connection's own methods,
    # bound here once: a detour for every one of them would be a call per event.

    def on_message_begin(self) -> None:
        """Start on a new head."""
        if self.skip_next:
            return
        self.begun = True
        self._reset()

    def on_url(self, url: bytes) -> None:
        """Take the target, or a piece of it."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Sort one field; the common ones go straight on."""
        try:
            kind = known_request_kinds[name]
        except KeyError:
            kind = learn_request_kind(name)
        if kind:
            self.special(kind, name, value)
        else:
            self.fields += (name, b": ", value, b"\r\n")

    def _reset(self) -> None:
        self.target = b""
        self.fields: Fields = []
        self._host: bytes | None = None
        self._connection: tuple[bytes, ...] | None = None
        self._length = NO_BODY
        self._te = False
        self._upgrade = b""
        self._expect: bytes | None = None
        self._cookie: bytes | None = None
        self._request_id: bytes | None = None
        self._traceparent: bytes | None = None
        self._max_forwards: bytes | None = None
        self._authorization = False
        self._forwarded = False
        self._dropped = 0
        self._dropped_size = 0

    def special(self, kind: int, name: bytes, value: bytes) -> None:
        """Take a field that means something to the proxy. Raises ClientError."""
        if self.skip_next:
            return
        if not self.begun:
            self._trailer(name, value)
            return
        match kind:
            case kinds.HOST:
                if self._host is not None:
                    raise BadRequest("more than one Host")
                self._host = value
            case kinds.COOKIE:
                # Two lines are one list to us and two lines to the upstream.
                self._cookie = value if self._cookie is None else self._cookie + b"; " + value
            case kinds.CONTENT_LENGTH:
                value = value.strip(b" \t")
                if not value.isdigit() or self._length != NO_BODY:
                    raise BadRequest("Content-Length is not one number")
                # Leading zeros are legal and endless: we say the same number in our own words.
                value = value.lstrip(b"0") or b"0"
                self._length = int(value)
            case kinds.TRANSFER_ENCODING:
                if self._length != NO_BODY:
                    raise BadRequest("more than one framing of the body")
                if value.strip(b" \t").lower() != b"chunked":
                    raise why_no_coding(value)
                self._length = CHUNKED
                value = b"chunked"
            case kinds.AUTHORIZATION:
                self._authorization = True
            case kinds.FORWARDED:
                if not self._trusted:
                    self._drop(name, value)
                    return
                self._forwarded = True
            case kinds.SHADOW:
                # An upstream mutes mail and billing for it, so nobody may just say so.
                if not self._trusted:
                    self._drop(name, value)
                    return
            case kinds.REQUEST_ID:
                if self._request_id is not None or not is_request_id(value):
                    self._drop(name, value)
                    return
                self._request_id = value
            case kinds.TRACEPARENT:
                # What cannot be used is replaced, so it must not be forwarded beside its successor.
                if self._traceparent is not None or not is_traceparent(value):
                    self._drop(name, value)
                    return
                self._traceparent = value
            case kinds.VIA:
                self._refuse_loop(value)
            case kinds.MAX_FORWARDS:
                self._max_forwards = value
            case _:
                self._connection_level(kind, name, value)
                return
        self.fields += (name, b": ", value, b"\r\n")

    def _connection_level(self, kind: int, name: bytes, value: bytes) -> None:
        match kind:
            case kinds.CONNECTION:
                self._connection = (self._connection or ()) + connection_options(value)
            case kinds.TE:
                self._te = self._te or b"trailers" in (t.partition(b";")[0] for t in tokens(value))
            case kinds.UPGRADE:
                self._upgrade = value.strip(b" \t") if not self._upgrade else b","
            case kinds.EXPECT:
                self._expect = value if self._expect is None else b"?"
            case _:
                pass
        self._drop(name, value)

    def _drop(self, name: bytes, value: bytes) -> None:
        self._dropped += 1
        size = len(name) + len(value)
        self._dropped_size += size
        if size > self.wire.limits.header_bytes:
            raise HeadersTooLarge

    def trailers_over_limit(self) -> bool:
        """Tell whether a trailer section is out of proportion."""
        limits = self.wire.limits
        return (
            len(self.fields) // kinds.STRIDE + self._dropped > limits.header_count
            or kinds.size_of_largest(self.fields) > limits.header_bytes
        )

    def _trailer(self, name: bytes, value: bytes) -> None:
        # RFC 9110, 6.5.1: a recipient may discard trailers. Toward legacy code, that never expects
        # them, that is the safe choice; they are counted so that a section without an end has a
        # bound.
        self._dropped += 1
        limits = self.wire.limits
        if self._dropped > limits.header_count or len(name) + len(value) > limits.header_bytes:
            raise HeadersTooLarge

    def _refuse_loop(self, value: bytes) -> None:
        pseudonym = self.wire.pseudonym
        if pseudonym in value.lower():
            for entry in tokens(value):
                words = entry.split()
                if len(words) > 1 and words[1] == pseudonym:
                    raise LoopDetected

    def end_of_data(self, *, behind_body: bool) -> None:
        """Let go of the received bytes, but for a head that is not whole yet."""
        if self.begun:
            if not self._partial and (behind_body or self._finished):
                # Where this head began cannot be told: what went before it is not held against it.
                self._slack = len(self.data) - self._scan
            self._partial += self.data[self._scan :]
        self._scan = 0
        self._finished = False
        self.data = b""

    def over_limit(self) -> type[ClientError] | None:
        """Tell whether an incomplete head is already too large."""
        limits = self.wire.limits
        if len(self.target) > limits.request_line_bytes:
            return TargetTooLong
        if len(self._partial) - self._slack > limits.head_bytes:
            return HeadersTooLarge if b"\r\n" in self._partial else TargetTooLong
        return None

    def first_line(self) -> tuple[bytes, bool]:
        """What has come of the request line, for a diagnosis, and whether it is whole."""
        line, end, _ = (self._partial + self.data[self._scan :]).lstrip(b"\r\n").partition(b"\r\n")
        return line, bool(end)

    def recall(self, data: bytes) -> Request | None:
        """Make the Request if `data` is one whole plain request with a header section seen before.

        Everything but the request line has passed every gate already, as these very bytes.
        """
        wire = self.wire
        end = data.find(b"\r\n")
        known = wire.known_heads.get(data[end:])
        if known is None or self._trusted or len(data) > wire.suspect_head_bytes:
            return None
        line = read_line(data[:end])
        if line is None or end > wire.limits.request_line_bytes:
            return None
        request = Request(wire, known.fields)
        request.recall(known)
        method_bytes, target = line.groups()
        request.method_bytes = method_bytes
        request.method = "GET" if method_bytes == b"GET" else "HEAD"
        request.target = target
        request.path, mark, request.query = target.decode("ascii").partition("?")
        request.has_query = bool(mark)
        request.client_ip = self._peer
        request.forwarded_lines = (
            self._peer_lines + known.forwarded_host + request.identify(None, None)
        )
        return request

    def remember(self, request: Request, data: bytes) -> None:
        """Keep what the header section of this request means, if another request may have it too.

        `data` began with the request and is what was parsed. Ids of its own make a section unique.
        """
        if (
            self._scan
            and request.method in ("GET", "HEAD")
            and request.length == NO_BODY
            and request.keep_alive
            and not request.http10
            and not request.upgrade
            and not request.trailers_wanted
            and not self._trusted
            and request.host_field
            and self._expect is None
            and self._request_id is None
            and self._traceparent is None
            and request.target is self.target
            and data.find(b"\r\n\r\n") + 4 == len(data)
        ):
            self.wire.known_heads.keep(data[self._scan - 2 :], request.to_remember())

    def framing_of(self, request: Request) -> bytes:
        """A head with this request's framing and nothing else."""
        head = b"POST / HTTP/1.1\r\n"
        if request.length == CHUNKED:
            head += b"Transfer-Encoding: chunked\r\n"
        elif request.length != NO_BODY:
            head += b"Content-Length: %d\r\n" % request.length
        if not request.keep_alive:
            head += b"Connection: close\r\n"
        return head + b"\r\n"

    def finish(self, parser: HttpRequestParser) -> Request | None:
        """Check the whole head and make the Request. Raises ClientError."""
        if self.skip_next:
            self.skip_next = False
            self.begun = False
            return None
        wire = self.wire
        limits = wire.limits
        self.begun = False
        method_bytes: bytes = parser.get_method()
        target = self.target
        http10 = not self._is_version_11(method_bytes, target, parser)
        fields = self.fields
        if len(fields) // kinds.STRIDE + self._dropped > limits.header_count:
            raise HeadersTooLarge
        if len(self.data) + len(self._partial) > wire.suspect_head_bytes:
            self._measure(fields)
        self._partial = b""
        self._slack = 0
        self._finished = True
        # Trailer fields come through the same callback: they must never reach this request's list.
        self.fields = []

        request = Request(wire, fields)
        options = self._connection
        request.http10 = http10
        request.keep_alive = parser.should_keep_alive()
        method = _METHODS.get(method_bytes)
        if method is None:
            method = _METHODS[method_bytes] = method_bytes.decode("ascii")
        request.method = method
        request.method_bytes = method_bytes
        if method in ("CONNECT", "TRACE"):
            raise MethodNotAllowed
        host = self._host
        if host is not None:
            request.host = read_host(host)
        elif http10:
            request.host = ""
        else:
            raise BadRequest("no Host")
        if target[0] != 0x2F or b"#" in target:
            if host is None:
                host = self._host_of_target(request, target)
            target = origin_form(method, target, host, tls=self._tls)
        request.host_field = host
        request.target = target
        request.path, mark, request.query = target.decode("ascii").partition("?")
        request.has_query = bool(mark)
        request.length = length = self._length
        if length == CHUNKED:
            # RFC 9112, 6.1: "A server or client that receives an HTTP/1.0 message containing a
            # Transfer-Encoding header field MUST treat the message as if the framing is faulty".
            if http10:
                raise BadRequest("Transfer-Encoding in HTTP/1.0")
        elif length > limits.body_bytes:
            raise BodyTooLarge
        if self._expect is not None and not http10:
            if self._expect.strip(b" \t").lower() != b"100-continue":
                raise ExpectationFailed
            request.expects_continue = length != NO_BODY and length != 0
        if self._max_forwards is not None and method == "OPTIONS":
            self._count_forwards(request)
        request.cookie_line = self._cookie
        request.has_authorization = self._authorization
        if options is not None:
            self._obey_connection(request, options)
        # llhttp believes Proxy-Connection too, and then stops at the head, whatever body follows.
        if self._upgrade and parser.should_upgrade():
            self.upgrade_pending = True
            self._ask_for_upgrade(request, options or ())
        if self._forwarded:
            request.client_ip, request.fields, lines = from_trusted(
                wire.trusted,
                self._peer,
                b"https" if self._tls else b"http",
                host or b"",
                request.fields,
            )
            lines = wire.via_line + lines
        else:
            request.client_ip = self._peer
            lines = self._peer_lines
            if host is not None:
                lines += b"X-Forwarded-Host: " + host + b"\r\n"
        if http10:
            # RFC 9110, 7.6.3: the version is that of the message received.
            lines = lines.replace(b"Via: 1.1 ", b"Via: 1.0 ", 1)
        request.forwarded_lines = lines + request.identify(self._request_id, self._traceparent)
        return request

    def _host_of_target(self, request: Request, target: bytes) -> bytes | None:
        # RFC 9112, 3.2.2: with an absolute-form target the host is the target's.
        authority = authority_of(target)
        if authority is not None:
            request.host = read_host(authority)
            request.fields[:0] = (b"Host", b": ", authority, b"\r\n")
        return authority

    def _measure(self, fields: Fields) -> None:
        limits = self.wire.limits
        size = len(self.target) + self._dropped_size + sum(map(len, fields))
        if size > limits.head_bytes or kinds.size_of_largest(fields) > limits.header_bytes:
            raise HeadersTooLarge

    def _is_version_11(self, method: bytes, target: bytes, parser: HttpRequestParser) -> bool:
        """Check the request line, and tell HTTP/1.1 from 1.0. Raises ClientError for any other."""
        # llhttp tolerates several spaces between method and target, RFC 9112, 3 has one. The bytes
        # are looked at again because llhttp does not tell where they stood.
        if len(target) + len(method) + 10 > self.wire.limits.request_line_bytes:
            raise TargetTooLong
        line = b"%b %b HTTP/1.1\r\n" % (method, target)
        if not self._partial:
            if not self._scan and self.data.startswith(line):
                self._scan = len(line)
                return True
            data, start = self.data, self._scan
        else:
            data, start = self._partial + self.data[self._scan :], 0
        # Another version, or not at the very beginning: behind empty lines, pipelined, in pieces.
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise VersionNotSupported
        at = data.find(b"%b %b HTTP/%b\r\n" % (method, target, version.encode("ascii")), start)
        if at < 0:
            raise BadRequest("the request line is malformed")
        if not self._partial:
            self._scan = at + len(line)
        return bool(version == "1.1")

    def _obey_connection(self, request: Request, options: tuple[bytes, ...]) -> None:
        nominated = set(options) - _KNOWN_OPTIONS
        if nominated:
            # RFC 9110, 7.6.1: "Intermediaries MUST [...] remove any header or trailer field(s) from
            # the message with the same name as the connection-option", but not those that others
            # rely on.
            request.fields = without(request.fields, nominated - PROTECTED_FROM_NOMINATION)
        request.trailers_wanted = self._te and b"te" in options and not request.http10

    def _ask_for_upgrade(self, request: Request, options: tuple[bytes, ...]) -> None:
        if (
            b"upgrade" in options
            and request.method == "GET"
            and request.length in (NO_BODY, 0)
            and not request.http10
            and self._upgrade.lower() in self.wire.upgrade_protocols
        ):
            request.upgrade = self._upgrade

    def _count_forwards(self, request: Request) -> None:
        # RFC 9110, 7.6.2; what is no number is as good as absent.
        value = (self._max_forwards or b"").strip(b" \t")
        if not value.isdigit() or len(value) > 10:
            return
        left = int(value)
        if left == 0:
            request.answer_here = True
            return
        for index in range(0, len(request.fields), kinds.STRIDE):
            if request.fields[index].lower() == b"max-forwards":
                request.fields[index + 2] = b"%d" % (left - 1)
