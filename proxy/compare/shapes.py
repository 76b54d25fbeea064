"""The shape of a value: what generated values of one kind have in common."""

from __future__ import annotations


def same_shape(legacy: object, new: object) -> bool:
    """Whether both are of one kind: uuid, hex of one length, ISO time, integer, same characters."""
    return False
