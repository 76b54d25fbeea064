"""Bodies of application/x-www-form-urlencoded compared field by field."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from urllib.parse import unquote_to_bytes

from proxy.compare.charset import text_of
from proxy.compare.findings import Findings
from proxy.compare.reader import Body, Incomparable

_INDEX = re.compile(r"\[\d+\]")


def compare_form(legacy: Body, new: Body, found: Findings) -> None:
    """Report which fields differ; the order of different names says nothing.

    Raises `Incomparable` (nodes).
    """
    one, other = _fields(legacy, found), _fields(new, found)
    if one == other:
        found.used("form:notation", "form:*")
        return
    for name in (*one, *(name for name in other if name not in one)):
        left, right = one.get(name, []), other.get(name, [])
        path = f"form:{_INDEX.sub('[*]', name)}"
        for was, now in zip(left, right, strict=False):
            found.text(path, f"form:{name}", was, now)
        for value in left[len(right) :]:
            found.missing(path, f"form:{name}", value)
        for value in right[len(left) :]:
            found.extra(path, f"form:{name}", value)


def _fields(body: Body, found: Findings) -> dict[str, list[str]]:
    """WHATWG URL, 5.1: pairs between ampersands, a plus sign is a space, percent escapes."""
    pairs = body.content.strip(b"\r\n").split(b"&")
    if len(pairs) > found.policy.limits.nodes:
        raise Incomparable("nodes")
    fields: dict[str, list[str]] = {}
    for pair in pairs:
        if pair:
            name, _, value = pair.partition(b"=")
            fields.setdefault(_text(name, body), []).append(_text(value, body))
    return fields


def _text(raw: bytes, body: Body) -> str:
    plain = unquote_to_bytes(raw.replace(b"+", b" "))
    # A byte order mark is one at the beginning of a body; here it is a character.
    mark = "\ufeff" if plain.startswith(BOM_UTF8) else ""
    return mark + text_of(plain, body.charset)
