"""A shadow exemplar as a case: the client's request, its secrets as placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.conformance.placeholder import literal
from proxy.conformance.recorded_case import RecordedCase
from proxy.conformance.secret import (
    another_name,
    is_secret_name,
    is_secret_value,
    placeholder_name,
    skip_reason,
    stripped_target,
)

# What the observer writes in the place of a secret.
_REDACTED = re.compile(r"\[redacted\]|%5Bredacted%5D", re.IGNORECASE)
# What an answer can depend on; the rest is the client's connection and the proxy's own.
_KEPT = frozenset(
    {
        *("accept", "accept-language", "authorization", "content-type", "origin", "prefer"),
        *("referer", "user-agent", "x-requested-with"),
    }
)
# Their redacted body is none.
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


def case_of(exemplar: Mapping[str, Any], *, drop_cookies: bool = False) -> RecordedCase | None:
    """The case of an exemplar as the admin API shows it; None when it holds no request.

    `drop_cookies` makes it the request of a visitor without any.
    """
    method, target = exemplar.get("method"), exemplar.get("target")
    if not isinstance(method, str) or not isinstance(target, str) or not target.startswith("/"):
        return None
    stripped = stripped_target(target, _REDACTED)
    needs = list(stripped.needs)
    url = stripped.text
    headers: dict[str, str] = {}
    for name, value in _pairs(exemplar.get("request_headers")):
        key = name.lower()
        if key == "host":
            if not _REDACTED.search(value):
                url = f"http://{value}{stripped.text}"
        elif key == "cookie":
            headers["cookie"] = "" if drop_cookies else _cookies(value, needs)
        elif key in _KEPT:
            headers[key] = _field(key, value, needs)
    body = exemplar.get("request_body")
    text = body if isinstance(body, str) else ""
    if _REDACTED.search(text) or (method not in _BODILESS and _lacks_body(exemplar)):
        name = another_name(needs, "REQUEST_BODY")
        text = f"${{{name}}}"
    else:
        text = literal(text)
    route = exemplar.get("route") or "unknown"
    return RecordedCase(
        name=f"{method} {stripped.text}",
        method=method,
        url=url,
        headers=tuple((key, value) for key, value in headers.items() if value),
        body=text,
        skip=skip_reason(tuple(needs)),
        comment=f"route {route}",
    )


def _lacks_body(exemplar: Mapping[str, Any]) -> bool:
    redacted = exemplar.get("redacted")
    return isinstance(redacted, list) and "body" in redacted


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    for pair in value if isinstance(value, list) else ():
        match pair:
            case [str(name), str(text)]:
                yield name, text
            case _:
                pass


def _cookies(value: str, needs: list[str]) -> str:
    """A Cookie field in which every value is a placeholder: who holds one is somebody."""
    pairs = []
    for pair in value.split(";"):
        name = pair.partition("=")[0].strip()
        if name and not _REDACTED.search(name):
            needed = another_name(needs, placeholder_name("cookie", name))
            pairs.append(f"{literal(name)}=${{{needed}}}")
        elif name:
            pairs.append(f"${{{another_name(needs, 'COOKIE')}}}")
    return "; ".join(pairs)


def _field(name: str, value: str, needs: list[str]) -> str:
    secret = name == "authorization" or is_secret_name(name) or is_secret_value(value)
    if secret or _REDACTED.search(value):
        return f"${{{another_name(needs, placeholder_name('header', name))}}}"
    return literal(value)
