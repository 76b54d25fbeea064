"""The visible text of two pages compared word by word, whatever elements carry it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby

from proxy.compare.comparison import Kind
from proxy.compare.html_events import Event, Sides
from proxy.compare.html_page import MARK, Page, readable
from proxy.compare.html_place import pattern
from proxy.compare.sequence import Change, changes, settled
from proxy.compare_policy import Facet, Severity

# Equal words shown around a difference; a date is not known by its minutes.
_AROUND = 3
_LONGEST_WORD = 60
# A whole element's text is looked at by rules up to so many characters.
_WHOLE = 2000

# Words of one element: its number, and a span of the page's words.
_Run = tuple[int, int, int]


def compare_text(sides: Sides) -> list[Event]:
    """What of the visible text differs."""
    legacy, new = sides
    events: list[Event] = []
    found = changes(legacy.words, new.words)
    fits, new_fits = (partial(_is_whole, page) for page in sides)
    for change in settled(found, legacy.words, new.words, fits, new_fits):
        left = list(_runs(legacy, change.start, change.stop))
        right = list(_runs(new, change.new_start, change.new_stop))
        new_span = (change.new_start, change.new_stop)
        for one, other in _paired(left, right, sides):
            if other is None:
                assert one is not None
                other = _half(one, legacy, (change.start, change.stop), new, new_span)
                if other is None:
                    events.append(_alone(Kind.MISSING, one, legacy))
                    continue
            elif one is None:
                one = _half(other, new, new_span, legacy, (change.start, change.stop))
                if one is None:
                    events.append(_alone(Kind.EXTRA, other, new))
                    continue
            events.append(_changed(one, other, sides))
    return events


def _is_whole(page: Page, start: int, stop: int) -> bool:
    """Whether a span of words begins and ends where elements do."""
    owners = page.owners
    return (start == 0 or owners[start - 1] != owners[start]) and (
        stop == len(owners) or owners[stop - 1] != owners[stop]
    )


def _half(
    run: _Run, page: Page, span: tuple[int, int], other: Page, other_span: tuple[int, int]
) -> _Run | None:
    """The empty run on the other side for words gone from an element of which others are left.

    `span` and `other_span` are the change that the run lies in; what is beside them is equal.
    """
    element, first, last = run
    (start, stop), (begin, end) = span, other_span
    if page.words[first].startswith(MARK):
        return None
    if first == start > 0 and begin > 0 and page.owners[start - 1] == element:
        return other.owners[begin - 1], begin, begin
    if last == stop < len(page.words) and end < len(other.words) and page.owners[stop] == element:
        return other.owners[end], end, end
    return None


def _runs(page: Page, start: int, stop: int) -> Iterator[_Run]:
    """A span of words in pieces of one element; a readable attribute is a piece of its own."""
    for (owner, _), positions in groupby(
        range(start, stop), key=lambda i: (page.owners[i], _attribute(page.words[i]))
    ):
        span = list(positions)
        yield owner, span[0], span[-1] + 1


def _attribute(word: str) -> str:
    return word[1:].partition(MARK)[0] if word.startswith(MARK) else ""


def _paired(
    left: list[_Run], right: list[_Run], sides: Sides
) -> Iterator[tuple[_Run | None, _Run | None]]:
    if len(left) == len(right):
        yield from zip(left, right, strict=True)
        return
    gaps = changes(
        [_key(sides.legacy, run) for run in left], [_key(sides.new, run) for run in right]
    )
    i = j = 0
    for gap in (*gaps, Change(len(left), len(left), len(right), len(right))):
        yield from zip(left[i : gap.start], right[j : gap.new_start], strict=True)
        width = min(gap.stop - gap.start, gap.new_stop - gap.new_start)
        yield from zip(
            left[gap.start : gap.start + width],
            right[gap.new_start : gap.new_start + width],
            strict=True,
        )
        yield from ((run, None) for run in left[gap.start + width : gap.stop])
        yield from ((None, run) for run in right[gap.new_start + width : gap.new_stop])
        i, j = gap.stop, gap.new_stop


def _key(page: Page, run: _Run) -> str:
    return f"{pattern(page, run[0])}@{_attribute(page.words[run[1]])}"


def _alone(kind: Kind, run: _Run, page: Page) -> Event:
    element, start, stop = run
    text = " ".join(map(readable, page.words[start:stop]))
    return Event(
        facet=Facet.TEXT,
        kind=kind,
        severity=Severity.MAJOR if kind is Kind.MISSING else Severity.MINOR,
        part=_part(page.words[start]),
        element=element if kind is Kind.MISSING else -1,
        legacy=text if kind is Kind.MISSING else "",
        new_element=element if kind is Kind.EXTRA else -1,
        new=text if kind is Kind.EXTRA else "",
    )


def _changed(one: _Run, other: _Run, sides: Sides) -> Event:
    legacy, new = sides
    core = (
        " ".join(map(readable, legacy.words[one[1] : one[2]])),
        " ".join(map(readable, new.words[other[1] : other[2]])),
    )
    before, after = _around(one, other, sides)
    whole = (legacy.texts[one[0]], new.texts[other[0]])
    return Event(
        facet=Facet.TEXT,
        kind=Kind.VALUE,
        severity=Severity.MAJOR,
        element=one[0],
        new_element=other[0],
        legacy=" ".join(filter(None, (before, core[0], after))),
        new=" ".join(filter(None, (before, core[1], after))),
        # One of the two can be empty.
        part=_part(legacy.words[one[1]] if one[1] < one[2] else new.words[other[1]]),
        core=core,
        whole=whole if max(map(len, whole)) <= _WHOLE else None,
    )


def _part(word: str) -> str:
    name = _attribute(word)
    return f"@{name}" if name else ""


def _around(one: _Run, other: _Run, sides: Sides) -> tuple[str, str]:
    """Equal words of the same elements before and after a change."""
    legacy, new = sides
    before: list[str] = []
    after: list[str] = []
    for words, i, j, step in ((before, one[1] - 1, other[1] - 1, -1), (after, one[2], other[2], 1)):
        begin, stop = legacy.word_ranges[one[0]]
        new_begin, new_stop = new.word_ranges[other[0]]
        while len(words) < _AROUND and begin <= i < stop and new_begin <= j < new_stop:
            word = legacy.words[i]
            if word != new.words[j] or MARK in word or len(word) > _LONGEST_WORD:
                break
            words.append(word)
            i, j = i + step, j + step
    return " ".join(reversed(before)), " ".join(after)
