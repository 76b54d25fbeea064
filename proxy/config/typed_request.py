"""A request as an operator types it, to have it explained: only what a client could send passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from proxy.config.addresses import client_address, request_url
from proxy.config.shapes import KNOWN_METHODS, method_name, token
from proxy.config.yaml_scalar import quoted
from proxy.routing.facts import PlainFacts, is_device_id

# RFC 9112, 3: a request line has no space within its target; RFC 9110, 5.5: nor has a field value
# a control character. The data port answers 400 to both.
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def typed_request(
    method: str,
    url: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    client_ip: str,
    device_id: str = "",
    cookie_name: str,
    moment: float = 0.0,
) -> PlainFacts:
    """Return the facts of a request. Raises ValueError, which names what no request can have."""
    return PlainFacts.of(
        _checked("method", _method, method),
        _checked("url", _url, url),
        headers=[
            (_checked("header", token, name), _checked(f"header {name}", _value, value))
            for name, value in headers
        ],
        client_ip=_checked("client_ip", client_address, client_ip),
        device_id=_checked("device_id", _device_id, device_id) or None,
        cookie_name=cookie_name,
        moment=moment,
    )


def _checked(name: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _method(text: str) -> str:
    method_name(text)
    if text not in KNOWN_METHODS:
        raise ValueError(f"{text} is answered with 501, whatever the route")
    return text


def _url(text: str) -> str:
    # What follows a # stays in the browser.
    url = text.partition("#")[0]
    if _BLANK.search(url):
        raise ValueError(f"must not hold spaces or control characters (400), got {quoted(url)}")
    return url if url == "*" else request_url(url)


def _value(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"must not hold control characters (400), got {quoted(text)}")
    return text


def _device_id(text: str) -> str:
    if text and not is_device_id(text):
        raise ValueError(f"must be the 32 hex digits of the identity cookie, got {quoted(text)}")
    return text
