"""Who changed flags: what differs between two answers, and whose events of Unleash that was."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from flags.feed import FeedNews
from flags.provider import FlagSourceError
from flags.unleash.admin_api import AdminApi
from flags.unleash.answers import Held
from flags.unleash.events import Author, Event, author_of, author_of_one, late_event
from flags.unleash.flag_state import our_flags

_ASKING_SECONDS: Final = 2.0
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class _Change:
    """Between which of Unleash's revisions something changed, and on which flags."""

    after: int
    upto: int
    flags: frozenset[str]


class Attribution:
    """The events heard of, and the changes that they may be of."""

    def __init__(self, admin: AdminApi | None) -> None:
        """`admin` is asked for events that were not heard of; None: nobody can be."""
        self._admin = admin
        self._events: deque[Event] = deque(maxlen=_REMEMBERED)
        # By our own revision.
        self._changes: dict[int, _Change] = {}
        # Events whose change came before Unleash counted them: it is not in the next one again.
        self._early: deque[int] = deque(maxlen=_REMEMBERED)

    def heard(self, event: Event) -> None:
        """Remember an event that the webhook told of."""
        self._events.append(event)

    def author_of(self, before: Held | None, now: Held, environment: str) -> Author:
        """Who made `now` of `before`, by the events heard of; the change is remembered."""
        change = _change(before, now)
        if change is None:
            return Author()
        self._changes[now.state.revision] = change
        while len(self._changes) > _REMEMBERED:
            del self._changes[next(iter(self._changes))]
        author = self._author(change, environment)
        # Without a log there is only what was heard; a revision that stood still was surely late.
        if not author.event and self._admin is None and change.after == change.upto:
            return self._late_author(change, environment)
        return author

    async def complete(self, news: FeedNews, environment: str) -> FeedNews:
        """The same news with who made the change, as far as Unleash can tell; never raises."""
        change = self._changes.get(news.state.revision)
        if news.event or change is None or self._admin is None:
            return news
        try:
            async with asyncio.timeout(_ASKING_SECONDS):
                log = await self._admin.events()
        except (FlagSourceError, TimeoutError):
            return news
        self._events.extend(reversed(log))
        author = self._author(change, environment)
        # A log that begins later may lack the event that it was.
        if not author.event and any(event.id <= change.upto for event in log):
            author = self._late_author(change, environment)
        return replace(news, who=author.who, event=author.event)

    def _author(self, change: _Change, environment: str) -> Author:
        events = (event for event in self._events if event.id not in self._early)
        return author_of(events, change.flags, environment, after=change.after, upto=change.upto)

    def _late_author(self, change: _Change, environment: str) -> Author:
        events = (event for event in self._events if event.id not in self._early)
        event = late_event(events, change.flags, environment, beyond=change.upto)
        if event is None:
            return Author()
        self._early.append(event.id)
        return author_of_one(event)


def _change(before: Held | None, now: Held) -> _Change | None:
    """What to ask the events for; None where nothing was held before."""
    if before is None:
        return None
    rules, old = now.features.rules, before.features.rules
    ours = our_flags(before.features) | our_flags(now.features)
    changed = {name for name in ours if old.get(name) != rules.get(name)}
    parents = {
        parent.flag
        for name in changed
        for parent in (
            *(old[name].parents if name in old else ()),
            *(rules[name].parents if name in rules else ()),
        )
    }
    return _Change(before.features.revision, now.features.revision, frozenset(changed | parents))
