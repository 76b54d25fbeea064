"""Parts of a page that stand at another place: one difference of order, not two of presence."""

from __future__ import annotations

from proxy.compare.comparison import Kind
from proxy.compare.html_events import Event, Sides
from proxy.compare.html_markup import address_attribute
from proxy.compare.html_page import Page
from proxy.compare_policy import Facet, Severity


def find_moves(tops: list[int], new_tops: list[int], sides: Sides) -> list[tuple[int, int]]:
    """Pairs of elements without another half in place whose content is the same."""
    waiting: dict[object, list[int]] = {}
    for element in reversed(new_tops):
        waiting.setdefault(_content(sides.new, element), []).append(element)
    pairs: list[tuple[int, int]] = []
    for element in tops:
        places = waiting.get(_content(sides.legacy, element))
        if places:
            pairs.append((element, places.pop()))
    return pairs


def _content(page: Page, element: int) -> object:
    start, stop = page.word_ranges[element]
    addresses = [
        page.attributes[inner].get(name)
        for inner in range(element, page.ends[element])
        if (name := address_attribute(page.tags[inner]))
    ]
    # What has neither words nor addresses is recognised by its markup alone.
    alike = page.tags[element : page.ends[element]] if start == stop and not addresses else ()
    return (page.tags[element], *page.words[start:stop], None, *addresses, None, *alike)


def as_moved(
    events: list[Event], moves: list[tuple[int, int]], sides: Sides, facets: frozenset[Facet]
) -> list[Event]:
    """Events without those in what was moved, and one event of order for each move."""
    if not moves:
        return events
    inside = {e for old, _ in moves for e in range(old, sides.legacy.ends[old])}
    new_inside = {e for _, now in moves for e in range(now, sides.new.ends[now])}
    kept = [
        event
        for event in events
        if event.element not in inside and event.new_element not in new_inside
    ]
    for element, new_element in moves:
        facet = _heaviest(sides.legacy, element)
        if facet in facets:
            was, now = (
                f"place {page.numbers[place]}: {page.text_within(place, 12)}"
                for page, place in ((sides.legacy, element), (sides.new, new_element))
            )
            kept.append(
                Event(
                    facet=facet,
                    kind=Kind.ORDER,
                    severity=Severity.MINOR if facet is Facet.MARKUP else Severity.MAJOR,
                    element=element,
                    new_element=new_element,
                    legacy=was,
                    new=now,
                    cause="order",
                    note="it stands at another place of the page",
                )
            )
    return kept


def _heaviest(page: Page, element: int) -> Facet:
    if any(address_attribute(tag) for tag in page.tags[element : page.ends[element]]):
        return Facet.LINKS
    start, stop = page.word_ranges[element]
    return Facet.TEXT if start < stop else Facet.MARKUP
