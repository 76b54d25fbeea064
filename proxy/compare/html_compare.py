"""Two pages compared facet by facet: the reader of HTML."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings, expecting
from proxy.compare.html_carriers import carries_alike, compare_carriers
from proxy.compare.html_events import Sides, joined, report
from proxy.compare.html_forms import compare_forms
from proxy.compare.html_head import compare_head
from proxy.compare.html_markup import compare_elements, is_embedded_json
from proxy.compare.html_moves import as_moved, find_moves
from proxy.compare.html_order import in_one_order
from proxy.compare.html_page import Drop, Page, drop, parse, read, source_of
from proxy.compare.html_pairs import pair, topmost
from proxy.compare.html_text import compare_text
from proxy.compare.json_compare import compare_values
from proxy.compare.json_text import NotJson
from proxy.compare.json_text import parse as parse_json
from proxy.compare.reader import Body
from proxy.compare_policy import Facet, HtmlPolicy, Severity

_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_MARKUP = "html:markup"


@lru_cache(maxsize=256)
def drops(policy: HtmlPolicy) -> tuple[Drop, ...]:
    """What a policy leaves out of pages; raises ValueError for what is no CSS selector."""
    return tuple(map(drop, policy.drop))


def compare_html(legacy: Body, new: Body, found: Findings) -> None:
    """Report where two pages differ; raises `Incomparable` (depth, nodes)."""
    policy, limits = found.policy.html, found.policy.limits
    source, new_source = source_of(legacy), source_of(new)
    left_out = drops(policy)
    document, new_document = parse(source, left_out, limits), parse(new_source, left_out, limits)
    facets = frozenset(policy.facets)
    uses = found.uses
    if document.html != new_document.html:
        sides = Sides(read(document, limits), read(new_document, limits))
        _compare_pages(sides, facets, found)
    if Facet.MARKUP in facets or found.policy.php:
        _compare_entities(source, new_source, found)
    if not found.different and found.uses == uses:
        # Spaces, comments, the order of attributes, or what is dropped.
        found.used("html:notation", _MARKUP)


def _compare_pages(sides: Sides, facets: frozenset[Facet], found: Findings) -> None:
    compare_head(sides, facets, found)
    sides, events = in_one_order(sides, facets)
    pairs = pair(sides.legacy, sides.new)
    if Facet.FORMS in facets:
        events += compare_forms(sides, found)
    if Facet.TEXT in facets:
        events += compare_text(sides)
    events += compare_carriers(sides, pairs, tuple(events), facets)
    events += compare_elements(sides, pairs, facets, found)
    tops, new_tops = topmost(sides.legacy, pairs.missing), topmost(sides.new, pairs.extra)
    if tops and new_tops:
        moves = find_moves(tops, new_tops, sides)
        events = as_moved(events, moves, sides, facets)
    report(joined(events, tops, new_tops, sides), sides, found)
    _compare_embedded(sides, found)
    if Facet.MARKUP in facets and not events:
        _compare_nesting(sides, found)


def _compare_embedded(sides: Sides, found: Findings) -> None:
    """JSON in script elements, as JSON: pages have it in the same order, or have another number."""
    left, right = (
        [e for e in range(len(page.tags)) if is_embedded_json(page, e)] for page in sides
    )
    for element, new_element in zip(left, right, strict=False):
        was, now = sides.legacy.texts[element], sides.new.texts[new_element]
        if was == now:
            continue
        root = f"html:{_kind(sides.legacy, element)}$"
        limits = found.policy.limits
        try:
            one = parse_json(was.encode("utf-8", "replace"), "", limits)
            other = parse_json(now.encode("utf-8", "replace"), "", limits)
        except NotJson:
            found.text(root, root, was, now)
            continue
        compare_values(one.value, other.value, root, found)


def _kind(page: Page, element: int) -> str:
    kind = page.attributes[element].get("type", "").partition(";")[0].strip().lower()
    return kind.removeprefix("application/")


def _compare_nesting(sides: Sides, found: Findings) -> None:
    """The same elements in the same order can still stand in each other in another way."""
    nested = sides.legacy.tags != sides.new.tags or sides.legacy.depths == sides.new.depths
    if not nested or not carries_alike(sides):
        found.record(
            *(_MARKUP, _MARKUP, Kind.FACET, Severity.MINOR, None, None, "nesting"),
            "the same elements stand in each other, or around the words, in another way",
            expected=expecting(found.policy.at(_MARKUP).rules),
        )


def _compare_entities(source: str, new_source: str, found: Findings) -> None:
    """Characters that both sides write as entities, but in another spelling."""
    if "&" not in source or "&" not in new_source or source == new_source:
        return
    one, other = _spellings(source), _spellings(new_source)
    for character in sorted(one.keys() & other.keys()):
        was, now = one[character], other[character]
        if was == now:
            continue
        if found.policy.php:
            found.used("php:entity", _MARKUP)
        else:
            found.record(
                *(_MARKUP, _MARKUP, Kind.VALUE, Severity.MINOR),
                *(" ".join(sorted(was)), " ".join(sorted(now)), "entity_escaping"),
                "the same character, spelled as another entity",
                expected=expecting(found.policy.at(_MARKUP).rules),
            )


def _spellings(source: str) -> dict[str, set[str]]:
    spellings: dict[str, set[str]] = {}
    for reference in set(_REFERENCE.findall(source)):
        character = html.unescape(reference)
        if character != reference:
            spellings.setdefault(character, set()).add(reference)
    return spellings
