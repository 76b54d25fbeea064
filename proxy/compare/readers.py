"""The reader of each media type. A new media type is a line here."""

from __future__ import annotations

from proxy.compare.binary import compare_binary
from proxy.compare.findings import Findings
from proxy.compare.form import compare_form
from proxy.compare.html_compare import compare_html
from proxy.compare.json_compare import compare_json
from proxy.compare.reader import Body, Media, Reader
from proxy.compare.text import compare_text
from proxy.compare.xml import compare_xml


def compare_json_or_text(legacy: Body, new: Body, found: Findings) -> None:
    """JSON, or text where neither side is JSON whatever its header says."""
    if not compare_json(legacy, new, found):
        compare_text(legacy, new, found)


def compare_xml_or_text(legacy: Body, new: Body, found: Findings) -> None:
    """XML, or text where neither side is XML whatever its header says."""
    if not compare_xml(legacy, new, found):
        compare_text(legacy, new, found)


READERS: dict[Media, Reader] = {
    Media.JSON: compare_json_or_text,
    Media.HTML: compare_html,
    Media.FORM: compare_form,
    Media.XML: compare_xml_or_text,
    Media.TEXT: compare_text,
    Media.BINARY: compare_binary,
}
