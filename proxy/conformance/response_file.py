"""A file that holds a response: head and body as `curl -i` writes them, or a bare body."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from proxy.compare.decode import decoded
from proxy.compare.reader import Incomparable
from proxy.compare_policy import CompareLimits
from proxy.exchange import Answer, Header

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r\n")
_LIMITS = CompareLimits()
# What mimetypes does not know on every system.
_TYPES = {
    ".json": "application/json",
    ".html": "text/html",
    ".htm": "text/html",
    ".xml": "application/xml",
    ".txt": "text/plain",
    ".form": "application/x-www-form-urlencoded",
    ".csv": "text/csv",
    ".js": "text/javascript",
}


class ResponseFileError(ValueError):
    """A file that holds no whole response; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """A response read from a file. Without a head its status and fields are not known."""

    answer: Answer
    has_head: bool


def read_response(content: bytes, name: str, media_type: str = "") -> StoredResponse:
    """Read the content of a file called `name`. Raises ResponseFileError.

    A bare body is of `media_type`, else of what the ending of the name says, else of what it
    looks like.
    """
    if not content.startswith(b"HTTP/"):
        kind = media_type or _TYPES.get(PurePath(name).suffix.lower()) or _guessed(name)
        headers: tuple[Header, ...] = ()
        if kind:
            headers = ((b"content-type", kind.encode("latin-1", "replace")),)
        return StoredResponse(
            answer=Answer(status=200, headers=headers, body=content), has_head=False
        )
    status, headers, rest = _last_head(content)
    if media_type:
        headers = (
            *_without(headers, (b"content-type",)),
            (b"content-type", media_type.encode("latin-1", "replace")),
        )
    answer = Answer(status=status, headers=headers, body=rest)
    return StoredResponse(answer=_framed(answer), has_head=True)


def comparable(legacy: StoredResponse, new: StoredResponse) -> tuple[Answer, Answer]:
    """Both answers with as much of them as both files hold: where one is bare, bodies alone.

    What a whole response says of its media type holds for the bare body beside it.
    """
    if legacy.has_head and new.has_head:
        return legacy.answer, new.answer
    wholes_first = sorted((legacy, new), key=lambda stored: not stored.has_head)
    kinds = [stored.answer.header(b"content-type") for stored in wholes_first]
    kind = next(filter(None, kinds), None)
    return _body_alone(legacy.answer, kind), _body_alone(new.answer, kind)


def _body_alone(answer: Answer, kind: bytes | None) -> Answer:
    headers = tuple(h for h in answer.headers if h[0].lower() == b"content-encoding")
    if kind:
        headers = (*headers, (b"content-type", kind))
    return replace(answer, status=200, headers=headers)


def _guessed(name: str) -> str:
    return mimetypes.guess_type(name)[0] or ""


def _last_head(content: bytes) -> tuple[int, tuple[Header, ...], bytes]:
    """The head before the body; curl writes those of redirects and interim responses above it."""
    rest = content
    while True:
        line = _STATUS_LINE.match(rest)
        if line is None:
            shown = rest.split(b"\n", 1)[0][:60].decode("latin-1")
            raise ResponseFileError(f"begins with HTTP/ and has no status line: {shown!r}")
        headers, rest = _fields(rest[line.end() :])
        if not rest.startswith(b"HTTP/") or _STATUS_LINE.match(rest) is None:
            return int(line[1]), headers, rest


def _fields(text: bytes) -> tuple[tuple[Header, ...], bytes]:
    headers: list[Header] = []
    while text:
        line, _, text = text.partition(b"\n")
        line = line.removesuffix(b"\r")
        if not line:
            break
        if line[:1] in (b" ", b"\t") and headers:
            # RFC 9112, 5.2: obs-fold is replaced by a space.
            name, value = headers[-1]
            headers[-1] = (name, value + b" " + line.strip())
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            shown = line[:60].decode("latin-1")
            raise ResponseFileError(f"a line of the head is no field: {shown!r}")
        headers.append((name.strip(), value.strip(b" \t")))
    return tuple(headers), text


def _framed(answer: Answer) -> Answer:
    """Undo what only framed the message, whether or not curl has done so already."""
    body = answer.body
    if b"chunked" in (answer.header(b"transfer-encoding") or b"").lower():
        body = _without_chunks(body)
    coding = answer.header(b"content-encoding")
    plain = coding is not None and not _decodes(body, coding)
    length = answer.header(b"content-length")
    if length is not None and length.isdigit() and coding is None:
        body = _measured(body, int(length))
    dropped = [b"transfer-encoding", b"connection", b"keep-alive", b"content-length"]
    if plain:
        # `curl --compressed` keeps the field and writes what it decoded.
        dropped.append(b"content-encoding")
    return replace(answer, headers=_without(answer.headers, dropped), body=body)


def _measured(body: bytes, length: int) -> bytes:
    if len(body) > length and not body[length:].strip(b"\r\n"):
        # An editor ends a file with a line feed.
        return body[:length]
    if 0 < len(body) < length:
        raise ResponseFileError(
            f"is cut off: Content-Length says {length} bytes, {len(body)} are there"
        )
    return body


def _without_chunks(body: bytes) -> bytes:
    """The content of chunks; the body as it is where it is not chunked any more."""
    pieces: list[bytes] = []
    at = 0
    while found := _CHUNK.match(body, at):
        size = int(found[1], 16)
        if size == 0:
            return b"".join(pieces)
        end = found.end() + size
        if body[end : end + 2] != b"\r\n":
            break
        pieces.append(body[found.end() : end])
        at = end + 2
    return body


def _decodes(body: bytes, coding: bytes) -> bool:
    try:
        decoded(body, coding, _LIMITS)
    except Incomparable as error:
        return error.reason != "decode"
    return True


def _without(headers: Iterable[Header], names: Sequence[bytes]) -> tuple[Header, ...]:
    return tuple(header for header in headers if header[0].lower() not in names)
