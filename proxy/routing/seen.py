"""Answers given before: which route a method and a path lead to, where nothing else is asked."""

from __future__ import annotations

from typing import Final

from proxy.routing.compiled import CompiledRoute
from proxy.routing.facts import RequestFacts

# Paths remembered, twice: those of late, and those before them.
_GENERATION: Final = 4096
# A path beyond this is not worth the memory.
_LONGEST: Final = 256

Key = tuple[str, str]


class Witness:
    """Facts that note whether anything but method and path was asked.

    A search that asked for nothing else will end the same for every request with that method and
    path: matching is pure.
    """

    __slots__ = ("_facts", "asked", "method", "path")

    def __init__(self, facts: RequestFacts) -> None:
        self._facts = facts
        self.method = facts.method
        self.path = facts.path
        self.asked = False

    @property
    def host(self) -> str:
        """See `RequestFacts.host`."""
        self.asked = True
        return self._facts.host

    @property
    def query(self) -> str:
        """See `RequestFacts.query`."""
        self.asked = True
        return self._facts.query

    @property
    def has_query(self) -> bool:
        """See `RequestFacts.has_query`."""
        self.asked = True
        return self._facts.has_query

    @property
    def client_ip(self) -> str:
        """See `RequestFacts.client_ip`."""
        self.asked = True
        return self._facts.client_ip

    @property
    def moment(self) -> float:
        """See `RequestFacts.moment`."""
        self.asked = True
        return self._facts.moment

    @property
    def answers(self) -> None:
        """See `RequestFacts.answers`."""
        return None

    def header(self, name: str) -> str | None:
        """See `RequestFacts.header`."""
        self.asked = True
        return self._facts.header(name)

    def cookie(self, name: str) -> str | None:
        """See `RequestFacts.cookie`."""
        self.asked = True
        return self._facts.cookie(name)

    def device_id(self) -> str:
        """See `RequestFacts.device_id`."""
        self.asked = True
        return self._facts.device_id()


class Seen:
    """A bounded memory of one table. Forgetting costs a search, never a wrong answer."""

    __slots__ = ("_before", "_of_late")

    def __init__(self) -> None:
        self._of_late: dict[Key, CompiledRoute] = {}
        self._before: dict[Key, CompiledRoute] = {}

    def get(self, key: Key) -> CompiledRoute | None:
        """The route that this method and path led to, if that is remembered."""
        found = self._of_late.get(key)
        if found is None and self._before:
            found = self._before.get(key)
            if found is not None:
                self._keep(key, found)
        return found

    def note(self, witness: Witness, found: CompiledRoute) -> None:
        """Remember an answer that depended on method and path alone."""
        if not witness.asked and len(witness.path) <= _LONGEST:
            self._keep((witness.method, witness.path), found)

    def _keep(self, key: Key, found: CompiledRoute) -> None:
        if len(self._of_late) >= _GENERATION:
            self._before = self._of_late
            self._of_late = {}
        self._of_late[key] = found
