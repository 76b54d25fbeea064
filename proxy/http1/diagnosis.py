"""Which status a head deserves that the parser refused: it says that, but rarely why."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import (
    BadRequest,
    ClientError,
    CodingNotImplemented,
    MethodNotImplemented,
    VersionNotSupported,
)

_OTHER_VERSION: Final = re.compile(rb"HTTP/(?!1\.[01])[0-9]\.[0-9]")
_OTHER_VERSION_BEGUN: Final = re.compile(rb"HTTP/([02-9](\.[0-9]?)?|1\.[2-9])")
_METHOD_CHARACTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")


def why_no_method(line: bytes, *, whole: bool) -> type[ClientError]:
    """Tell a method that we do not know (501) from bytes that are no HTTP at all (400)."""
    words = line.split(b" ")
    if not words[0] or not _METHOD_CHARACTERS.issuperset(words[0]):
        return BadRequest
    if whole and (len(words) != 3 or not words[2].startswith(b"HTTP/1.")):
        return BadRequest
    return MethodNotImplemented


def why_malformed(line: bytes, *, whole: bool) -> type[ClientError]:
    """Give a version that is none of ours its own status (505)."""
    _, _, version = line.rpartition(b" ")
    # llhttp may refuse a version at its first digit, before the line is whole.
    pattern = _OTHER_VERSION if whole else _OTHER_VERSION_BEGUN
    return VersionNotSupported if pattern.fullmatch(version.rstrip(b"\r")) else BadRequest


def why_no_coding(value: bytes) -> ClientError:
    """Tell an unknown coding from a list that nobody should believe (RFC 9112, 6.1 and 6.3)."""
    codings = [part.strip(b" \t").lower() for part in value.split(b",")]
    if codings[-1] != b"chunked" or b"" in codings or b"chunked" in codings[:-1]:
        return BadRequest("chunked is not the final transfer coding, once")
    return CodingNotImplemented("a transfer coding other than chunked")
