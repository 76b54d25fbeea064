"""The responses that the proxy makes itself: short, without a byte of the request in them."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from proxy.errors import MethodNotAllowed, Overloaded, ProxyError

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ALLOW = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
OPTIONS_HERE = f"HTTP/1.1 200 OK\r\n{_ALLOW}\r\nContent-Length: 0\r\n\r\n".encode("ascii")
LAST_OPTIONS_HERE = OPTIONS_HERE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


_dates: dict[int, bytes] = {}


def _date() -> bytes:
    # RFC 9110, 6.6.1: "An origin server with a clock MUST generate a Date header field"; for these
    # responses the proxy is the origin. One formatting a second is enough.
    now = int(time.time())
    line = _dates.get(now)
    if line is None:
        _dates.clear()
        line = _dates[now] = f"Date: {formatdate(now, usegmt=True)}\r\n".encode("ascii")
    return line


def refusal(error: type[ProxyError], *, head_only: bool, close: bool) -> bytes:
    """The whole response for an error: status from the error's class, a body of one line.

    `X-Figway-Error` tells a response the proxy made from one an upstream made.
    """
    status = error.status
    phrase = HTTPStatus(status).phrase if status != 508 else "Loop Detected"
    body = f"{status} {phrase}\n".encode("ascii")
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"X-Figway-Error: {error.cause}",
    ]
    if issubclass(error, Overloaded):
        lines.append("Retry-After: 1")
    if issubclass(error, MethodNotAllowed):
        lines.append(_ALLOW)
    if close:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("ascii") + b"\r\n" + _date() + b"\r\n"
    return head if head_only else head + body
