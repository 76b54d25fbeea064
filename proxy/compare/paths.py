"""Paths into a body: their grammar, and how places are written as patterns.

`$.a.b`, `$.items[*].x`, `$.items[0]`, `$..price`, `$.stock.*.x`, `$.stock{*}.x`, `$['two words']`.
`.*` is any member or element, `{*}` any member of an object used as a map, `[*]` any element.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from proxy.compare.secrets import redacted_text


class PathError(ValueError):
    """A path that cannot be read; the text says what is wrong and where."""


class Take(Enum):
    """What a step takes."""

    MEMBER = auto()
    INDEX = auto()
    ANY_MEMBER = auto()
    ANY_ELEMENT = auto()
    ANY = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path. `deep`: at this level or any below (`..`)."""

    take: Take
    name: str = ""
    index: int = 0
    deep: bool = False


_NAME = re.compile(r"[^\W\d][\w$-]*|\d[\w-]*", re.ASCII)
_PLAIN = re.compile(r"(?:[^\W\d]|[$])[\w$-]*", re.ASCII).fullmatch
_WIDE_NAME = re.compile(r"""[^\s.\[\]{}*'"]+""")
_INDEX = re.compile(r"\[(\d{1,9})\]")
_QUOTED = re.compile(r"""\[\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*\]""")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse(path: str) -> tuple[Step, ...]:
    """The steps of a path that begins with `$`; raises `PathError`."""
    if not path.startswith("$"):
        raise PathError("a path into JSON begins with $")
    steps: list[Step] = []
    position = 1
    while position < len(path):
        deep = path.startswith("..", position)
        dotted = deep or path[position] == "."
        position += 2 if deep else 1 if dotted else 0
        step, position = _step(path, position, dotted=dotted, deep=deep)
        steps.append(step)
    return tuple(steps)


def _step(path: str, position: int, *, dotted: bool, deep: bool) -> tuple[Step, int]:
    rest = path[position : position + 3]
    if rest == "[*]" and (deep or not dotted):
        return Step(Take.ANY_ELEMENT, deep=deep), position + 3
    if rest == "{*}" and (deep or not dotted):
        return Step(Take.ANY_MEMBER, deep=deep), position + 3
    if not dotted or deep:
        if found := _INDEX.match(path, position):
            return Step(Take.INDEX, index=int(found[1]), deep=deep), found.end()
        if found := _QUOTED.match(path, position):
            quoted = found[1] if found[1] is not None else found[2]
            return Step(Take.MEMBER, _ESCAPED.sub(r"\1", quoted), deep=deep), found.end()
    if dotted:
        if rest.startswith("*"):
            return Step(Take.ANY, deep=deep), position + 1
        if found := _WIDE_NAME.match(path, position):
            return Step(Take.MEMBER, found[0], deep=deep), found.end()
    where = f"at character {position + 1} of {path!r}"
    if position >= len(path):
        raise PathError(f"it ends after a dot: {path!r}")
    raise PathError(f"expected .name, ..name, .*, [*], {{*}}, [0] or ['name'] {where}")


def member(path: str, name: str) -> str:
    """The path of a member: `$.a` and `b` give `$.a.b`, `two words` is quoted."""
    return path + member_step(name)


# Members of one answer have the same names again and again.
@lru_cache(maxsize=4096)
def member_step(name: str) -> str:
    """What a member adds to a path: `.b`, `['two words']`, `{*}` for a name that is a secret."""
    if _PLAIN(name):
        return f".{name}"
    if redacted_text(name) != name:
        # Whoever keeps things by e-mail address uses a map.
        return "{*}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"


_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_ID_KEY = re.compile(
    # Numbers, dates, UUIDs, hex digests, and words with a number behind a separator: `sku-1042`.
    rf"-?\d+(?:[-_:./]\d+)*|{_UUID}|(?=[a-fA-F]*\d)[0-9a-fA-F]{{8,}}|[A-Za-z]{{1,16}}[-_:#]\d+",
    re.ASCII,
).fullmatch
# Beyond so many members of one shape nobody wrote the names by hand.
MANY = 16


@lru_cache(maxsize=4096)
def looks_like_id(name: str) -> bool:
    """Whether a member's name looks made, not chosen: a number, a UUID, a digest, `sku-1042`."""
    return len(name) <= 128 and _ID_KEY(name) is not None


def is_map(*objects: dict[str, object]) -> bool:
    """Whether objects are used as maps: all names look like ids, or many values have one shape."""
    for members in objects:
        for name in members:
            if not looks_like_id(name):
                return max(map(len, objects)) >= MANY and all(map(_one_shape, objects))
    return any(objects)


def _one_shape(members: dict[str, object]) -> bool:
    shapes: set[object] = set()
    for value in members.values():
        shapes.add(frozenset(value) if isinstance(value, dict) else type(value))
        if len(shapes) > 1:
            return False
    # Many texts beside each other are as likely to be a form; objects and numbers are entries.
    return bool(shapes) and shapes.isdisjoint({str, bool, type(None)})
