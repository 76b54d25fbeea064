"""Lists of a page whose elements stand in another order: told once, then compared side by side.

A list that came back from the database in another order is one fault. Compared word by word it
would be dozens: every element is missing in one place and added in another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from proxy.compare.comparison import Kind
from proxy.compare.html_events import Event, Sides
from proxy.compare.html_markup import address_attribute
from proxy.compare.html_page import Page
from proxy.compare_policy import Facet, Severity

# Of a list, as shown to people: so many elements, so many words of each.
_SHOWN = 4
_WORDS = 3


@dataclass(frozen=True, slots=True)
class _Tree:
    """A page with the children of each element, and numbers for all that is in it.

    Elements of the two pages with the same number are the same down to the last word; in `bags`
    whatever the order in them.
    """

    page: Page
    children: list[list[int]]
    contents: list[int]
    bags: list[int]


def in_one_order(sides: Sides, facets: frozenset[Facet]) -> tuple[Sides, list[Event]]:
    """The pages with the new one's lists in legacy's order, and one event for each that was not."""
    own, new_own = _own_contents(sides.legacy), _own_contents(sides.new)
    if _is_in_order(own, new_own):
        return sides, []
    known: dict[Hashable, int] = {}
    legacy, new = _tree(sides.legacy, own, known), _tree(sides.new, new_own, known)
    orders: dict[int, list[int]] = {}
    events: list[Event] = []
    waiting = _bodies(sides)
    while waiting:
        element, new_element = waiting.pop()
        if legacy.contents[element] == new.contents[new_element]:
            continue
        known_again, others = _paired(legacy, new, element, new_element)
        waiting += known_again
        waiting += others
        order = _slots(new.children[new_element], known_again)
        if order is not None:
            orders[new_element] = order
            events += _event(sides, element, known_again, order, facets)
    if not orders:
        return sides, []
    return Sides(sides.legacy, _rearranged(new, orders)), events


def _own_contents(page: Page) -> list[Hashable]:
    return [
        (tag, text, *attributes.items())
        for tag, text, attributes in zip(page.tags, page.texts, page.attributes, strict=True)
    ]


def _is_in_order(own: Sequence[Hashable], new_own: Sequence[Hashable]) -> bool:
    """Whether what both pages have stands in one order, seen from as far as possible."""
    places: dict[Hashable, list[int]] = {}
    for place in range(len(new_own) - 1, -1, -1):
        places.setdefault(new_own[place], []).append(place)
    last = -1
    for key in own:
        found = places.get(key)
        if found:
            place = found.pop()
            if place < last:
                return False
            last = place
    return True


def _tree(page: Page, owns: Sequence[Hashable], known: dict[Hashable, int]) -> _Tree:
    children: list[list[int]] = [[] for _ in page.tags]
    for element, parent in enumerate(page.parents):
        if parent >= 0:
            children[parent].append(element)
    contents = [0] * len(page.tags)
    bags = [0] * len(page.tags)
    # Children stand behind their parents.
    for element in range(len(page.tags) - 1, -1, -1):
        own, below = owns[element], children[element]
        key = (own, *(contents[child] for child in below))
        contents[element] = known.setdefault(key, len(known))
        if len(below) > 1:
            key = (own, "any order", *sorted(bags[child] for child in below))
        elif below:
            key = (own, bags[below[0]])
        bags[element] = known.setdefault(key, len(known))
    return _Tree(page, children, contents, bags)


def _bodies(sides: Sides) -> list[tuple[int, int]]:
    """Where to begin: the order of what stands in a head is nobody's list."""
    places = [
        next((i for i, tag in enumerate(page.tags) if tag in ("body", "frameset")), -1)
        for page in sides
    ]
    return [(places[0], places[1])] if min(places) >= 0 else []


_Pairs = list[tuple[int, int]]


def _paired(legacy: _Tree, new: _Tree, element: int, new_element: int) -> tuple[_Pairs, _Pairs]:
    """Children that are recognised on the other side, in legacy's order; and the rest, by kind."""
    left: Sequence[int] = legacy.children[element]
    right: Sequence[int] = new.children[new_element]
    contents, left, right = _by_key(
        left, right, [legacy.contents[i] for i in left], [new.contents[i] for i in right]
    )
    bags, left, right = _by_key(
        left, right, [legacy.bags[i] for i in left], [new.bags[i] for i in right]
    )
    names, left, right = _by_key(
        left, right, [_name(legacy, i) for i in left], [_name(new, i) for i in right], once=True
    )
    kinds, _, _ = _by_key(
        left, right, [_kind(legacy.page, i) for i in left], [_kind(new.page, i) for i in right]
    )
    return sorted(contents + bags + names), kinds


def _by_key(
    left: Sequence[int],
    right: Sequence[int],
    keys: Sequence[Hashable],
    new_keys: Sequence[Hashable],
    *,
    once: bool = False,
) -> tuple[_Pairs, Sequence[int], Sequence[int]]:
    """Elements with one key, in turn; with `once` only keys that each side has once. None is no
    key."""
    places: dict[Hashable, list[int]] = {}
    for place, key in zip(reversed(right), reversed(new_keys), strict=True):
        if key is not None:
            places.setdefault(key, []).append(place)
    if once:
        counts = Counter(keys)
        places = {key: found for key, found in places.items() if counts[key] == len(found) == 1}
    pairs = [
        (element, places[key].pop())
        for element, key in zip(left, keys, strict=True)
        if places.get(key)
    ]
    taken, new_taken = {one for one, _ in pairs}, {other for _, other in pairs}
    return (
        pairs,
        [element for element in left if element not in taken],
        [element for element in right if element not in new_taken],
    )


def _name(tree: _Tree, element: int) -> Hashable:
    """What an element is about, whatever it says of it: its id, or where its first link leads."""
    page = tree.page
    own = page.attributes[element].get("id")
    if own:
        return ("id", own)
    for inner in range(element, page.ends[element]):
        if page.tags[inner] == "a":
            address = page.attributes[inner].get("href")
            if address:
                return (page.tags[element], address)
    return None


def _kind(page: Page, element: int) -> str:
    return f"{page.tags[element]}.{page.attributes[element].get('class', '')}"


def _slots(children: Sequence[int], known_again: _Pairs) -> list[int] | None:
    """The new children with those known again in legacy's order; None where they are."""
    wanted = [new_element for _, new_element in known_again]
    if all(one < other for one, other in pairwise(wanted)):
        return None
    places, following = set(wanted), iter(wanted)
    return [next(following) if child in places else child for child in children]


def _event(
    sides: Sides,
    element: int,
    known_again: _Pairs,
    order: Sequence[int],
    facets: frozenset[Facet],
) -> list[Event]:
    moved = {now for was, now in zip(sorted(order), order, strict=True) if was != now}
    legacy_moved = [one for one, other in known_again if other in moved]
    facet = _facet(sides.legacy, legacy_moved, facets)
    if facet is None:
        return []
    return [
        Event(
            facet=facet,
            kind=Kind.ORDER,
            severity=Severity.MINOR if facet is Facet.MARKUP else Severity.MAJOR,
            element=element,
            legacy=_told(sides.legacy, legacy_moved),
            new=_told(sides.new, sorted(moved)),
            cause="order",
            note=f"{len(moved)} of {len(order)} elements stand in another order",
        )
    ]


def _facet(page: Page, elements: Sequence[int], facets: frozenset[Facet]) -> Facet | None:
    """The heaviest facet in which somebody would see the order of these elements."""
    if Facet.LINKS in facets and any(
        address_attribute(page.tags[inner])
        for element in elements
        for inner in range(element, page.ends[element])
    ):
        return Facet.LINKS
    if Facet.TEXT in facets and any(
        page.word_ranges[element][0] < page.word_ranges[element][1] for element in elements
    ):
        return Facet.TEXT
    return Facet.MARKUP if Facet.MARKUP in facets else None


def _told(page: Page, elements: Sequence[int]) -> str:
    texts = [page.text_within(element, _WORDS) or page.tags[element] for element in elements]
    more = " | ..." if len(texts) > _SHOWN else ""
    return " | ".join(texts[:_SHOWN]) + more


def _rearranged(tree: _Tree, orders: dict[int, list[int]]) -> Page:
    """The page with the children of some elements in another order."""
    page, result = tree.page, Page()
    touched: set[int] = set()
    for element in orders:
        while element >= 0 and element not in touched:
            touched.add(element)
            element = page.parents[element]

    # As deep as CompareLimits.depth lets a page be.
    def put(element: int, parent: int, number: int) -> None:
        here = len(result.tags)
        if element not in touched:
            _copy(page, element, result)
            result.parents[here], result.numbers[here] = parent, number
            return
        start, stop = page.word_ranges[element]
        _add(page, element, result, parent, number)
        begin = len(result.words)
        for place, child in enumerate(tree.children[element]):
            between = page.word_ranges[child][0]
            _own_words(page, start, between, result, here)
            start = page.word_ranges[child][1]
            put(orders.get(element, tree.children[element])[place], here, place + 1)
        _own_words(page, start, stop, result, here)
        result.ends[here] = len(result.tags)
        result.word_ranges[here] = (begin, len(result.words))

    for element, parent in enumerate(page.parents):
        if parent < 0:
            put(element, -1, page.numbers[element])
    return result


def _add(page: Page, element: int, result: Page, parent: int, number: int) -> None:
    result.tags.append(page.tags[element])
    result.attributes.append(page.attributes[element])
    result.parents.append(parent)
    result.depths.append(page.depths[element])
    result.children.append(page.children[element])
    result.numbers.append(number)
    result.ends.append(0)
    result.texts.append(page.texts[element])
    result.word_ranges.append((0, 0))


def _own_words(page: Page, start: int, stop: int, result: Page, element: int) -> None:
    result.words += page.words[start:stop]
    result.owners += [element] * (stop - start)


def _copy(page: Page, element: int, result: Page) -> None:
    """A whole element, with what stands in it."""
    end = page.ends[element]
    start, stop = page.word_ranges[element]
    by, words_by = len(result.tags) - element, len(result.words) - start
    result.tags += page.tags[element:end]
    result.attributes += page.attributes[element:end]
    result.parents += [parent + by for parent in page.parents[element:end]]
    result.depths += page.depths[element:end]
    result.children += page.children[element:end]
    result.numbers += page.numbers[element:end]
    result.ends += [each + by for each in page.ends[element:end]]
    result.texts += page.texts[element:end]
    result.words += page.words[start:stop]
    result.owners += [owner + by for owner in page.owners[start:stop]]
    result.word_ranges += [(a + words_by, b + words_by) for a, b in page.word_ranges[element:end]]
