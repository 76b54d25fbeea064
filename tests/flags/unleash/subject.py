"""A subject to ask rules about: a context of Unleash, as its SDKs take one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flags.unleash.context import Context
from flags.unleash.operators import read_moment

Subject = dict[str, Any]

# Stands for the hash of nobody in particular that SDKs take where they have no id.
NOBODY: Final = "nobody"


def _field(name: str) -> Callable[[Subject], str | None]:
    if name in ("userId", "sessionId", "remoteAddress"):
        return lambda subject: subject.get(name)
    return lambda subject: (subject.get("properties") or {}).get(name)


def _key(subject: Subject) -> str:
    return subject.get("userId") or subject.get("sessionId") or NOBODY


def _moment(subject: Subject) -> float:
    moment = read_moment(subject.get("currentTime", "2026-11-22T19:00:00Z"))
    assert moment is not None
    return moment


CONTEXT: Final[Context[Subject]] = Context(field=_field, key=_key, moment=_moment)
