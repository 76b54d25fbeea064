"""Several sources as one: who says what, and that no source hides another's rollback."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flags.layers import of_shares, overlay
from flags.provider import NOTHING_SAID, Flag, FlagState
from flags.rule import Rule
from flags.shared import Mark, Share, SharedState

RULE = Rule(flag="figway-a")
FLAGS = st.builds(
    Flag,
    basis_points=st.sampled_from([None, 0, 500]),
    rollback=st.sampled_from([None, False, True]),
)
STATES = st.builds(
    FlagState,
    revision=st.integers(0, 3),
    rollback=st.sampled_from([None, False, True]),
    groups=st.dictionaries(st.sampled_from("gh"), FLAGS),
    routes=st.dictionaries(st.sampled_from("ab"), FLAGS),
)


def test_what_the_provider_speaks_of_it_says_and_the_file_says_the_rest() -> None:
    provider = FlagState(revision=9, routes={"a": Flag(basis_points=0), "b": Flag(rollback=False)})
    file = FlagState(
        revision=5, routes={name: Flag(basis_points=700, line=3) for name in ("a", "b", "c")}
    )
    both = overlay(provider, file)
    assert both.revision == 9
    assert {name: flag.basis_points for name, flag in both.routes.items()} == {
        "a": 0,
        "b": 700,
        "c": 700,
    }


def test_a_rule_and_a_percentage_never_come_from_two_sources() -> None:
    ruled = FlagState(routes={"a": Flag(rule=RULE)})
    shared = FlagState(routes={"a": Flag(basis_points=700)})
    assert overlay(ruled, shared).routes["a"] == Flag(rule=RULE)
    assert overlay(shared, ruled).routes["a"] == Flag(basis_points=700)


@given(STATES, STATES)
def test_a_rollback_that_either_asks_for_is_one(above: FlagState, below: FlagState) -> None:
    said = overlay(above, below).rollbacks()
    for scope, on in (*above.rollbacks().items(), *below.rollbacks().items()):
        assert said[scope] >= on


@given(STATES)
def test_a_source_that_says_nothing_changes_nothing(state: FlagState) -> None:
    assert overlay(state, NOTHING_SAID) == state
    assert overlay(NOTHING_SAID, state).rollbacks() == state.rollbacks()
    assert overlay(NOTHING_SAID, state).routes == state.routes


def test_shares_become_percentages_and_marks_do_not() -> None:
    shared = SharedState(
        revision=9,
        marks={"all": Mark(scope="all", on=True, revision=9)},
        shares={
            "group:g": Share(scope="group:g", basis_points=100, revision=4),
            "route:a": Share(scope="route:a", basis_points=250, revision=7),
        },
    )
    state = of_shares(shared)
    assert state == FlagState(
        revision=7,
        groups={"g": Flag(basis_points=100)},
        routes={"a": Flag(basis_points=250)},
    )
