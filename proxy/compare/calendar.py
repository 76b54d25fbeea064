"""Days and seconds since 1970 without a clock: the proleptic Gregorian calendar as arithmetic."""

from __future__ import annotations

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_TO_1970 = 719_468
_DAYS_IN_400_YEARS = 146_097


def is_leap(year: int) -> bool:
    """Whether a year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_of(year: int, month: int, day: int) -> int | None:
    """Days from 1970-01-01; None where there is no such day.

    Counted from 1 March, so that the leap day is the last of its year (H. Hinnant,
    "chrono-compatible low-level date algorithms", days_from_civil).
    """
    if not (1 <= year <= 9999 and 1 <= month <= 12):
        return None
    if not 1 <= day <= _LENGTHS[month - 1] + (month == 2 and is_leap(year)):
        return None
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_IN_400_YEARS + day_of_era - _DAYS_TO_1970
