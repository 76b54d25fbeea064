"""One place in a JSON document: `$.items[0].name`. For expectations and captures.

The grammar is that of comparison rules; a rule's path may stand for many places, this one may not.
"""

from __future__ import annotations

from typing import Any, Final

from proxy.compare.paths import PathError, Take, parse

ABSENT: Final = object()


def parse_json_path(path: str) -> tuple[str | int, ...]:
    """Members and indices from the root. Raises PathError."""
    keys: list[str | int] = []
    for step in parse(path):
        if step.deep or step.take not in (Take.MEMBER, Take.INDEX):
            raise PathError(f"stands for many places, name one, such as $.items[0].price: {path!r}")
        keys.append(step.name if step.take is Take.MEMBER else step.index)
    return tuple(keys)


def look_up(document: Any, path: str) -> Any:
    """The value at a path, or ABSENT. Raises PathError."""
    value = document
    for key in parse_json_path(path):
        match value:
            case dict() if key in value:
                value = value[key]
            case list() if isinstance(key, int) and key < len(value):
                value = value[key]
            case _:
                return ABSENT
    return value


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1 here, and 1 is 1.0."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return one is other
        case dict(), dict():
            return one.keys() == other.keys() and all(same_json(one[k], other[k]) for k in one)
        case list(), list():
            return len(one) == len(other) and all(map(same_json, one, other))
        case _:
            return bool(one == other)
