"""Hashes of JSON values that tell which elements of two arrays to look at together."""

from __future__ import annotations

from proxy.compare.json_text import Json
from proxy.compare.rule_tree import RuleNode

_EMPTY = hash(())
_ANY = hash(("any",))
# Longer numbers are hashed as they are written.
_SHORT = 40


class Digests:
    """The hashes of one walk. A container is hashed once, however many levels ask for it.

    Equal values have equal hashes, and values that rules or spelling make equal mostly do too. A
    collision costs a worse pairing of elements, no more.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # By id: both trees live as long as the walk.
        self._known: dict[int, int] = {}

    def of(self, value: Json, node: RuleNode) -> int:
        """The hash of a value at a place."""
        if node.lenient:
            return _ANY
        if type(value) is dict or type(value) is list:
            if not value:
                return _EMPTY
            known = self._known.get(id(value))
            if known is None:
                known = self._known[id(value)] = self._container(value, node)
            return known
        if type(value) is bytes and len(value) < _SHORT and b"." in value:
            # 10 and 10.0; a text with these characters has the same hash, which does no harm.
            return hash(value.rstrip(b"0").rstrip(b"."))
        return hash(value)

    def _container(self, value: Json, node: RuleNode) -> int:
        of = self.of
        if isinstance(value, dict):
            return hash(
                frozenset([(name, of(inner, node.member(name))) for name, inner in value.items()])
            )
        assert isinstance(value, list)
        return hash(tuple([of(inner, node.element(i)) for i, inner in enumerate(value)]))
