"""What was changed between two sequences whose order matters: text, elements, lines.

Equal ends are put aside, what stands exactly once in both is an anchor (patience diff, B. Cohen),
and the gaps between anchors go through E. Myers' O(ND) algorithm ("An O(ND) Difference Algorithm
and Its Variations", 1986). All of it is bounded: a gap that is too different is one change from end
to end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from proxy.compare.alignment import common_ends

# Edits beyond which a gap is taken as one change.
_EDITS = 200
# Steps of the search that two sequences may cost beside four for each element.
_STEPS = 150_000
# A gap within a gap within a gap ...
_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Change:
    """legacy[start:stop] became new[new_start:new_stop]; one of the two may be empty."""

    start: int
    stop: int
    new_start: int
    new_stop: int


def changes(legacy: Sequence[Hashable], new: Sequence[Hashable]) -> list[Change]:
    """What turns legacy into new, in order. Elements outside of it are equal, pair by pair."""
    if legacy == new:
        return []
    found: list[Change] = []
    steps = _STEPS + 4 * (len(legacy) + len(new))
    # Of the gaps, the first on top.
    gaps = [(0, len(legacy), 0, len(new), 0)]
    while gaps:
        start, stop, new_start, new_stop, level = gaps.pop()
        begin, end = common_ends(legacy[start:stop], new[new_start:new_stop])
        start, stop, new_start, new_stop = (
            start + begin,
            stop - end,
            new_start + begin,
            new_stop - end,
        )
        if start == stop or new_start == new_stop:
            if start < stop or new_start < new_stop:
                found.append(Change(start, stop, new_start, new_stop))
            continue
        left, right = legacy[start:stop], new[new_start:new_stop]
        anchors = _anchors(left, right) if level < _LEVELS else []
        if not anchors:
            if steps > 0:
                inner, taken = _shortest(left, right, steps)
                steps -= taken
            else:
                inner = [Change(0, len(left), 0, len(right))]
            found += (
                Change(
                    c.start + start, c.stop + start, c.new_start + new_start, c.new_stop + new_start
                )
                for c in inner
            )
            continue
        between: list[tuple[int, int, int, int, int]] = []
        i, j = 0, 0
        for next_i, next_j in (*anchors, (len(left), len(right))):
            between.append(
                (start + i, start + next_i, new_start + j, new_start + next_j, level + 1)
            )
            i, j = next_i + 1, next_j + 1
        gaps += reversed(between)
    return found


def settled(
    found: Sequence[Change],
    legacy: Sequence[Hashable],
    new: Sequence[Hashable],
    fits: Callable[[int, int], bool],
    new_fits: Callable[[int, int], bool],
) -> list[Change]:
    """Changes, with what was only removed or only added moved to where it fits.

    `a [b a] b` and `[a b] a b` are the same removal; the second is a whole element, if `fits(0, 2)`
    says so. Nothing is moved across another change.
    """
    result: list[Change] = []
    for number, change in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        shift = 0
        if change.new_start == change.new_stop:
            floor = result[-1].stop if result else 0
            ceiling = following.start if following else len(legacy)
            shift = _shift(legacy, change.start, change.stop, floor, ceiling, fits)
        elif change.start == change.stop:
            floor = result[-1].new_stop if result else 0
            ceiling = following.new_start if following else len(new)
            shift = _shift(new, change.new_start, change.new_stop, floor, ceiling, new_fits)
        result.append(
            Change(
                *(change.start + shift, change.stop + shift),
                *(change.new_start + shift, change.new_stop + shift),
            )
        )
    return result


def _shift(
    sequence: Sequence[Hashable],
    start: int,
    stop: int,
    floor: int,
    ceiling: int,
    fits: Callable[[int, int], bool],
) -> int:
    """How far sequence[start:stop] can be moved to fit; 0 where it fits, or nowhere does."""
    if fits(start, stop):
        return 0
    by = 0
    while start + by > floor and sequence[start + by - 1] == sequence[stop + by - 1]:
        by -= 1
        if fits(start + by, stop + by):
            return by
    by = 0
    while stop + by < ceiling and sequence[start + by] == sequence[stop + by]:
        by += 1
        if fits(start + by, stop + by):
            return by
    return 0


def _anchors(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The longest run, in the order of both, of what stands exactly once in both."""
    once_left, once_right = _once(left), _once(right)
    pairs = [(i, once_right[key]) for key, i in once_left.items() if key in once_right]
    # Longest increasing subsequence: the smallest end of a run of each length, and who came before.
    ends: list[int] = []
    ending: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(ending[length - 1] if length else -1)
        if length == len(ends):
            ends.append(j)
            ending.append(number)
        else:
            ends[length], ending[length] = j, number
    run: list[tuple[int, int]] = []
    number = ending[-1] if ending else -1
    while number >= 0:
        run.append(pairs[number])
        number = before[number]
    return run[::-1]


def _once(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """What stands exactly once, and where, in order."""
    where: dict[Hashable, int] = {}
    for index, key in enumerate(sequence):
        where[key] = -1 if key in where else index
    return {key: index for key, index in where.items() if index >= 0}


def _shortest(
    left: Sequence[Hashable], right: Sequence[Hashable], budget: int
) -> tuple[list[Change], int]:
    """Myers' greedy search, and how many steps it took. Where that is too many: one change."""
    n, m = len(left), len(right)
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    steps = 0
    for d in range(min(n + m, _EDITS) + 1):
        if steps > budget:
            break
        trail.append(furthest.copy())
        for k in range(-d, d + 1, 2):
            if k < -m or k > n:
                continue
            steps += 1
            down = k == -d or (k != d and furthest.get(k - 1, -1) < furthest.get(k + 1, -1))
            x = furthest.get(k + 1, -1) if down else furthest.get(k - 1, -1) + 1
            y = x - k
            begun = x
            while x < n and y < m and left[x] == right[y]:
                x += 1
                y += 1
            furthest[k] = x
            steps += x - begun
            if x >= n and y >= m:
                return _walked_back(trail, n, m), steps
    return [Change(0, n, 0, m)], steps


def _walked_back(trail: list[dict[int, int]], n: int, m: int) -> list[Change]:
    found: list[Change] = []
    x, y = n, m
    for d in range(len(trail) - 1, 0, -1):
        furthest = trail[d]
        k = x - y
        down = k == -d or (k != d and furthest.get(k - 1, -1) < furthest.get(k + 1, -1))
        before = k + 1 if down else k - 1
        was_x = furthest.get(before, 0)
        was_y = was_x - before
        step = (was_x, was_x, was_y, was_y + 1) if down else (was_x, was_x + 1, was_y, was_y)
        if found and (found[-1].start, found[-1].new_start) == (step[1], step[3]):
            last = found.pop()
            step = (step[0], last.stop, step[2], last.new_stop)
        found.append(Change(*step))
        x, y = was_x, was_y
    return found[::-1]
