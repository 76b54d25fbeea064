"""Scalars of JSON as the comparison holds them, and which of them PHP does not tell apart.

A number is the `bytes` it was written with, so that `==` in C is exact and knows a number from a
text; a text is `str`, and true, false and null are what they are in Python.
"""

from __future__ import annotations

import html

from proxy.compare.numbers import number, same_number

Scalar = bytes | str | bool | None


def same_for_php(legacy: Scalar, new: Scalar) -> str:
    """The equivalence of the php profile that makes two different scalars equal, or "".

    json_encode writes 10.0 as 10 (without JSON_PRESERVE_ZERO_FRACTION); htmlspecialchars writes
    `&#039;` where others write `&#39;` or `&#x27;`. A text is never a number.
    """
    if type(legacy) is bytes and type(new) is bytes:
        one, other = number(legacy), number(new)
        if one is not None and other is not None and same_number(one, other):
            return "php:number"
    elif type(legacy) is str and type(new) is str and _same_entities(legacy, new):
        return "php:entity"
    return ""


def _same_entities(legacy: str, new: str) -> bool:
    """Spelled in another way, not escaped in another way: both sides have as many entities."""
    return (
        "&" in legacy
        and legacy.count("&") == new.count("&")
        and html.unescape(legacy) == html.unescape(new)
    )
