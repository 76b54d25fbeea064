"""A shadow exemplar as a case: the client's request, its secrets as placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.conformance.placeholder import literal
from proxy.conformance.recorded_case import RecordedCase
from proxy.conformance.secret import (
    Placeholders,
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

# Gives the placeholder for a name that is wanted and a value.
_Placeholder = Callable[[str, str | None], str]


def case_of(
    exemplar: Mapping[str, Any], placeholders: Placeholders, *, drop_cookies: bool = False
) -> RecordedCase | None:
    """The case of an exemplar as the admin API shows it; None when it holds no request.

    `placeholders` are those of the file that the case is for. `drop_cookies` makes it the request
    of a visitor without any.
    """
    method, target = exemplar.get("method"), exemplar.get("target")
    if not isinstance(method, str) or not isinstance(target, str) or not target.startswith("/"):
        return None
    stripped = stripped_target(target, placeholders, _REDACTED)
    needs = dict.fromkeys(stripped.needs)

    def placeholder(wanted: str, value: str | None) -> str:
        name = placeholders.name(wanted, value)
        needs[name] = None
        return f"${{{name}}}"

    url = stripped.text
    headers: dict[str, str] = {}
    for name, value in _pairs(exemplar.get("request_headers")):
        key = name.lower()
        if key == "host":
            if not _REDACTED.search(value):
                url = f"http://{value}{stripped.text}"
        elif key == "cookie":
            headers["cookie"] = "" if drop_cookies else _cookies(value, placeholder)
        elif key in _KEPT:
            headers[key] = _field(key, value, placeholder)
    body = exemplar.get("request_body")
    text = body if isinstance(body, str) else ""
    if _REDACTED.search(text) or (method not in _BODILESS and _lacks_body(exemplar)):
        text = placeholder("REQUEST_BODY", None)
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


def _cookies(field: str, placeholder: _Placeholder) -> str:
    """A Cookie field in which every value is a placeholder: who holds one is somebody.

    Where the observer took the values out, one visitor's cookies serve every case.
    """
    pairs = []
    for pair in field.split(";"):
        name, _, value = (part.strip() for part in pair.partition("="))
        if name and not _REDACTED.search(name):
            wanted = placeholder_name("cookie", name)
            pairs.append(f"{literal(name)}={placeholder(wanted, value)}")
        elif name:
            pairs.append(placeholder("COOKIE", name))
    return "; ".join(pairs)


def _field(name: str, value: str, placeholder: _Placeholder) -> str:
    secret = name == "authorization" or is_secret_name(name) or is_secret_value(value)
    if secret or _REDACTED.search(value):
        return placeholder(placeholder_name("header", name), value)
    return literal(value)
