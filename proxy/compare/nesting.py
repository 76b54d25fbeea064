"""Whether an HTML parser gets through a page in linear time, told before it is asked.

The tree construction of HTML5 looks through the stack of open elements at most tags, and through
the attributes of a tag at each of them: a megabyte of `<div>` costs a parser a minute. What would
is incomparable.
"""

from __future__ import annotations

import re
from collections import Counter

from proxy.compare.reader import Incomparable
from proxy.compare_policy import CompareLimits

# With fewer tags even the square of their number is soon done.
_FEW = 4000
# Open at once. Browsers stop at 512.
_OPEN = 1000
# A tag longer than this is looked at, and may have so many attributes.
_LONG_TAG = 1024
_ATTRIBUTES = 256
# WHATWG HTML, 13.2.5: quotes mean something only after an equals sign.
_ATTRIBUTE = r"""[^>"'=]++|=\s*+(?:"[^"]*+"?|'[^']*+'?|[^\s>"'][^\s>]*+)?|["']"""
_TAG = re.compile(
    rf"<!--.*?(?:--!?>|\Z)|<(?:(/)|)([a-zA-Z][^\s/>]*+)((?>{_ATTRIBUTE})*+)>?", re.DOTALL
)
_HEAD = re.compile(rf"[a-zA-Z][^\s/>]*+((?>{_ATTRIBUTE})*+)")
_NAME = re.compile(r"""(?:\A|[\s/"'])[^\s/>="']""")
_RAW = {
    name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr", "html", "head", "body"),
    }
)
# The parser closes them itself before the next of their kind, except within SVG and MathML.
_IMPLIED = frozenset(
    {
        *("p", "li", "dd", "dt", "option", "tr", "td", "th", "thead", "tbody", "tfoot", "a"),
        *("colgroup", "caption", "nobr"),
    }
)


def check_nesting(text: str, limits: CompareLimits) -> None:
    """Raise `Incomparable` (depth, nodes) for a page that a parser would be busy with for long."""
    tags = text.count("<")
    if tags > limits.nodes:
        raise Incomparable("nodes")
    for piece in text.split("<"):
        if len(piece) > _LONG_TAG and _attributes(piece) > _ATTRIBUTES:
            raise Incomparable("nodes")
    if tags > _FEW and _deepest(text) > _OPEN:
        raise Incomparable("depth")


def _attributes(piece: str) -> int:
    head = _HEAD.match(piece)
    return 0 if head is None else sum(1 for _ in _NAME.finditer(head[1]))


def _deepest(text: str) -> int:
    """At least as many elements as are ever open at once, up to the limit."""
    opened: Counter[str] = Counter()
    depth = deepest = position = 0
    while tag := _TAG.search(text, position):
        position = tag.end()
        if tag[2] is None:
            continue
        name = tag[2].lower()
        foreign = opened["svg"] or opened["math"]
        if name in _VOID or (name in _IMPLIED and not foreign):
            continue
        if tag[1]:
            if opened[name]:
                opened[name] -= 1
                depth -= 1
            continue
        if name in _RAW and not foreign:
            end = _RAW[name].search(text, position)
            position = len(text) if end is None else end.end()
            continue
        if foreign and tag[3].endswith("/"):
            continue
        opened[name] += 1
        depth += 1
        deepest = max(deepest, depth)
        if deepest > _OPEN:
            break
    return deepest
