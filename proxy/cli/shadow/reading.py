"""Answers of the admin API back into the typed values that they were made of."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, cast

from proxy.cli.output import UNUSABLE, Failure

Value = TypeVar("Value")


def read_as(kind: type[Value], answer: object) -> Value:
    """Read JSON as a frozen value. Keys that it does not know are left out.

    Raises Failure: the running figway is of another version and means something else.
    """
    try:
        return cast(Value, _read(kind, answer))
    except (TypeError, ValueError, KeyError) as error:
        raise Failure(
            UNUSABLE,
            f"the running figway answers in another form ({str(error)[:200]}): is it of the same"
            " version as this command?",
        ) from None


def _read(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _record(cast(type, kind), value)
    if origin in (typing.Union, types.UnionType):
        return _one_of(typing.get_args(kind), value)
    if origin is tuple:
        return _tuple(typing.get_args(kind), value)
    if origin is not None and issubclass(origin, Mapping):
        key, item = typing.get_args(kind)
        return {_read(key, k): _read(item, v) for k, v in value.items()}
    if kind is float:
        # JSON has no infinity: it is sent as null.
        return math.inf if value is None else float(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is object or isinstance(value, kind):
        return value
    raise TypeError(f"{value!r} is no {kind.__name__}")


def _record(kind: type, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{kind.__name__} is no object")
    hints = _hints(kind)
    given = {}
    for item in dataclasses.fields(kind):
        if item.name in value:
            given[item.name] = _read(hints[item.name], value[item.name])
    return kind(**given)


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in kinds:
        return None
    return _read(next(kind for kind in kinds if kind is not type(None)), value)


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], each) for each in value)
    return tuple(_read(kind, each) for kind, each in zip(kinds, value, strict=True))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
