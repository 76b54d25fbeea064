"""Points in time as they are written: ISO 8601, RFC 9110 dates, what date() writes, timestamps."""

from __future__ import annotations


def instant(value: object) -> float | None:
    """Seconds since 1970; None if the value spells no point in time."""
    return None
