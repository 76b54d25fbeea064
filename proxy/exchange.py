"""An exchange: one request with what one upstream answered. Bytes as they were on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.stages import Side

# Name and value as they came; the order and repeated names are kept.
Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRequest:
    """The request as an upstream got it, hop-by-hop fields excluded.

    `target` is what the client asked for; a rewrite for the new side is not in it.
    """

    method: str
    target: bytes
    headers: tuple[Header, ...]
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The value of a field by lower-case name, several lines joined; None without one."""
        return joined(self.headers, name)

    @property
    def host(self) -> str:
        """The Host it was asked with; "" without one."""
        return (self.header(b"host") or b"").decode("latin-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response that came whole. The body has its transfer coding removed, no content coding."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The value of a field by lower-case name, several lines joined; None without one."""
        return joined(self.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What one upstream made of a request: an answer, or the cause of there being none."""

    side: Side
    upstream: str
    answer: Answer | None
    # A cause of proxy/errors.py; empty when there is an answer.
    error: str = ""
    # When it was asked (seconds since 1970), and how long the first byte and the whole took
    # (seconds).
    asked_at: float = 0.0
    first_byte: float = 0.0
    elapsed: float = 0.0


def joined(headers: tuple[Header, ...], name: bytes) -> bytes | None:
    """All values of a field in one (RFC 9110, 5.3); None when there is none."""
    found = [value for key, value in headers if key.lower() == name]
    if not found:
        return None
    return (b"; " if name == b"cookie" else b", ").join(found)
