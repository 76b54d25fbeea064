"""Times in access logs as seconds since the epoch."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache

# 2200: what is later is no time in seconds.
_LATEST = 7_258_118_400.0
_FAR = 10**18


def epoch(value: object) -> float | None:
    """A logged time: `22/Nov/2026:10:00:00 +0100`, ISO 8601, or seconds or milliseconds.

    None where it is none of these. A time without a zone is taken as UTC.
    """
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # More digits than a float takes are no time.
        return _from_number(float(value)) if abs(value) < _FAR else None
    return None


def _from_text(text: str) -> float | None:
    if text.isascii() and text[:1].isdigit() and text.replace(".", "", 1).isdigit():
        return _from_number(float(text))
    try:
        if text[2:3] == "/":
            return _in_range(_minute(text[:17], text[20:]) + int(text[18:20]))
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _in_range((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


# Thousands of lines share a minute.
@lru_cache(maxsize=64)
def _minute(minute: str, zone: str) -> float:
    return datetime.strptime(f"{minute}{zone}", "%d/%b/%Y:%H:%M %z").timestamp()


def _from_number(number: float) -> float | None:
    return _in_range(number / 1000 if _LATEST < number < math.inf else number)


def _in_range(seconds: float) -> float | None:
    return seconds if 0 < seconds < _LATEST else None
