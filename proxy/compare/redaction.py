"""Redaction: what of a message may be written down.

Taken out is what the policy names, what stands under the name of a secret, and what looks like one
(`secrets.py`). A body is taken apart for that as far as it can be; if a secret can still be read
from what is left, nothing of it is kept.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from proxy.compare.media import named, parameters
from proxy.compare.policy import CompiledPolicy
from proxy.compare.reader import Media
from proxy.compare.redacted_body import SecretLeft, without_secrets
from proxy.compare.secrets import REDACTED, is_secret_name, redacted_prose, redacted_text
from proxy.exchange import Header

__all__ = ["REDACTED", "redacted_body", "redacted_headers", "redacted_target", "redacted_text"]

_SECRET_HEADERS = frozenset(
    {
        *("authorization", "proxy-authorization", "x-api-key", "x-csrf-token", "x-auth-token"),
        *("x-xsrf-token", "x-amz-security-token", "x-forwarded-user"),
    }
)
# Credentials stand behind the scheme, which may be known.
_SCHEMES = frozenset({"authorization", "proxy-authorization"})
# Challenges are for everybody, but for what was made for one answer.
_CHALLENGES = frozenset({"www-authenticate", "proxy-authenticate"})
_MADE_FOR_ONE = re.compile(r"""\b((?:nonce|opaque)\s*=\s*)("[^"]*"?|[^\s,]+)""", re.IGNORECASE)
_ADDRESSES = frozenset({"referer", "location", "content-location", "refresh", "link"})


def redacted_headers(
    headers: tuple[Header, ...], policy: CompiledPolicy
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Fields as text, and the names of those of whose values something was taken out.

    Cookies keep their names, Set-Cookie its attributes, Authorization its scheme.
    """
    shown: list[tuple[str, str]] = []
    gone: list[str] = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        lower = name.lower()
        clean = redacted_field(lower, value, policy)
        if clean != value:
            gone.append(lower)
        shown.append((name, clean))
    return tuple(shown), tuple(dict.fromkeys(gone))


def redacted_field(name: str, value: str, policy: CompiledPolicy) -> str:
    """The value of one field without secrets; its name in lower case."""
    if policy.at(f"header:{name}").redacted:
        return REDACTED
    if name == "cookie":
        return "; ".join(map(_without_cookie_value, value.split(";")))
    if name == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return _without_cookie_value(pair) + semicolon + redacted_text(attributes)
    if name in _SCHEMES:
        scheme, space, rest = value.partition(" ")
        return f"{scheme} {REDACTED}" if space and rest and scheme.isalpha() else REDACTED
    if name in _CHALLENGES:
        return redacted_text(_MADE_FOR_ONE.sub(rf"\1{REDACTED}", value))
    if name in _SECRET_HEADERS or is_secret_name(name):
        return REDACTED
    if name in _ADDRESSES:
        return _clean_address(value, policy)[0]
    return redacted_prose(value)


def _without_cookie_value(pair: str) -> str:
    name, equals, value = pair.strip().partition("=")
    if not equals:
        # A cookie without a name (RFC 6265bis, 5.6) is all value.
        return REDACTED if name else ""
    return f"{name}={REDACTED if value else ''}"


def redacted_target(target: bytes, policy: CompiledPolicy) -> tuple[str, tuple[str, ...]]:
    """The target as text, and the query parameters whose values were taken out."""
    return _clean_address(target.decode("latin-1"), policy)


def _clean_address(text: str, policy: CompiledPolicy) -> tuple[str, tuple[str, ...]]:
    path, mark, query = text.partition("?")
    named_by_policy = {
        path.removeprefix("query:") for path in policy.policy.redact if path[:6] == "query:"
    }
    gone: list[str] = []
    parts = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        plain = unquote(name.replace("+", " "))
        if value and (plain in named_by_policy or name in named_by_policy or is_secret_name(plain)):
            gone.append(f"query:{name}")
            value = REDACTED
        else:
            clean = _clean_part(value)
            if clean != value:
                gone.append(f"query:{name}")
            name, value = _clean_part(name), clean
        parts.append(f"{name}{equals}{value}")
    clean_path = "/".join(map(_clean_part, path.split("/")))
    if clean_path != path:
        gone.append("path")
    return clean_path + mark + "&".join(parts), tuple(dict.fromkeys(gone))


def _clean_part(text: str) -> str:
    """A piece of an address, escaped or not, without secrets."""
    plain = unquote(text.replace("+", " "), encoding="latin-1")
    clean = redacted_text(plain)
    if clean == plain:
        return redacted_text(text)
    return quote(clean, safe="[]:@!$&'()*,;=/ ", encoding="latin-1").replace(" ", "+")


def redacted_body(
    body: bytes, content_type: bytes, policy: CompiledPolicy
) -> tuple[bytes, tuple[str, ...]]:
    """The body without secrets, and ("body",) where something was taken out, all of it perhaps.

    The same object and () without any.
    """
    kind, charset = parameters(content_type)
    media = named(kind)
    if kind == b"multipart/form-data":
        media = Media.TEXT
    try:
        clean = without_secrets(body, media, charset, policy)
    except SecretLeft:
        return b"", ("body",)
    return clean, () if clean == body else ("body",)
