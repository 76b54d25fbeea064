"""Bodies that are neither text nor data compared as wholes: length and digest."""

from __future__ import annotations

from hashlib import blake2b

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare.reader import Body
from proxy.compare_policy import Severity

_PATH = "body"


def compare_binary(legacy: Body, new: Body, found: Findings) -> None:
    """Report that two bodies differ, without looking into them."""
    one, other = legacy.content, new.content
    if one == other:
        return
    severity, cause, note = Severity.MAJOR, "", ""
    if not other or not one:
        severity, cause = Severity.CRITICAL, "emptied" if one else "filled"
        note = f"the {'new' if one else 'legacy'} body is empty"
    elif one.startswith(other) or other.startswith(one):
        side = "new" if len(other) < len(one) else "legacy"
        severity, cause = Severity.CRITICAL, "truncation"
        note = f"the {side} body ends after {min(len(one), len(other))} bytes"
    found.record(_PATH, _PATH, Kind.BODY, severity, _told(one), _told(other), cause, note)


def _told(content: bytes) -> str:
    return f"{len(content)} bytes, {blake2b(content, digest_size=8).hexdigest()}"
