"""Events of Unleash: who changed which flag, read from its webhook and its event log. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

# Texts of strangers, on their way into log and audit.
_LONGEST: Final = 200
_NAMED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. Its id is the revision that the change got."""

    id: int
    # Such as feature-environment-disabled.
    kind: str
    # The user name or e-mail address of who did it, as Unleash knows it.
    who: str
    # Empty: not of one flag, such as a change of a segment.
    flag: str = ""
    # Empty: of all environments.
    environment: str = ""

    def concerns(self, flags: Iterable[str], environment: str) -> bool:
        """Whether it may have changed one of these flags in this environment."""
        if self.environment and environment and self.environment != environment:
            return False
        return self.kind.startswith("segment-") if not self.flag else self.flag in flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who is behind a change, and which events say so; empty: unknown."""

    who: str = ""
    event: str = ""


def read_event(value: object) -> Event | None:
    """One event out of parsed JSON; None when it is none."""
    if not isinstance(value, dict):
        return None
    number = value.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        return None
    return Event(
        id=number,
        kind=_text(value, "type"),
        who=_text(value, "createdBy"),
        flag=_text(value, "featureName"),
        environment=_text(value, "environment"),
    )


def parse_event(body: bytes) -> Event | None:
    """The event that a webhook was sent; None for a body of the user's own template."""
    try:
        return read_event(json.loads(body))
    except (ValueError, RecursionError):
        return None


def author_of(
    events: Iterable[Event], flags: Iterable[str], environment: str, *, after: int, upto: int
) -> Author:
    """Who made the changes between two revisions of Unleash, by the events that are known."""
    names = frozenset(flags)
    return _authored(
        event for event in events if after < event.id <= upto and event.concerns(names, environment)
    )


def late_event(
    events: Iterable[Event], flags: Iterable[str], environment: str, *, beyond: int
) -> Event | None:
    """The next event of one of the flags beyond a revision.

    Unleash counts its revision up to a second late: an answer may hold a change beyond the revision
    it tells. Where the event log has nothing up to that revision, this was the change.
    """
    names = frozenset(flags)
    following = (
        event
        for event in events
        if event.id > beyond and event.flag and event.concerns(names, environment)
    )
    return min(following, key=lambda event: event.id, default=None)


def author_of_one(event: Event) -> Author:
    """Who made the change that this one event tells of."""
    return _authored((event,))


def _authored(events: Iterable[Event]) -> Author:
    found = {event.id: event for event in events}
    ordered = [found[number] for number in sorted(found)]
    who = dict.fromkeys(event.who for event in ordered if event.who)
    return Author(who=_listed(list(who)), event=_listed([f"{event.id}" for event in ordered]))


def _listed(texts: list[str]) -> str:
    return ", ".join(texts[-_NAMED:])


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found[:_LONGEST] if isinstance(found, str) else ""
