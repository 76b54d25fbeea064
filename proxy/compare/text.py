"""Plain text compared line by line; also CSV, JavaScript and whatever else is text."""

from __future__ import annotations

from proxy.compare.charset import text_of
from proxy.compare.findings import Findings
from proxy.compare.reader import Body, Incomparable
from proxy.compare.sequence import changes

_PATH = "text"


def compare_text(legacy: Body, new: Body, found: Findings) -> None:
    """Report which lines differ; how lines end says nothing. Raises `Incomparable` (nodes)."""
    one, other = _lines(legacy), _lines(new)
    if max(len(one), len(other)) > found.policy.limits.nodes:
        raise Incomparable("nodes")
    if one == other:
        found.used("text:notation", _PATH)
        return
    for change in changes(one, other):
        left, right = one[change.start : change.stop], other[change.new_start : change.new_stop]
        for number, (was, now) in enumerate(zip(left, right, strict=False), change.start + 1):
            found.text(_PATH, f"text[{number}]", was, now)
        for number, line in enumerate(left[len(right) :], change.start + len(right) + 1):
            found.missing(_PATH, f"text[{number}]", line)
        for number, line in enumerate(right[len(left) :], change.new_start + len(left) + 1):
            found.extra(_PATH, f"text[{number}]", line)


def _lines(body: Body) -> list[str]:
    """The lines without what ends them; the last line break ends a line and begins none."""
    text = text_of(body.content, body.charset)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")
