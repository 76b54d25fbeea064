"""Which elements of two pages are the same element: content first, then class, then tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from proxy.compare.html_page import Page
from proxy.compare.sequence import Change, changes, settled


@dataclass(frozen=True, slots=True)
class Pairs:
    """`changed` are pairs of elements that are not equal in attributes and own text; `missing` and
    `extra` have no other half, in document order."""

    changed: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]
    extra: tuple[int, ...]


def pair(legacy: Page, new: Page) -> Pairs:
    """Pair the elements of two pages."""
    found: list[tuple[int, int]] = []
    missing: list[int] = []
    extra: list[int] = []
    contents, new_contents = _contents(legacy), _contents(new)
    gaps = changes(contents, new_contents)
    fits, new_fits = partial(_is_whole, legacy), partial(_is_whole, new)
    for gap in settled(gaps, contents, new_contents, fits, new_fits):
        left: Sequence[int] = range(gap.start, gap.stop)
        right: Sequence[int] = range(gap.new_start, gap.new_stop)
        for kind in (_kind, _tag):
            pairs, left_over, right_over = _pair(
                left, right, partial(kind, legacy), partial(kind, new)
            )
            found += pairs
            left, right = left_over, right_over
            if not left or not right:
                break
        missing += left
        extra += right
    return Pairs(tuple(sorted(found)), tuple(missing), tuple(extra))


def _is_whole(page: Page, start: int, stop: int) -> bool:
    """Whether a span of elements is one or several with all that is in them."""
    while start < stop:
        start = page.ends[start]
    return start == stop


def _contents(page: Page) -> list[object]:
    return [
        (tag, text, *attributes.items())
        for tag, text, attributes in zip(page.tags, page.texts, page.attributes, strict=True)
    ]


def _kind(page: Page, element: int) -> str:
    return f"{page.tags[element]}.{page.attributes[element].get('class', '')}"


def _tag(page: Page, element: int) -> str:
    return page.tags[element]


_KeyOf = Callable[[int], str]
_Rest = tuple[list[tuple[int, int]], Sequence[int], Sequence[int]]


def _pair(left: Sequence[int], right: Sequence[int], key_of: _KeyOf, new_key_of: _KeyOf) -> _Rest:
    gaps = changes([key_of(i) for i in left], [new_key_of(j) for j in right])
    pairs: list[tuple[int, int]] = []
    alone: list[int] = []
    new_alone: list[int] = []
    i = j = 0
    for gap in (*gaps, Change(len(left), len(left), len(right), len(right))):
        pairs += zip(left[i : gap.start], right[j : gap.new_start], strict=True)
        alone += left[gap.start : gap.stop]
        new_alone += right[gap.new_start : gap.new_stop]
        i, j = gap.stop, gap.new_stop
    return pairs, alone, new_alone


def topmost(page: Page, elements: Sequence[int]) -> list[int]:
    """Of elements in document order those whose parent is not among them."""
    among = set(elements)
    return [element for element in elements if page.parents[element] not in among]
