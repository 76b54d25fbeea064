"""Marks and shares as the fields of one Redis hash, and back.

A field is `rollback:SCOPE` or `percent:SCOPE`; its text is the revision, a blank and a JSON object.
The revision stands outside because Lua would round it inside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from flags.scope import ALL, checked_scope
from flags.shared import NOTHING_SHARED, Mark, Share, SharedChange, SharedState, merge

REVISION: Final = "rev"
# Near 2**53 Lua's numbers begin to leave gaps. The year 2255, in microseconds.
MAX_REVISION: Final = 2**53 - 1024
_ROLLBACK: Final = "rollback:"
_PERCENT: Final = "percent:"
_DIGITS: Final = re.compile("[0-9]{1,16}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The hash as it was read: the state in it, and the very texts, to compare and set."""

    state: SharedState = NOTHING_SHARED
    # What the hash itself says its revision is; 0 when it says none that can be read.
    revision: int = 0
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # Fields that nobody can read.
    damaged: tuple[str, ...] = ()


NO_FIELDS: Final = Fields()


def read_fields(texts: Mapping[str, str]) -> Fields:
    """What a hash says. Fields of kinds that this version does not know are left alone."""
    marks: dict[str, Mark] = {}
    shares: dict[str, Share] = {}
    damaged: list[str] = []
    revision = 0
    for name, text in texts.items():
        try:
            if name == REVISION:
                revision = _revision(text)
                continue
            word = _word(name, text)
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged.append(name)
            continue
        if isinstance(word, Mark):
            marks[word.scope] = word
        elif word is not None:
            shares[word.scope] = word
    newest = max((word.revision for word in _all(marks, shares)), default=0)
    return Fields(
        state=SharedState(
            revision=max(revision, newest),
            marks=MappingProxyType(marks),
            shares=MappingProxyType(shares),
        ),
        revision=revision,
        texts=MappingProxyType(dict(texts)),
        damaged=tuple(sorted(damaged)),
    )


def with_news(fields: Fields, news: Mapping[str, str], revision: int) -> Fields:
    """The fields after a message: per field the newer word, and the later revision."""
    texts = dict(fields.texts)
    for name, text in news.items():
        if not _holds(texts.get(name), name, text):
            texts[name] = text
    texts[REVISION] = str(max(fields.state.revision, revision))
    return read_fields(texts)


def missing(held: SharedState, fields: Fields) -> list[tuple[str, str, str]]:
    """What a store does not know, or knows an older word of: (field, its text there, the newer).

    The text there is empty when there is none.
    """
    wanted = [(_ROLLBACK + scope, _mark_text(mark)) for scope, mark in held.marks.items()]
    wanted += [(_PERCENT + scope, _share_text(share)) for scope, share in held.shares.items()]
    return [
        (name, fields.texts.get(name, ""), text)
        for name, text in wanted
        if not _holds(fields.texts.get(name), name, text)
    ]


def words_of(change: SharedChange, replica: str) -> list[str]:
    """Field, rest of its text, field, rest...: what a change writes, less the revision.

    Raises ValueError for a change that no store may take.
    """
    checked_scope(change.scope)
    if not 0 <= change.revision <= MAX_REVISION:
        raise ValueError(f"revision {change.revision} is outside 0..{MAX_REVISION}")
    words: list[str] = []
    if change.rollback is not None:
        mark = Mark(
            scope=change.scope,
            on=change.rollback,
            revision=0,
            reason=change.reason,
            actor=change.actor,
            replica=replica,
            since=change.since,
        )
        words += [_ROLLBACK + change.scope, _rest(_mark_body(mark))]
    if change.basis_points is not None:
        if change.scope == ALL:
            raise ValueError("a percentage is of one group or route, not of all")
        if not 0 <= change.basis_points <= 10_000:
            raise ValueError(f"basis points are 0..10000, got {change.basis_points}")
        share = Share(
            scope=change.scope,
            basis_points=change.basis_points,
            revision=0,
            actor=change.actor,
            replica=replica,
        )
        words += [_PERCENT + change.scope, _rest(_share_body(share))]
    if not words:
        raise ValueError("a change says a rollback, a percentage or both; this one says neither")
    return words


def told_first(state: SharedState, since: int) -> set[str]:
    """The replicas that were told of what is newer than the revision `since`."""
    words = _all(state.marks, state.shares)
    return {word.replica for word in words if word.revision > since and word.replica}


def _all(marks: Mapping[str, Mark], shares: Mapping[str, Share]) -> Iterator[Mark | Share]:
    yield from marks.values()
    yield from shares.values()


def _holds(text: str | None, name: str, other: str) -> bool:
    """Whether `text` is at least as new a word as `other`; what nobody can read is not."""
    if text == other:
        return True
    try:
        here, there = _word(name, text or ""), _word(name, other)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    if isinstance(here, Mark) and isinstance(there, Mark):
        both = merge(_only(here), _only(there))
        return both.marks[here.scope] == here
    if isinstance(here, Share) and isinstance(there, Share):
        both = merge(_only(here), _only(there))
        return both.shares[here.scope] == here
    return False


def _only(word: Mark | Share) -> SharedState:
    if isinstance(word, Mark):
        return SharedState(revision=word.revision, marks={word.scope: word})
    return SharedState(revision=word.revision, shares={word.scope: word})


@lru_cache(maxsize=4096)
def _word(name: str, text: str) -> Mark | Share | None:
    kind, _, scope = name.partition(":")
    if kind not in ("rollback", "percent"):
        return None
    revision, _, rest = text.partition(" ")
    body: Any = json.loads(rest)
    if kind == "rollback":
        if not isinstance(body["on"], bool):
            raise ValueError("on is neither true nor false")
        return Mark(
            scope=checked_scope(scope),
            on=body["on"],
            revision=_revision(revision),
            reason=str(body.get("reason", "")),
            actor=str(body.get("actor", "")),
            replica=str(body.get("replica", "")),
            since=float(body.get("since", 0.0)),
        )
    basis_points = body["basis_points"]
    if type(basis_points) is not int or not 0 <= basis_points <= 10_000:
        raise ValueError("basis points are 0..10000")
    if scope == ALL:
        raise ValueError("a percentage is of one group or route")
    return Share(
        scope=checked_scope(scope),
        basis_points=basis_points,
        revision=_revision(revision),
        actor=str(body.get("actor", "")),
        replica=str(body.get("replica", "")),
    )


def _revision(text: str) -> int:
    if not _DIGITS(text) or int(text) > MAX_REVISION:
        raise ValueError(f"{text!r} is no revision")
    return int(text)


def _mark_text(mark: Mark) -> str:
    return f"{mark.revision} {_rest(_mark_body(mark))}"


def _share_text(share: Share) -> str:
    return f"{share.revision} {_rest(_share_body(share))}"


def _mark_body(mark: Mark) -> dict[str, object]:
    return {
        "on": mark.on,
        "reason": mark.reason,
        "actor": mark.actor,
        "replica": mark.replica,
        "since": mark.since,
    }


def _share_body(share: Share) -> dict[str, object]:
    return {
        "basis_points": share.basis_points,
        "actor": share.actor,
        "replica": share.replica,
    }


def _rest(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"))
