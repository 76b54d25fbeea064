"""What a decision may know about a request, and how it is read from headers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from proxy.routing.target import split_target

_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{32}").fullmatch

# Stands in for the random identity that a client without the cookie would be given.
UNKNOWN_DEVICE = "0" * 32


class RequestFacts(Protocol):
    """One request, as much of it as routing looks at. Text is latin-1: no byte is lost."""

    @property
    def method(self) -> str:
        """As sent; methods are case-sensitive."""

    @property
    def host(self) -> str:
        """Lower case, without port and trailing dot."""

    @property
    def path(self) -> str:
        """As sent, without the query."""

    @property
    def query(self) -> str:
        """As sent, without the question mark."""

    @property
    def has_query(self) -> bool:
        """Whether there was a question mark; a bare one is an empty query."""

    @property
    def client_ip(self) -> str:
        """The address the request came from, after the trusted proxies."""

    @property
    def moment(self) -> float:
        """When it came, in seconds since the epoch, to a fraction of a second."""

    @property
    def answers(self) -> dict[object, bool] | None:
        """What questions said before of requests with the very same header section and device id.

        None where nothing is kept.
        """

    def header(self, name: str) -> str | None:
        """The field's value; the name is lower case.

        Several lines are joined with ", " (RFC 9110, 5.3), those of Cookie with "; " (RFC 9113,
        8.2.3).
        """

    def cookie(self, name: str) -> str | None:
        """The cookie's value; None when it is absent or came twice with different values."""

    def device_id(self) -> str:
        """The identity cookie's 32 hex digits, else the ones minted for this response."""


def normal_host(authority: str) -> str:
    """The host of a Host field or URL authority: lower case, no port, no trailing dot."""
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].removesuffix(".").lower()


def cookie_values(header: str | None, name: str) -> tuple[str, ...]:
    """Every different value that a Cookie field holds under this name, in order."""
    if header is None or name not in header:
        return ()
    found: dict[str, None] = {}
    for pair in header.split(";"):
        key, equals, value = pair.partition("=")
        if equals and key.strip() == name:
            found[value.strip()] = None
    return tuple(found)


def read_cookie(header: str | None, name: str) -> str | None:
    """The cookie's value; None when it is absent or has several.

    PHP takes the first of several, Python the last.
    """
    values = cookie_values(header, name)
    return values[0] if len(values) == 1 else None


def is_device_id(value: str | None) -> bool:
    """Whether this is an identity as the proxy mints them: 32 hex digits."""
    return value is not None and _DEVICE_ID(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFacts:
    """Facts written down: for `explain`, `figway test`, log replay and tests."""

    method: str
    host: str
    path: str
    query: str = ""
    has_query: bool = False
    client_ip: str = "192.0.2.1"
    moment: float = 0.0
    # Names in lower case, lines of one field already joined.
    headers: tuple[tuple[str, str], ...] = ()
    device: str = UNKNOWN_DEVICE

    @classmethod
    def of(
        cls,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        client_ip: str = "192.0.2.1",
        device_id: str | None = None,
        cookie_name: str = "figway_id",
        moment: float = 0.0,
    ) -> PlainFacts:
        """Read a method and an absolute URL or an origin-form target.

        The host is the URL's, else the Host field's. The identity is `device_id`, else the
        cookie's, else `UNKNOWN_DEVICE`.
        """
        target, host = url, ""
        if "://" in url.partition("?")[0]:
            rest = url.partition("://")[2].partition("#")[0]
            start = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
            host, target = normal_host(rest[:start]), rest[start:]
            if not target.startswith("/"):
                target = "/" + target
        path, query, has_query = split_target(target)
        joined: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()
            joined[key] = (
                f"{joined[key]}{_SEPARATOR.get(key, ', ')}{value}" if key in joined else value
            )
        cookie = read_cookie(joined.get("cookie"), cookie_name)
        if device_id is None:
            device_id = cookie if cookie is not None and is_device_id(cookie) else UNKNOWN_DEVICE
        return cls(
            method=method,
            host=host or normal_host(joined.get("host", "")),
            path=path,
            query=query,
            has_query=has_query,
            client_ip=client_ip,
            moment=moment,
            headers=tuple(joined.items()),
            device=device_id,
        )

    @property
    def answers(self) -> None:
        """See `RequestFacts.answers`."""
        return None

    def header(self, name: str) -> str | None:
        """See `RequestFacts.header`."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def cookie(self, name: str) -> str | None:
        """See `RequestFacts.cookie`."""
        return read_cookie(self.header("cookie"), name)

    def device_id(self) -> str:
        """See `RequestFacts.device_id`."""
        return self.device


# RFC 9113, 8.2.3: Cookie is the one field whose lines are joined otherwise.
_SEPARATOR = {"cookie": "; "}
