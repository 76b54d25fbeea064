"""The state that replicas share: merged in any order, it comes out the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flags.shared import NOTHING_SHARED, Mark, Share, SharedState, merge

SCOPES = st.sampled_from(["all", "group:purchase", "route:product-page"])
NAMES = st.sampled_from(["", "a", "b"])
MARKS = st.builds(
    Mark,
    scope=SCOPES,
    on=st.booleans(),
    revision=st.integers(1, 5),
    reason=NAMES,
    actor=NAMES,
    replica=NAMES,
    since=st.sampled_from([0.0, 1.0]),
)
SHARES = st.builds(
    Share,
    scope=SCOPES,
    basis_points=st.sampled_from([0, 500, 10_000]),
    revision=st.integers(1, 5),
    actor=NAMES,
    replica=NAMES,
)


def _state(marks: list[Mark], shares: list[Share]) -> SharedState:
    state = NOTHING_SHARED
    for mark in marks:
        state = merge(state, SharedState(revision=mark.revision, marks={mark.scope: mark}))
    for share in shares:
        state = merge(state, SharedState(revision=share.revision, shares={share.scope: share}))
    return state


STATES = st.builds(_state, st.lists(MARKS, max_size=4), st.lists(SHARES, max_size=4))


@given(STATES, STATES, STATES)
def test_states_merge_the_same_in_any_order_and_any_grouping(
    one: SharedState, two: SharedState, three: SharedState
) -> None:
    assert merge(one, two) == merge(two, one)
    assert merge(one, merge(two, three)) == merge(merge(one, two), three)


@given(STATES, STATES)
def test_hearing_the_same_again_changes_nothing(one: SharedState, two: SharedState) -> None:
    both = merge(one, two)
    assert merge(both, one) == both
    assert merge(both, both) == both


@given(STATES, STATES)
def test_nothing_goes_backwards(one: SharedState, two: SharedState) -> None:
    both = merge(one, two)
    assert both.revision >= max(one.revision, two.revision)
    for scope, mark in (*one.marks.items(), *two.marks.items()):
        assert both.marks[scope].revision >= mark.revision
    for scope, share in (*one.shares.items(), *two.shares.items()):
        assert both.shares[scope].revision >= share.revision


def test_at_one_revision_the_word_toward_legacy_wins() -> None:
    on = Mark(scope="all", on=True, revision=7)
    off = Mark(scope="all", on=False, revision=7, since=99.0, replica="z")
    small = Share(scope="route:a", basis_points=100, revision=7)
    large = Share(scope="route:a", basis_points=900, revision=7, replica="z")
    one = SharedState(revision=7, marks={"all": on}, shares={"route:a": large})
    other = SharedState(revision=7, marks={"all": off}, shares={"route:a": small})
    both = merge(one, other)
    assert both.marks["all"] is on
    assert both.shares["route:a"] is small
