"""Bytes of requests that the tests of this folder share."""

from __future__ import annotations

# Follows a faulty request on the same connection; it must never run when that one was refused, and
# exactly once when it was accepted.
CANARY = b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n"


def get(
    target: bytes = b"/", fields: bytes = b"", *, host: bytes = b"a", version: bytes = b"1.1"
) -> bytes:
    """A GET; `fields` are whole lines with their CRLF."""
    return b"GET %b HTTP/%b\r\nHost: %b\r\n%b\r\n" % (target, version, host, fields)


def post(fields: bytes, body: bytes = b"", *, version: bytes = b"1.1") -> bytes:
    """A POST whose framing is up to the test."""
    return b"POST /upload HTTP/%b\r\nHost: a\r\n%b\r\n%b" % (version, fields, body)


def sized(body: bytes, fields: bytes = b"", *, method: bytes = b"POST") -> bytes:
    """A request with Content-Length."""
    return b"%b /upload HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (
        method,
        fields,
        len(body),
        body,
    )


def chunked(*chunks: bytes, fields: bytes = b"", trailers: bytes = b"") -> bytes:
    """A chunked request."""
    return post(b"Transfer-Encoding: chunked\r\n" + fields, in_chunks(*chunks, trailers=trailers))


def in_chunks(*chunks: bytes, trailers: bytes = b"") -> bytes:
    """A chunked body."""
    return (
        b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks if c) + b"0\r\n" + trailers + b"\r\n"
    )


def ok(body: bytes = b"ok", fields: bytes = b"") -> bytes:
    """A 200 response with Content-Length."""
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)
