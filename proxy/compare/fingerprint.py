"""What makes two differences one cause, and the name of that cause in every comparison of a route.

A cause that transforms values (`offset:+3600s`, `int_to_string`) is one fault wherever it shows:
its key is the word with its parameter. What is missing, added or moved, and a change that nothing
explains, is a fault of its place: kind and path pattern are in the key. Values, times and
positions never are.
"""

from __future__ import annotations

from hashlib import blake2b

from proxy.compare.comparison import Kind

# These say what happened to a place, not what is done to values.
_OF_A_PLACE = frozenset(
    {
        *("", "missing", "extra", "order", "length", "renamed", "duplicate_key", "truncation"),
        *("moved", "other_object", "status", "redirect", "attributes"),
    }
)


def cause_key(cause: str, kind: Kind, path: str) -> tuple[str, ...]:
    """What differences of one cause have in common."""
    word = cause.partition(":")[0]
    if word in _OF_A_PLACE or kind is Kind.HEADER:
        return (cause, kind.value, path)
    return (cause,)


def fingerprint(key: tuple[str, ...]) -> str:
    """16 hex digits, the same for the same key in every process."""
    return blake2b("\x00".join(key).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
