"""What of a long text is shown: the part where the two differ."""

from __future__ import annotations

# Characters of a value that are shown, and how many of them may be equal ones in front.
SHOWN = 200
_BEFORE = 40
_CHUNK = 4096


def excerpts(legacy: str, new: str, limit: int = SHOWN) -> tuple[str, str]:
    """Two different texts, each cut to `limit` characters around the first difference."""
    if len(legacy) <= limit and len(new) <= limit:
        return legacy, new
    begin = _common(legacy, new) - _BEFORE
    if begin <= 1:
        return cut(legacy, limit), cut(new, limit)
    return cut("…" + legacy[begin : begin + limit], limit), cut(
        "…" + new[begin : begin + limit], limit
    )


def around(legacy: str, new: str, limit: int) -> tuple[str, str]:
    """Two different texts, each what stands within `limit` characters before and after."""
    if max(len(legacy), len(new)) <= limit:
        return legacy, new
    begin = _common(legacy, new)
    span = slice(max(0, begin - limit), begin + limit)
    return legacy[span], new[span]


def cut(text: str, limit: int = SHOWN) -> str:
    """A text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """A text that can be encoded: lone surrogates are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _common(legacy: str, new: str) -> int:
    """How many characters at the beginning are equal."""
    begin = 0
    shorter = min(len(legacy), len(new))
    while begin < shorter and legacy[begin : begin + _CHUNK] == new[begin : begin + _CHUNK]:
        begin += _CHUNK
    begin = min(begin, shorter)
    while begin < shorter and legacy[begin] == new[begin]:
        begin += 1
    return begin
