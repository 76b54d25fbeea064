"""The shape of a value: what generated values of one kind have in common."""

from __future__ import annotations

import re

from proxy.compare.moments import moment

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch
_HEX = re.compile(r"[0-9a-f]{8,}|[0-9A-F]{8,}").fullmatch
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII).fullmatch
# What ids, nonces and base64 are written in.
_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII).fullmatch


def same_shape(legacy: object, new: object) -> bool:
    """Whether both are of one kind.

    The kinds: uuid, a moment, an integer, a number with a point, hex digits of one length, a token
    of one length, and else texts of one length with the same classes of characters.
    """
    if type(legacy) is not type(new):
        return False
    if shape(legacy) == shape(new):
        return True
    # Now and then hex digits are decimal ones only.
    return (
        isinstance(legacy, str)
        and isinstance(new, str)
        and len(legacy) == len(new)
        and _HEX(legacy) is not None
        and _HEX(new) is not None
    )


def shape(value: object) -> str:
    """The shape of a scalar: `uuid`, `time`, `integer`, `hex(32)`, `token(12)`, `text(7,aA,)`."""
    if isinstance(value, bytes):
        return "decimal" if any(mark in value for mark in b".eE") else "integer"
    if not isinstance(value, str):
        return "null" if value is None else "boolean"
    if _UUID(value):
        return "uuid"
    if moment(value) is not None:
        return "time"
    if number := _DECIMAL(value):
        return "decimal" if number[1] else "integer"
    if _HEX(value):
        return f"hex({len(value)})"
    return f"token({len(value)})" if _TOKEN(value) else f"text({len(value)},{_classes(value)})"


def _classes(text: str) -> str:
    """Which classes of characters a text has: small and capital letters, digits, each other one."""
    return "".join(
        sorted(
            {
                *("a" for c in text if c.islower()),
                *("A" for c in text if c.isupper()),
                *("0" for c in text if c.isdigit()),
                *(c for c in text if not c.isalnum()),
            }
        )
    )
