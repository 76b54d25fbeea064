"""What Redis is known to hold: whole reads and messages put together, in whatever order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flags.redis.counts import RedisCounts
from flags.redis.words import NO_FIELDS, REVISION, Fields, missing, read_fields, with_news
from flags.shared import SharedState


class Sight:
    """The hash as it was last seen. Tells the state whenever it saw something."""

    def __init__(self, tell: Callable[[SharedState, bool], None], counts: RedisCounts) -> None:
        """`tell` gets the state, and whether nothing before it is missing."""
        self._tell = tell
        self._counts = counts
        self.fields: Fields = NO_FIELDS
        # Whether anything was read at all.
        self.open = False
        # Something may have been missed: read everything.
        self.doubtful = True
        # The newest revision that a message brought.
        self.told = 0
        # Messages and answers to writes so far, so that a read knows whether one came in between.
        self.heard = 0

    def agrees(self, revision: bytes | None) -> bool:
        """Whether this is the revision of what is in sight."""
        return self.open and (revision or b"").decode() == self.fields.texts.get(REVISION, "")

    def falls_back(self, answer: Mapping[str, str]) -> bool:
        """Whether a read lacks what is in sight, or holds an older word of it."""
        return bool(missing(self.fields.state, read_fields(answer)))

    def besides(self, answer: Mapping[str, str], *, heard: int) -> None:
        """Everything the hash holds, as a connection says that may lead to another server.

        What it lacks is not taken for lost, and is looked for.
        """
        if self.falls_back(answer):
            self.doubtful = True
            self._see(with_news(self.fields, answer, read_fields(answer).revision))
        else:
            self.whole(answer, heard=heard)
        # A read that was asked for before may be answered after.
        self.heard += 1

    def whole(self, answer: Mapping[str, str], *, heard: int) -> None:
        """Everything the hash holds; `heard` is what `heard` was when it was asked for."""
        fields = read_fields(answer)
        late = heard != self.heard and fields.state.revision < self.fields.state.revision
        # A message overtook the answer, which is of before: what it lacks is not lost.
        self.doubtful = late
        if late:
            return
        self._counts.damaged += len(set(fields.damaged) - set(self.fields.damaged))
        self._see(fields)

    def news(self, before: str, revision: str, words: list[str]) -> None:
        """A message: what came before it, its revision, and field, text, field, text...

        Raises ValueError for what is no message.
        """
        news = dict(zip(words[::2], words[1::2], strict=True))
        number = int(revision)
        self.heard += 1
        self.told = max(self.told, number)
        known = self.fields.texts.get(REVISION, "0")
        # Our own write, or what a read has brought already.
        if self.fields.state.revision >= number and all(
            self.fields.texts.get(name) == text for name, text in news.items()
        ):
            return
        if before != known:
            self._counts.gaps += 1
            self.doubtful = True
        self._see(with_news(self.fields, news, number))

    def _see(self, fields: Fields) -> None:
        self.fields = fields
        self.open = True
        self._tell(fields.state, not self.doubtful)


def texts_of(answer: list[bytes]) -> dict[str, str]:
    """The answer of HGETALL."""
    texts = [each.decode("utf-8", "replace") for each in answer]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def parse_message(data: bytes) -> list[str]:
    """A message of the bell: its kind and its texts. Raises ValueError."""
    message: Any = json.loads(data)
    if not isinstance(message, list) or not message:
        raise ValueError("no list")
    if not all(isinstance(each, str) for each in message):
        raise ValueError("not all of it is text")
    return message
