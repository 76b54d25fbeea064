"""Coverage: how much of the traffic the evidence has not seen yet (Good-Turing)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_NUMBER = re.compile(r"\d+")
_IDENTIFIER = re.compile(r"(?=.*\d)[0-9A-Za-z_-]{8,}")


def unseen_mass(compared: int, seen_once: int) -> float:
    """The probability that the next comparison has a signature never seen: f1 / n.

    Good, "The population frequencies of species and the estimation of population parameters",
    Biometrika 40 (1953). 1 without any comparison.
    """
    return min(1.0, seen_once / compared) if compared > 0 else 1.0


def signature(
    *,
    template: str,
    query_keys: Iterable[str],
    status: int,
    content_type: str,
    signed_in: bool,
    shape: str,
) -> str:
    """What kind of request and response this was: 16 hex digits, never a value.

    `template` is the route's, or path_template() of the path where the route has none. `status`,
    `content_type` and `shape` are those of the primary's response.
    """
    parts = (
        template,
        "&".join(sorted(set(query_keys))),
        str(status),
        content_type.partition(";")[0].strip().lower(),
        "1" if signed_in else "0",
        shape,
    )
    text = "\x00".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def path_template(path: str) -> str:
    """A path with what looks like an id taken out: /orders/4711 and /orders/4712 are one kind."""
    return "/".join(
        "{id}" if _NUMBER.fullmatch(part) or _IDENTIFIER.fullmatch(part) else part
        for part in path.split("/")
    )
