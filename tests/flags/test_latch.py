"""The rollback latch: what starts a hold, what ends it, and that nothing else does."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.evaluate import combine
from flags.latch import NOT_HELD, Hold, Latch, Source
from flags.provider import NOTHING_SAID, Flag, FlagState
from flags.scope import ALL, group_scope, route_scope

RESUMABLE = [Source.COMMAND, Source.SIGNAL, Source.SENTINEL, Source.LATCH]


def hold(scope: str = ALL, source: Source = Source.COMMAND, **fields: object) -> Hold:
    return Hold(**{"scope": scope, "source": source, "reason": "try", **fields})  # type: ignore[arg-type]  # by name


def seen(latch: Latch, rollback: bool | None, revision: int) -> Latch:
    state = FlagState(revision=revision, rollback=rollback)
    return latch.observe(state, now=1.0, source_name="flags.yaml")


def test_a_latch_without_holds_rolls_nothing_back() -> None:
    assert not NOT_HELD.rollback_all
    assert NOT_HELD.rollback_groups == frozenset()
    assert NOT_HELD.rollback_routes == frozenset()


def test_holds_say_what_is_rolled_back() -> None:
    latch = NOT_HELD.hold(hold(ALL)).hold(hold(group_scope("g"))).hold(hold(route_scope("r")))
    assert latch.rollback_all
    assert latch.rollback_groups == {"g"}
    assert latch.rollback_routes == {"r"}


@pytest.mark.parametrize("source", RESUMABLE)
def test_resume_lifts_what_people_started(source: Source) -> None:
    held = hold(source=source)
    resumed = NOT_HELD.hold(held).resume(ALL)
    assert resumed.lifted == (held,)
    assert resumed.remaining == ()
    assert not resumed.latch.rollback_all


def test_resume_leaves_other_scopes_and_names_them() -> None:
    latch = NOT_HELD.hold(hold(ALL)).hold(hold(route_scope("r")))
    resumed = latch.resume(ALL)
    assert [each.scope for each in resumed.remaining] == ["route:r"]
    assert resumed.remaining[0].how_to_lift() == "figway resume --route r"
    assert resumed.latch.rollback_routes == {"r"}


def test_resume_leaves_what_a_flag_started_and_says_how_that_ends() -> None:
    latch = seen(NOT_HELD.hold(hold(ALL)), True, 1)
    resumed = latch.resume(ALL)
    assert [each.source for each in resumed.lifted] == [Source.COMMAND]
    assert [each.source for each in resumed.remaining] == [Source.FLAG]
    assert resumed.latch.rollback_all
    assert resumed.remaining[0].how_to_lift() == (
        "set rollback to false where it was set (flags.yaml); if it is false there already, save it"
        " again: what is older than the rollback does not end it"
    )


def test_resume_leaves_a_sentinel_that_is_still_there_and_says_to_remove_it() -> None:
    latch = NOT_HELD.hold(hold(source=Source.SENTINEL, actor="/run/ROLLBACK"))
    kept = latch.resume(ALL, asserted={(ALL, Source.SENTINEL)})
    assert kept.lifted == ()
    assert kept.latch.rollback_all
    assert "remove the sentinel file (/run/ROLLBACK)" in kept.remaining[0].how_to_lift()
    assert latch.resume(ALL).lifted


def test_resume_of_what_is_not_held_lifts_nothing() -> None:
    assert NOT_HELD.resume(group_scope("g")).lifted == ()


def test_two_sources_hold_independently() -> None:
    latch = NOT_HELD.hold(hold(source=Source.SIGNAL)).hold(hold(source=Source.COMMAND))
    assert len(latch.holds) == 2
    assert len(latch.resume(ALL).lifted) == 2


def test_holding_again_keeps_the_start_and_its_reason() -> None:
    latch = NOT_HELD.hold(hold(since=5.0, reason="first")).hold(hold(since=9.0, reason="second"))
    assert [(each.since, each.reason) for each in latch.holds] == [(5.0, "first")]


def test_a_flag_ends_only_by_the_same_flag_explicitly_off_in_a_newer_revision() -> None:
    latch = seen(NOT_HELD, True, 5)
    assert seen(latch, False, 6).rollback_all is False
    assert seen(latch, False, 5).rollback_all, "not newer"
    assert seen(latch, False, 4).rollback_all, "older"
    assert seen(latch, None, 6).rollback_all, "silent"
    assert latch.observe(NOTHING_SAID, now=2.0, source_name="x").rollback_all, "lost"
    other = FlagState(revision=6, routes={"r": Flag(rollback=False)})
    assert latch.observe(other, now=2.0, source_name="x").rollback_all, "another flag"


def test_a_flag_that_says_off_does_not_lift_what_people_started() -> None:
    assert seen(NOT_HELD.hold(hold(ALL)), False, 9).rollback_all


def test_an_old_on_that_arrives_late_does_not_start_a_rollback_that_is_over() -> None:
    latch = seen(seen(NOT_HELD, True, 5), False, 6)
    assert not seen(latch, True, 5).rollback_all
    assert seen(latch, True, 7).rollback_all


def test_groups_and_routes_have_flags_of_their_own() -> None:
    on = FlagState(revision=1, groups={"g": Flag(rollback=True)}, routes={"r": Flag(rollback=True)})
    latch = NOT_HELD.observe(on, now=1.0, source_name="flags.yaml")
    assert (latch.rollback_groups, latch.rollback_routes) == ({"g"}, {"r"})
    off = FlagState(revision=2, groups={"g": Flag(rollback=False)}, routes={})
    latch = latch.observe(off, now=2.0, source_name="flags.yaml")
    assert (latch.rollback_groups, latch.rollback_routes) == (frozenset(), {"r"})
    assert "set the rollback of route:r to false" in latch.holds[0].how_to_lift()


@pytest.mark.parametrize("scope", ["", "everything", "group:"])
def test_an_unknown_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="must be all"):
        NOT_HELD.hold(hold(scope))
    with pytest.raises(ValueError, match="must be all"):
        NOT_HELD.resume(scope)


# What must hold for every order of events.

_SCOPES = st.sampled_from([ALL, "group:g", "route:r"])
_ON_OFF = st.sampled_from([True, False, None])


@st.composite
def _states(draw: st.DrawFn) -> FlagState:
    return FlagState(
        revision=draw(st.integers(0, 6)),
        rollback=draw(_ON_OFF),
        groups={"g": Flag(rollback=draw(_ON_OFF))},
        routes={"r": Flag(rollback=draw(_ON_OFF), basis_points=draw(st.integers(0, 10_000)))},
    )


_HOLDS = st.builds(
    Hold,
    scope=_SCOPES,
    source=st.sampled_from(RESUMABLE),
    reason=st.sampled_from(["a", "b"]),
    since=st.floats(0, 10),
)
_EVENTS = st.lists(st.one_of(_HOLDS, _states()), max_size=10)


def _apply(latch: Latch, event: Hold | FlagState) -> Latch:
    if isinstance(event, Hold):
        return latch.hold(event)
    return latch.observe(event, now=0.0, source_name="flags.yaml")


@given(_EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_of_events_does_not_matter(
    orders: tuple[list[Hold | FlagState], list[Hold | FlagState]],
) -> None:
    one, other = (reduce(_apply, order, NOT_HELD) for order in orders)
    assert one == other


@given(_EVENTS)
def test_hearing_an_event_again_changes_nothing(events: list[Hold | FlagState]) -> None:
    once = reduce(_apply, events, NOT_HELD)
    assert reduce(_apply, events, once) == once


@given(_EVENTS, st.lists(_states(), max_size=6))
def test_no_flag_source_ever_ends_what_people_started(
    events: list[Hold | FlagState], said: list[FlagState]
) -> None:
    before = reduce(_apply, events, NOT_HELD)
    after = reduce(_apply, said, before)
    by_people = [each for each in before.holds if each.source is not Source.FLAG]
    assert [each for each in after.holds if each.source is not Source.FLAG] == by_people


@given(_EVENTS, _states())
def test_whatever_holds_is_rolled_back_whatever_the_source_says(
    events: list[Hold | FlagState], said: FlagState
) -> None:
    latch = reduce(_apply, events, NOT_HELD)
    snapshot = combine(said, latch, revision=1)
    assert snapshot.rollback_all >= latch.rollback_all
    assert snapshot.rollback_groups >= latch.rollback_groups
    assert snapshot.rollback_routes >= latch.rollback_routes
