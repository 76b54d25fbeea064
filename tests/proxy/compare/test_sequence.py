"""Changes between two sequences: they turn one into the other, and stand where they fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.sequence import Change, changes, settled

# Few letters, so that much occurs twice.
LETTERS = st.lists(st.sampled_from("abc"), max_size=30)


def applied(found: Sequence[Change], legacy: Sequence[str], new: Sequence[str]) -> list[str]:
    """Legacy with its changes made; what stands between them must be equal."""
    result: list[str] = []
    i = j = 0
    for change in found:
        assert legacy[i : change.start] == new[j : change.new_start]
        assert (change.start, change.new_start) >= (i, j), "in order, and none within another"
        result += legacy[i : change.start]
        result += new[change.new_start : change.new_stop]
        i, j = change.stop, change.new_stop
    assert legacy[i:] == new[j:]
    return [*result, *legacy[i:]]


@given(LETTERS, LETTERS)
def test_changes_turn_one_into_the_other(legacy: list[str], new: list[str]) -> None:
    found = changes(legacy, new)
    assert applied(found, legacy, new) == new
    assert bool(found) == (legacy != new)


@given(LETTERS, LETTERS, st.integers(1, 5), st.integers(1, 5))
def test_they_still_do_where_they_were_moved(
    legacy: list[str], new: list[str], every: int, new_every: int
) -> None:
    found = settled(
        changes(legacy, new),
        legacy,
        new,
        lambda start, stop: start % every == 0,
        lambda start, stop: start % new_every == 0,
    )
    assert applied(found, legacy, new) == new


@pytest.mark.parametrize(
    ("legacy", "new", "fitting", "moved"),
    [
        pytest.param("xabab", "xab", (1, 3), Change(1, 3, 1, 1), id="a removal, backwards"),
        pytest.param("xababy", "xaby", (3, 5), Change(3, 5, 3, 3), id="a removal, forwards"),
        pytest.param("xab", "xabab", (1, 3), Change(1, 1, 1, 3), id="an addition"),
        pytest.param("xab", "xaab", (9, 9), Change(2, 2, 2, 3), id="where nothing fits it stays"),
        pytest.param("xaby", "xcdy", (0, 2), Change(1, 3, 1, 3), id="a change is not moved"),
    ],
)
def test_what_is_only_removed_or_added_is_put_where_it_fits(
    legacy: str, new: str, fitting: tuple[int, int], moved: Change
) -> None:
    def fits(start: int, stop: int) -> bool:
        return (start, stop) == fitting

    [found] = settled(changes(legacy, new), legacy, new, fits, fits)
    assert found == moved
