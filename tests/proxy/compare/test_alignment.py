"""Which elements of two lists belong together."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.alignment import align, common_ends
from tests.proxy.compare.pairs import compare_values

LISTS = st.lists(st.integers(0, 6), max_size=12)


@pytest.mark.parametrize(
    ("legacy", "new", "changed", "missing", "extra", "moved"),
    [
        pytest.param("abc", "abc", (), (), (), None, id="equal"),
        pytest.param("abc", "abxc", (), (), (2,), None, id="inserted"),
        pytest.param("abc", "ac", (), (1,), (), None, id="removed"),
        pytest.param("abc", "axc", ((1, 1),), (), (), None, id="changed"),
        pytest.param("abc", "cba", (), (), (), (2, 0), id="reversed"),
        pytest.param("abcde", "axbcd", (), (4,), (1,), None, id="inserted-and-removed"),
        pytest.param("", "ab", (), (), (0, 1), None, id="from-nothing"),
        pytest.param("aab", "ab", (), (1,), (), None, id="one-of-two-equal-ones"),
        pytest.param("abac", "bad", ((3, 2),), (0,), (), None, id="the-later-of-two-equal-ones"),
    ],
)
def test_elements_are_aligned(
    legacy: str,
    new: str,
    changed: tuple[tuple[int, int], ...],
    missing: tuple[int, ...],
    extra: tuple[int, ...],
    moved: tuple[int, int] | None,
) -> None:
    found = align(legacy, new)
    assert (found.changed, found.missing, found.extra) == (changed, missing, extra)
    assert (found.moved is None) == (moved is None)


@given(LISTS, LISTS)
def test_every_element_has_one_place(legacy: list[int], new: list[int]) -> None:
    found = align(legacy, new)
    begin, end = common_ends(legacy, new)
    ends = range(begin), range(len(legacy) - end, len(legacy))
    left = Counter(
        [i for i, _ in (*found.same, *found.changed)] + [*found.missing, *ends[0], *ends[1]]
    )
    right = Counter(
        [j for _, j in (*found.same, *found.changed)]
        + [*found.extra, *range(begin), *range(len(new) - end, len(new))]
    )
    assert left == Counter(range(len(legacy)))
    assert right == Counter(range(len(new)))
    assert all(legacy[i] == new[j] for i, j in found.same)


@given(LISTS, st.integers(0, 12), st.integers(7, 9))
def test_one_inserted_element_is_one_extra_element(
    legacy: list[int], position: int, value: int
) -> None:
    position = min(position, len(legacy))
    found = align(legacy, [*legacy[:position], value, *legacy[position:]])
    assert found.extra == (position,)
    assert (found.changed, found.missing, found.moved) == ((), (), None)


def calls_of(work: Callable[[], object]) -> int:
    """How many calls, of Python and of C, some work takes."""
    count = 0

    def count_one(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_one)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def product(number: int, shift: int) -> dict[str, object]:
    return {"id": number, "v": [number + shift, {"at": f"2026-01-05T1{shift}:00:00Z"}]}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda n: [product(k, 1) for k in range(n)], id="every-element"),
        pytest.param(lambda n: [product(k, 0) for k in range(n)][::-1], id="reversed"),
        pytest.param(lambda n: [product(k + n, 0) for k in range(n)], id="other-elements"),
        pytest.param(lambda n: [product(k, 0) for k in range(n // 2)], id="half"),
        pytest.param(lambda n: [{"x": product(k, 0)} for k in range(n)], id="other-objects"),
        pytest.param(lambda n: {str(k): k for k in range(n)}, id="object"),
    ],
)
def test_work_grows_with_the_size_and_no_faster(change: Callable[[int], object]) -> None:
    def work(size: int) -> int:
        legacy, new = [product(k, 0) for k in range(size)], change(size)
        return calls_of(lambda: compare_values(legacy, new))

    assert work(1600) < 4.6 * work(400)
