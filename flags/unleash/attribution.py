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
from flags.unleash.events import Author, Event, author_of
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
        return self._author(change, environment)

    async def complete(self, news: FeedNews, environment: str) -> FeedNews:
        """The same news with who made the change, as far as Unleash can tell; never raises."""
        change = self._changes.get(news.state.revision)
        if news.event or change is None or self._admin is None:
            return news
        try:
            async with asyncio.timeout(_ASKING_SECONDS):
                self._events.extend(reversed(await self._admin.events()))
        except (FlagSourceError, TimeoutError):
            return news
        author = self._author(change, environment)
        return replace(news, who=author.who, event=author.event)

    def _author(self, change: _Change, environment: str) -> Author:
        return author_of(
            self._events, change.flags, environment, after=change.after, upto=change.upto
        )


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
