"""How the fields that rules ask for are read from a request, whatever a request is. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Subject = TypeVar("Subject")

# What a hash is of when the flag leaves it to the route.
KEY_OF_THE_ROUTE: Final = frozenset({"default", "random"})
# The field that is a time, and the operators that ask for it.
CURRENT_TIME: Final = "currentTime"
DATE_OPERATORS: Final = frozenset({"DATE_AFTER", "DATE_BEFORE"})


class UnclearField(Exception):
    """Readers of this request disagree about a field. Ends an evaluation: the rule says no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[Subject]):
    """The readers of a subject. They return None where it has no value, or raise `UnclearField`."""

    # The reader of a field; None for one that nobody has said how to read.
    field: Callable[[str], Callable[[Subject], str | None] | None]
    # What keeps a client on one side.
    key: Callable[[Subject], str | None]
    # When it came, in seconds since the epoch.
    moment: Callable[[Subject], float]
    # `key` gives every subject one, and asking may have a price: the client's first cookie.
    always_keyed: bool = False

    def hashed(self, stickiness: str) -> Callable[[Subject], str | None] | None:
        """The reader of what a hash is of."""
        return self.key if stickiness in KEY_OF_THE_ROUTE else self.field(stickiness)
