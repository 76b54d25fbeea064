"""Why two moments differ: a constant offset, two clocks, or only how they are written."""

from __future__ import annotations

from functools import lru_cache

from proxy.compare.inference import NOTHING, Inference
from proxy.compare.moments import DAY, Moment, gap
from proxy.compare_policy import Severity

# Offsets of timezones are multiples of a quarter of an hour (IANA time zone database).
_QUARTER = 900
# From -12 h to +14 h between two zones, twice where an offset is applied the wrong way round.
_FARTHEST = 2 * 26 * 3600
# A wrong timezone on a moment that is read twice, one after the other.
_SLACK = 5.0


def infer_moments(legacy: Moment, new: Moment) -> Inference:
    """The cause of two moments that are not written alike."""
    distance = gap(legacy, new)
    if distance is None:
        return NOTHING
    if distance == 0:
        return Inference("date_format", "the same moment, written in another way")
    if legacy.fraction is not new.fraction and abs(distance) < 1:
        return Inference("date_precision", "parts of a second are cut off or added", Severity.MINOR)
    quarters = round(distance / _QUARTER) * _QUARTER
    if quarters and abs(distance - quarters) <= _SLACK and abs(quarters) <= _FARTHEST:
        return _offset(quarters)
    return _SKEW if abs(distance) < _QUARTER else NOTHING


_SKEW = Inference("clock_skew", "the moments are less than a quarter of an hour apart")


@lru_cache(maxsize=256)
def _offset(seconds: int) -> Inference:
    return Inference(
        f"offset:{seconds:+d}s",
        f"the new side is {_span(abs(seconds))} {'later' if seconds > 0 else 'earlier'},"
        " as with a wrong or doubled timezone",
    )


def _span(seconds: int) -> str:
    if seconds % DAY == 0:
        count, unit = seconds // DAY, "day"
    elif seconds % 3600 == 0:
        count, unit = seconds // 3600, "hour"
    else:
        count, unit = seconds // 60, "minute"
    return f"{count} {unit}{'' if count == 1 else 's'}"
