"""Durations, percentages and sizes as people write them: `500ms`, `10%`, `256KiB`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from proxy.config.yaml_scalar import quoted

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_SECONDS = 400 * 86400.0
_PERCENT = re.compile(r"([-+]?[0-9]{1,12}(?:\.[0-9]{1,9})?) ?%")
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def show(value: object) -> str:
    """Name a value in a message, as it would stand in the file."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "a list" if isinstance(value, list) else "a mapping"


def duration(value: object) -> float:
    """Read a duration; returns seconds. A bare 0 needs no unit."""
    if type(value) in (int, float) and value == 0:
        return 0.0
    if type(value) in (int, float):
        raise ValueError(f"must be a duration with its unit such as {value}s, got {value}")
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a duration such as 500ms, 2s, 5m, 1h or 400d, got {show(value)}")
    seconds = round(float(match[1]) * _SECONDS[match[2]], 6)
    if seconds > MAX_SECONDS:
        raise ValueError(f"must be at most 400d, got {value}")
    return seconds


def positive_duration(value: object) -> float:
    """Read a duration that may not be zero; returns seconds."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError(f"must be longer than nothing, got {show(value)}")
    return seconds


def recall(value: object) -> float | None:
    """Read `on_rollback`: keep, close or drain with a duration; returns seconds, None for keep."""
    if value == "keep":
        return None
    if value == "close":
        return 0.0
    if isinstance(value, str) and value.startswith("drain "):
        return positive_duration(value.removeprefix("drain ").strip())
    raise ValueError(
        f"must be keep, close or drain with a time such as drain 30s, got {show(value)}"
    )


def seconds(value: object) -> float:
    """Read a duration for a key whose name says seconds: the unit may be left out."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= MAX_SECONDS:
            raise ValueError(f"must be between 0 and 400d, got {value}")
        return float(value)
    return duration(value)


def percent(value: object) -> float:
    """Read a percentage, with its sign or as a number; returns 0..100."""
    number: float | None = None
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value)
        number = float(match[1]) if match else None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if number is None:
        raise ValueError(f"must be a percentage such as 10% or 0.5%, got {show(value)}")
    if not 0 <= number <= 100:
        raise ValueError(f"must be between 0% and 100%, got {_bare(value)}")
    return number


def step_percent(value: object) -> float:
    """Read a percentage that a bucket can be held against: 0..100 in steps of 0.01."""
    number = percent(value)
    if abs(number * 100 - round(number * 100)) > 1e-6:
        raise ValueError(f"must be a whole multiple of 0.01%, got {_bare(value)}")
    return round(number, 2)


def share(value: object) -> float:
    """Read a percentage; returns 0..1."""
    return round(percent(value) / 100, 9)


def rate(value: object) -> float:
    """Read a share that people write both ways: `0.1%`, or `0.001`; returns 0..1.

    A bare number is a share and lies below one: `1` could be 1 % or everything.
    """
    if isinstance(value, str):
        return share(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"must be a percentage such as 10% or 0.5%, got {show(value)}")
    if not 0 <= value < 1:
        raise ValueError(
            f"must be a percentage with its sign such as 5%, or a share below one such as 0.05, "
            f"got {value}"
        )
    return float(value)


def positive_rate(value: object) -> float:
    """Read a rate that is more than nothing; returns 0..1."""
    number = rate(value)
    if not number:
        raise ValueError(f"must be more than 0%, got {_bare(value)}")
    return number


def amount(value: object) -> Decimal:
    """Read a number more than nothing, exactly as its digits stand there."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"must be a number, got {show(value)}")
    # The shortest digits that are this float are the ones in the file.
    number = Decimal(repr(value))
    if number <= 0:
        raise ValueError(f"must be more than 0, got {value}")
    return number


def part(value: object) -> Decimal:
    """Read a rate that is more than nothing, exactly as its digits stand there; 0..1."""
    positive_rate(value)
    if isinstance(value, str):
        return Decimal(value.replace("%", "").strip()) / 100
    return Decimal(repr(value))


def size(value: object) -> int:
    """Read a size; a plain number is bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"must not be negative, got {value}")
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a size such as 8190, 256KiB, 16MiB or 2GiB, got {show(value)}")
    return int(match[1]) * _BYTES[match[2]]


def _bare(value: object) -> str:
    return value[:40] if isinstance(value, str) else str(value)


def show_duration(seconds: float) -> str:
    """Write seconds the shortest way that the file accepts."""
    for unit in ("d", "h", "m", "s"):
        count = seconds / _SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    if not seconds:
        return "0s"
    count, unit = (seconds, "s") if seconds >= 1 else (seconds * 1000, "ms")
    return f"{count:.6f}".rstrip("0").rstrip(".") + unit


def show_seconds(seconds: float) -> str | float:
    """Write the value of a key whose name says seconds: days as days, the rest as a number."""
    if seconds and seconds % _SECONDS["d"] == 0:
        return show_duration(seconds)
    return int(seconds) if seconds == int(seconds) else seconds


def show_size(size: int) -> str | int:
    """Write a size with the largest unit that divides it."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return size


def show_percent(number: float) -> str:
    """Write 0..100 with its sign."""
    return f"{number:g}%"


# The unit stands in the JSON schema until the defaults have been written in it.
UNIT = "x-unit"
_DURATION_TEXT = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}
_PERCENT_TEXT = {"type": "string", "pattern": r"^\+?[0-9]+(\.[0-9]+)? ?%$"}
_SIZE_TEXT = {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$"}
_HUNDRED = {"type": "number", "minimum": 0, "maximum": 100}

Duration = Annotated[
    float,
    BeforeValidator(duration),
    WithJsonSchema({UNIT: "duration", "anyOf": [_DURATION_TEXT, {"const": 0}]}),
]
PositiveDuration = Annotated[
    float,
    BeforeValidator(positive_duration),
    WithJsonSchema({UNIT: "duration", **_DURATION_TEXT}),
]
Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    WithJsonSchema({UNIT: "seconds", "anyOf": [{"type": "number", "minimum": 0}, _DURATION_TEXT]}),
]
Recall = Annotated[
    float | None,
    BeforeValidator(recall),
    WithJsonSchema(
        {
            UNIT: "recall",
            "anyOf": [
                {"enum": ["keep", "close"]},
                {"type": "string", "pattern": r"^drain +[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"},
            ],
        }
    ),
]
StepPercent = Annotated[
    float,
    BeforeValidator(step_percent),
    WithJsonSchema({UNIT: "percent", "anyOf": [_HUNDRED, _PERCENT_TEXT]}),
]
Share = Annotated[
    float,
    BeforeValidator(share),
    WithJsonSchema({UNIT: "share", "anyOf": [_HUNDRED, _PERCENT_TEXT]}),
]
_BELOW_ONE = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_SOME_BELOW_ONE = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
Rate = Annotated[
    float,
    BeforeValidator(rate),
    WithJsonSchema({UNIT: "share", "anyOf": [_PERCENT_TEXT, _BELOW_ONE]}),
]
PositiveRate = Annotated[
    float,
    BeforeValidator(positive_rate),
    WithJsonSchema({UNIT: "share", "anyOf": [_PERCENT_TEXT, _SOME_BELOW_ONE]}),
]
Amount = Annotated[
    Decimal,
    BeforeValidator(amount),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
Part = Annotated[
    Decimal,
    BeforeValidator(part),
    WithJsonSchema({"anyOf": [_PERCENT_TEXT, _SOME_BELOW_ONE]}),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({UNIT: "size", "anyOf": [{"type": "integer", "minimum": 0}, _SIZE_TEXT]}),
]
