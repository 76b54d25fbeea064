"""The cookies of one side during one case, as a browser would keep them."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

from proxy.exchange import Header

_SECONDS = re.compile(r"-?[0-9]{1,18}").fullmatch


class Cookies:
    """Takes Set-Cookie fields and gives a Cookie field (RFC 6265, 5.2 to 5.4).

    All steps of a case go to one site, whatever address it is reached at: Domain and Secure are
    not looked at.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def take(self, headers: tuple[Header, ...], path: str) -> dict[str, str]:
        """Keep what the answer to a request for `path` sets. Returns name to value of that."""
        taken = {}
        for field, value in headers:
            if field.lower() != b"set-cookie":
                continue
            pair, _, rest = value.decode("utf-8", "surrogateescape").partition(";")
            name, equals, text = pair.partition("=")
            name, text = name.strip(), text.strip()
            if not equals or not name:
                continue
            attributes = _attributes(rest)
            where = attributes.get("path", "")
            if not where.startswith("/"):
                # RFC 6265, 5.1.4: the path of the request up to its last slash.
                where = path.rpartition("/")[0] or "/"
            if _is_past(attributes):
                self._kept.pop((name, where), None)
            else:
                self._kept[name, where] = text
                taken[name] = text
        return taken

    def field(self, path: str) -> str:
        """The value of the Cookie field of a request for `path`; empty when there is none."""
        matching = [
            (where, name, value)
            for (name, where), value in self._kept.items()
            if _covers(where, path)
        ]
        # RFC 6265, 5.4: longer paths first.
        matching.sort(key=lambda kept: -len(kept[0]))
        return "; ".join(f"{name}={value}" for _, name, value in matching)


def _attributes(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        # RFC 6265, 5.3: of several the last one counts.
        found[name.strip().lower()] = value.strip()
    return found


def _is_past(attributes: dict[str, str]) -> bool:
    age = attributes.get("max-age", "")
    if _SECONDS(age):
        return int(age) <= 0
    if "expires" in attributes:
        try:
            return parsedate_to_datetime(attributes["expires"]).timestamp() <= time.time()
        except (ValueError, OverflowError):
            return False
    return False


def _covers(where: str, path: str) -> bool:
    if path == where:
        return True
    return path.startswith(where) and (where.endswith("/") or path[len(where)] == "/")
