"""Redaction: what of a message may be written down."""

from __future__ import annotations

import re

from proxy.compare.policy import CompiledPolicy
from proxy.exchange import Header

REDACTED = "[redacted]"
_SECRET_HEADERS = frozenset(
    {
        *("authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"),
        *("x-csrf-token", "x-auth-token"),
    }
)
_SECRET_QUERY = re.compile(r"(?i)(token|password|passwd|secret|api_?key|session|auth)")


def redacted_headers(
    headers: tuple[Header, ...], policy: CompiledPolicy
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Fields as text, and the names of those whose values were taken out."""
    shown: list[tuple[str, str]] = []
    gone: list[str] = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        lower = name.lower()
        if lower in _SECRET_HEADERS or policy.at(f"header:{lower}").redacted:
            gone.append(lower)
            value = REDACTED
        shown.append((name, value))
    return tuple(shown), tuple(dict.fromkeys(gone))


def redacted_target(target: bytes, policy: CompiledPolicy) -> tuple[str, tuple[str, ...]]:
    """The target as text, and the query parameters whose values were taken out."""
    path, mark, query = target.decode("latin-1").partition("?")
    named = {path.removeprefix("query:") for path in policy.policy.redact if path[:6] == "query:"}
    gone: list[str] = []
    parts = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if value and (name in named or _SECRET_QUERY.search(name)):
            gone.append(f"query:{name}")
            value = REDACTED
        parts.append(f"{name}{equals}{value}")
    return path + mark + "&".join(parts), tuple(dict.fromkeys(gone))


def redacted_body(
    body: bytes, content_type: bytes, policy: CompiledPolicy
) -> tuple[bytes, tuple[str, ...]]:
    """The body, or nothing of it where the policy redacts anything but headers and queries."""
    if any(not path.startswith(("header:", "query:")) for path in policy.policy.redact):
        return b"", ("body",)
    return body, ()
