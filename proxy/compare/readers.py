"""The reader of each media type. A new media type is a line here."""

from __future__ import annotations

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare.html_compare import compare_html
from proxy.compare.json_compare import compare_json
from proxy.compare.reader import Body, Media, Reader
from proxy.compare_policy import Severity


def compare_bytes(legacy: Body, new: Body, found: Findings) -> None:
    """Report that two bodies differ, without looking into them."""
    lengths = f"{len(legacy.content)} bytes", f"{len(new.content)} bytes"
    found.record("body", "body", Kind.BODY, Severity.MAJOR, *lengths)


def compare_json_or_text(legacy: Body, new: Body, found: Findings) -> None:
    """JSON, or text where neither side is JSON whatever its header says."""
    if not compare_json(legacy, new, found):
        READERS[Media.TEXT](legacy, new, found)


READERS: dict[Media, Reader] = {
    Media.JSON: compare_json_or_text,
    Media.HTML: compare_html,
    Media.FORM: compare_bytes,
    Media.XML: compare_bytes,
    Media.TEXT: compare_bytes,
    Media.BINARY: compare_bytes,
}
