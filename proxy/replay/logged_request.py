"""A request as an access log tells of it: what it holds, and what it left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def _nothing() -> Mapping[str, str | None]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that was served once. Texts are latin-1: one character is one byte.

    Empty texts are what the log does not say. `headers` (lower-case names) and `cookies` hold what
    it does say, with None for one that was not sent; a name that is missing is not known.
    """

    method: str
    # Path and query as they were sent, or the absolute form.
    target: str
    # 0: not logged.
    status: int
    host: str = ""
    client_ip: str = ""
    # Seconds since the epoch; None: not logged, or not to be read.
    time: float | None = None
    headers: Mapping[str, str | None] = field(default_factory=_nothing)
    cookies: Mapping[str, str | None] = field(default_factory=_nothing)
    # The route it took, in Figway's own log.
    route: str = ""
    # The log leaves queries out: there may have been one.
    without_query: bool = False
