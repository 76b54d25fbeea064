"""Repeats: one and the same request counts only so often an hour, or a health check decides."""

from __future__ import annotations

import hashlib

HOUR = 3600


def request_key(*, method: str, target: bytes, body: bytes = b"", client: str = "") -> str:
    """What makes two requests the same: 16 hex digits. `client` is a session or empty."""
    digest = hashlib.sha256()
    for part in (method.encode(), target, client.encode("utf-8", "surrogatepass"), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:16]


def hour_of(at: float) -> int:
    """The hour since 1970 in which repeats are counted together."""
    return int(at // HOUR)


def counts(seen_before: int, per_hour: int) -> bool:
    """Whether a comparison counts, after `seen_before` of the same request in the same hour."""
    return seen_before < per_hour
