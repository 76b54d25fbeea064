"""What a response looks like apart from its values: one of the parts of a request signature.

Cheap, because every pair has one, byte-equal ones too: of JSON the member names in its first 2 KiB.
"""

from __future__ import annotations

from hashlib import blake2b

from proxy.compare.media import looks_like_json, named
from proxy.compare.paths import looks_like_id

_READ = 2048
_MANY = 64
# Shapes are few; what fills this is hostile, and then begins anew.
_REMEMBERED = 1024
_known: dict[frozenset[bytes], str] = {}


def shape_of(kind: bytes, content: bytes) -> str:
    """The shape of a decoded body: `json:3f9a01bc`, `html`, `empty`, ... `kind` names its type."""
    if not content:
        return "empty"
    if not looks_like_json(content):
        media = named(kind)
        return "other" if media is None else media.value
    # Split where names end, and go back to where they begin. A name behind an escaped quote, or
    # with a space before its colon, is missed on every answer alike.
    pieces = content[:_READ].split(b'":')
    names = frozenset([piece[piece.rfind(b'"') + 1 :] for piece in pieces[:-1]])
    known = _known.get(names)
    if known is None:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        known = _known[names] = _shape(names)
    return known


def _shape(names: frozenset[bytes]) -> str:
    chosen = sorted(name for name in names if not looks_like_id(name.decode("utf-8", "replace")))
    if len(chosen) > _MANY:
        return "json:many"
    return "json:" + blake2b(b"\x00".join(chosen), digest_size=4).hexdigest()
