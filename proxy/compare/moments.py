"""Points in time as they are written: ISO 8601, RFC 9110, what PHP's date() writes, epochs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from proxy.compare.calendar import days_of

DAY = 86_400
_TIME = (
    r"(?P<h>[0-2]?\d):(?P<i>[0-5]\d)(?::(?P<s>[0-6]\d)(?:[.,](?P<f>\d{1,9}))?)?"
    r"(?:\s?(?P<p>[AaPp]\.?[Mm]\b\.?))?"
)
_ZONE = r"(?:\s?(?P<z>Z|UTC|GMT|CES?T|BST|[EP][SD]T|[+-]\d\d:?\d\d|[+-]\d\d)(?![\w:]))?"
_MONTH = r"(?P<mon>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6})\.?"
_YEAR = r"(?P<y>[12]\d{3})"
_DAY = r"(?P<d>[0-3]?\d)"
# The first that fits is taken.
_STYLES = {
    "iso": rf"{_YEAR}[-/](?P<m>[01]\d)[-/](?P<d>[0-3]\d)(?:(?:T|,? ){_TIME}{_ZONE})?",
    "basic": rf"{_YEAR}(?P<m>[01]\d)(?P<d>[0-3]\d)"
    rf"T(?P<h>[0-2]\d)(?P<i>[0-5]\d)(?P<s>[0-6]\d){_ZONE}",
    "mail": rf"(?:[A-Z][a-z]{{2,8}},? )?{_DAY}(?:\.|st|nd|rd|th)?[ -]{_MONTH},?[ -]{_YEAR}"
    rf"(?:,?(?: at)? {_TIME}{_ZONE})?",
    "asctime": rf"[A-Z][a-z]{{2}} {_MONTH}  ?{_DAY} {_TIME} {_YEAR}",
    "long": rf"{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}(?:,?(?: at)? {_TIME}{_ZONE})?",
    "dotted": rf"{_DAY}\.(?P<m>[01]?\d)\.{_YEAR}(?:,? {_TIME}{_ZONE})?",
    "slashed": rf"(?P<m>[0-3]?\d)/{_DAY}/{_YEAR}(?:,? {_TIME}{_ZONE})?",
    "clock": rf"{_TIME}",
}
_WHOLE = {style: re.compile(pattern, re.ASCII) for style, pattern in _STYLES.items()}
# For finding them in a text: the same without names, none of which may stand twice.
ANYWHERE = "|".join(
    f"(?P<{style}>{re.sub(r'[(][?]P<[a-z]+>', '(?:', pattern)})"
    for style, pattern in _STYLES.items()
)
_ANY = re.compile(ANYWHERE, re.ASCII).fullmatch
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONES = {
    "Z": 0,
    "UTC": 0,
    "GMT": 0,
    "CET": 1,
    "CEST": 2,
    "BST": 1,
    "EST": -5,
    "EDT": -4,
    "PST": -8,
    "PDT": -7,
}
# Seconds from 2001-09-09 (ten digits) to 2106; as milliseconds too.
_EPOCH = re.compile(r"([1-3]\d{9}|4[0-2]\d{8})(?:(\d{3})|\.(\d{1,9}))?", re.ASCII).fullmatch
_DIGIT = re.compile(r"\d", re.ASCII).search
_LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time as it was written.

    `wall` is what the clock on the wall shows, in seconds since 1970; `zone` how far that clock is
    before UTC (seconds), None where nothing says so. Without `dated` it is a time of any day.
    """

    wall: float
    zone: int | None = None
    dated: bool = True
    fraction: bool = False

    @property
    def seconds(self) -> float:
        """Seconds since 1970; without a zone as if it were UTC."""
        return self.wall - (self.zone or 0)


@lru_cache(maxsize=2048)
def moment(text: str) -> Moment | None:
    """The moment that a whole text spells; None if it spells none."""
    if len(text) > _LONGEST or _DIGIT(text) is None:
        return None
    text = text.strip()
    style = _ANY(text)
    if style is None or style.lastgroup is None:
        return None
    found = _WHOLE[style.lastgroup].fullmatch(text)
    return None if found is None else _read(found.groupdict())


def epoch(value: object) -> Moment | None:
    """The moment of a Unix timestamp: a JSON lexeme (bytes), or a text of digits."""
    text = value.decode("ascii", "replace") if type(value) is bytes else value
    if type(text) is not str or len(text) > _LONGEST:
        return None
    found = _EPOCH(text)
    if found is None:
        return None
    part = found[2] or found[3] or "0"
    return Moment(wall=int(found[1]) + int(part) / 10 ** len(part), zone=0, fraction=bool(found[3]))


def instant(value: object) -> float | None:
    """Seconds since 1970 of a date, a date and time, or a timestamp; None for anything else."""
    found = (moment(value) if type(value) is str else None) or epoch(value)
    return found.seconds if found is not None and found.dated else None


def gap(legacy: Moment, new: Moment) -> float | None:
    """How much later the new one is (seconds); None if they cannot be compared.

    A time of any day has no day to be wrong by: the shorter way round the clock counts. Where only
    one names its zone, the same clock on the wall is the same moment.
    """
    if legacy.dated is not new.dated:
        return None
    if (legacy.zone is None) is not (new.zone is None) and legacy.wall == new.wall:
        return 0.0
    distance = round(new.seconds - legacy.seconds, 6)
    if not legacy.dated:
        distance = (distance + DAY / 2) % DAY - DAY / 2
    return distance


def _read(part: Mapping[str, str | None]) -> Moment | None:
    hour, minute, second = (int(part.get(name) or 0) for name in "his")
    half = (part.get("p") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    if hour > 24 or second > 60:
        return None
    fraction = part.get("f")
    wall = hour * 3600.0 + minute * 60 + second + (float(f"0.{fraction}") if fraction else 0)
    year = part.get("y")
    if year is None:
        return Moment(wall=wall, dated=False, fraction=bool(fraction))
    name = part.get("mon")
    month = _MONTHS.index(name[:3]) + 1 if name else int(part.get("m") or 0)
    day = int(part.get("d") or 0)
    if month > 12:
        # 24/12/2026 can only be the other order.
        month, day = day, month
    days = days_of(int(year), month, day)
    if days is None:
        return None
    return Moment(wall=days * DAY + wall, zone=_zone(part.get("z")), fraction=bool(fraction))


def _zone(text: str | None) -> int | None:
    if not text:
        return None
    if text in _ZONES:
        return _ZONES[text] * 3600
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if text.startswith("-") else seconds
