"""Which elements of two lists belong together: equal ones first, then those in the same gap.

Linear in the number of elements. Something inserted in the middle is one added element; it does not
make every later element a changed one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alignment:
    """Positions (legacy, new) that belong together, and those that stay alone.

    `same` are equal by key, `changed` stand in the same place with another key. `moved` is the
    first equal pair that is not in the same order as those before it.
    """

    same: tuple[tuple[int, int], ...]
    changed: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    moved: tuple[int, int] | None


def align(legacy: Sequence[Hashable], new: Sequence[Hashable]) -> Alignment:
    """Align two lists of keys. Pairs of the equal beginning and end are not in `same`."""
    begin, end = common_ends(legacy, new)
    left = range(begin, len(legacy) - end)
    right = range(begin, len(new) - end)
    pairs = _match(legacy, new, left, right)
    moved = _first_moved(pairs)
    if moved is not None:
        # Of several equal ones the first are taken; taking the last may keep the order.
        backwards = sorted(_match(legacy, new, left[::-1], right[::-1]))
        if _first_moved(backwards) is None:
            pairs, moved = backwards, None
    changed, missing, extra = (
        _pair_gaps(pairs, left, right) if moved is None else _pair_rest(pairs, left, right)
    )
    return Alignment(tuple(pairs), tuple(changed), tuple(missing), tuple(extra), moved)


def common_ends(legacy: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many elements at the beginning and at the end are equal."""
    shorter = min(len(legacy), len(new))
    begin = 0
    while begin < shorter and legacy[begin] == new[begin]:
        begin += 1
    end = 0
    while end < shorter - begin and legacy[-1 - end] == new[-1 - end]:
        end += 1
    return begin, end


def _match(
    legacy: Sequence[Hashable], new: Sequence[Hashable], left: range, right: range
) -> list[tuple[int, int]]:
    places: dict[Hashable, list[int]] = {}
    for j in reversed(right):
        places.setdefault(new[j], []).append(j)
    pairs: list[tuple[int, int]] = []
    for i in left:
        waiting = places.get(legacy[i])
        if waiting:
            pairs.append((i, waiting.pop()))
    return pairs


def _first_moved(pairs: list[tuple[int, int]]) -> tuple[int, int] | None:
    highest = -1
    for i, j in pairs:
        if j < highest:
            return i, j
        highest = j
    return None


_Rest = tuple[list[tuple[int, int]], list[int], list[int]]


def _pair_gaps(pairs: list[tuple[int, int]], left: range, right: range) -> _Rest:
    """Between two neighbouring equal pairs, what is left is paired in order."""
    changed: list[tuple[int, int]] = []
    missing: list[int] = []
    extra: list[int] = []
    i, j = left.start, right.start
    for next_i, next_j in (*pairs, (left.stop, right.stop)):
        width = min(next_i - i, next_j - j)
        changed += zip(range(i, i + width), range(j, j + width), strict=True)
        missing += range(i + width, next_i)
        extra += range(j + width, next_j)
        i, j = next_i + 1, next_j + 1
    return changed, missing, extra


def _pair_rest(pairs: list[tuple[int, int]], left: range, right: range) -> _Rest:
    taken_left = {i for i, _ in pairs}
    taken_right = {j for _, j in pairs}
    return zip_rest(
        (i for i in left if i not in taken_left), (j for j in right if j not in taken_right)
    )


def zip_rest(left: Iterable[int], right: Iterable[int]) -> _Rest:
    """Pair two lists of positions in order; what the longer one has more stays alone."""
    one, other = list(left), list(right)
    width = min(len(one), len(other))
    return list(zip(one, other, strict=False)), one[width:], other[width:]
