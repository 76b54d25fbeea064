"""The same words in other elements: a price that stands in the next cell, a word no longer bold.

The text of two pages is compared word by word, whatever elements carry it. That finds nothing where
only the elements changed, though a table with an empty cell less says something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxy.compare.comparison import Kind
from proxy.compare.html_events import Event, Sides
from proxy.compare.html_page import INLINE, Page, readable
from proxy.compare.html_pairs import Pairs
from proxy.compare_policy import Facet, Severity

# Their content is compared by itself, or by its choices.
_APART = frozenset(
    {
        *("script", "style", "title", "textarea", "option", "template"),
        *("xmp", "noembed", "noframes", "iframe"),
    }
)
# Words of a block that are shown.
_SHOWN = 40


def compare_carriers(
    sides: Sides, pairs: Pairs, events: Iterable[Event], facets: frozenset[Facet]
) -> Iterator[Event]:
    """What carries other words though no facet has found the words to differ; `events` are theirs.

    Another block (a cell, a paragraph) is told as text, another element within it as markup.
    """
    legacy, new = sides
    if Facet.TEXT not in facets:
        return
    told = {_block(legacy, event.element) for event in events}
    new_told = {_block(new, event.new_element) for event in events}
    blocks: set[tuple[int, int]] = set()
    for element, new_element in pairs.changed:
        tag = legacy.tags[element]
        if tag != new.tags[new_element] or tag in _APART:
            continue
        if legacy.texts[element] == new.texts[new_element]:
            continue
        block, new_block = _block(legacy, element), _block(new, new_element)
        if block in told or new_block in new_told or (block, new_block) in blocks:
            continue
        blocks.add((block, new_block))
        was, now = _words(legacy, block), _words(new, new_block)
        if was != now:
            yield _event(Facet.TEXT, block, new_block, _told(was), _told(now), _ELSEWHERE)
        elif Facet.MARKUP in facets:
            one, other = legacy.texts[element], new.texts[new_element]
            yield _event(Facet.MARKUP, element, new_element, one, other, _OTHER_ELEMENT)


_ELSEWHERE = "the same words stand in another part of the page, as in the next cell"
_OTHER_ELEMENT = "the same words stand in another element of their paragraph"


def _event(facet: Facet, element: int, new_element: int, was: str, now: str, note: str) -> Event:
    return Event(
        facet=facet,
        kind=Kind.ORDER,
        severity=Severity.MAJOR if facet is Facet.TEXT else Severity.MINOR,
        element=element,
        new_element=new_element,
        legacy=was,
        new=now,
        cause="moved",
        note=note,
    )


def carries_alike(sides: Sides) -> bool:
    """Whether the same elements of two pages with the same words hold the same of them."""
    legacy, new = sides
    return (
        legacy.words != new.words
        or legacy.tags != new.tags
        or (legacy.word_ranges == new.word_ranges and legacy.owners == new.owners)
    )


def _block(page: Page, element: int) -> int:
    """The element around it, or itself, that is no part of a line of text; -1 for nowhere."""
    while element >= 0 and page.tags[element] in INLINE:
        element = page.parents[element]
    return element


def _words(page: Page, block: int) -> list[str]:
    start, stop = page.word_ranges[block]
    return page.words[start:stop]


def _told(words: list[str]) -> str:
    return " ".join(map(readable, words[:_SHOWN]))
