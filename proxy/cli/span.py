"""Spans of time as they are typed: 90m, 12h, 30d."""

from __future__ import annotations

import argparse
import re

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def span(text: str) -> int:
    """The seconds of a span. Raises ArgumentTypeError."""
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f"expected a span such as 90m, 12h or 30d: {text[:40]!r}")
    return int(found[1]) * _SECONDS[found[2]]
