"""The rollback latch: what starts a hold, what ends it, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.evaluate import combine
from flags.latch import NOT_HELD, Hold, Latch, Source
from flags.provider import NOTHING_SAID, Flag, FlagState
from flags.scope import ALL, group_scope, route_scope
from flags.shared import Mark, SharedState

LOCAL = [Source.SIGNAL, Source.SENTINEL, Source.LATCH]


def hold(scope: str = ALL, source: Source = Source.SIGNAL, **fields: object) -> Hold:
    return Hold(**{"scope": scope, "source": source, "reason": "try", **fields})  # type: ignore[arg-type]  # by name


def said(on: bool, revision: int, scope: str = ALL, **fields: object) -> SharedState:
    mark = Mark(**{"scope": scope, "on": on, "revision": revision, **fields})  # type: ignore[arg-type]  # by name
    return SharedState(revision=revision, marks={scope: mark})


def off(revision: int, scope: str = ALL) -> Mark:
    return Mark(scope=scope, on=False, revision=revision)


def seen(latch: Latch, rollback: bool | None, revision: int, origin: str = "file") -> Latch:
    state = FlagState(revision=revision, rollback=rollback)
    return latch.observe(state, now=1.0, source_name="flags.yaml", origin=origin)


def test_a_latch_without_holds_rolls_nothing_back() -> None:
    assert not NOT_HELD.rollback_all
    assert NOT_HELD.rollback_groups == frozenset()
    assert NOT_HELD.rollback_routes == frozenset()


def test_holds_say_what_is_rolled_back() -> None:
    latch = NOT_HELD.hear(said(True, 1)).hold(hold(group_scope("g"))).hold(hold(route_scope("r")))
    assert latch.rollback_all
    assert latch.rollback_groups == {"g"}
    assert latch.rollback_routes == {"r"}


def test_a_command_is_a_hold_with_its_reason_and_its_replica() -> None:
    latch = NOT_HELD.hear(said(True, 4, reason="INC-42", actor="ann", replica="shop-1", since=3.0))
    assert latch.holds == (
        Hold(
            scope=ALL,
            source=Source.COMMAND,
            reason="INC-42",
            actor="ann",
            since=3.0,
            revision=4,
            origin="shop-1",
        ),
    )


def test_a_command_is_not_a_hold_of_this_host() -> None:
    with pytest.raises(ValueError, match="as a mark"):
        NOT_HELD.hold(hold(source=Source.COMMAND))


@pytest.mark.parametrize("source", LOCAL)
def test_resume_lifts_what_people_started(source: Source) -> None:
    held = hold(source=source, revision=1)
    resumed = NOT_HELD.hold(held).resume(off(2))
    assert resumed.lifted == (held,)
    assert resumed.remaining == ()
    assert not resumed.latch.rollback_all


def test_resume_lifts_a_command() -> None:
    latch = NOT_HELD.hear(said(True, 1))
    resumed = latch.resume(off(2))
    assert resumed.lifted == latch.holds
    assert not resumed.latch.rollback_all


@pytest.mark.parametrize("source", LOCAL)
def test_a_resume_that_is_older_than_a_rollback_does_not_lift_it(source: Source) -> None:
    for revision in (4, 5):  # older, and just as old: toward legacy
        assert NOT_HELD.hold(hold(source=source, revision=5)).resume(off(revision)).lifted == ()
        assert NOT_HELD.hear(said(True, 5)).resume(off(revision)).lifted == ()


def test_a_resume_on_one_host_lifts_signals_of_all_of_them() -> None:
    latch = NOT_HELD.hold(hold(source=Source.SIGNAL, revision=5))
    assert not latch.hear(said(False, 6)).rollback_all


def test_a_rollback_that_a_later_resume_has_ended_is_not_started_by_an_old_signal() -> None:
    latch = NOT_HELD.hear(said(False, 6)).hear(said(True, 7, scope="route:r"))
    assert not latch.hold(hold(revision=5)).rollback_all
    assert latch.hold(hold(revision=6)).rollback_all


def test_the_next_word_is_newer_than_all_that_was_heard() -> None:
    latch = NOT_HELD.hear(said(True, 50)).hold(hold(revision=70))
    assert latch.next_revision(60) == 71
    assert latch.next_revision(100) == 100
    assert latch.hear(said(False, 200)).next_revision(60) == 201


def test_resume_leaves_other_scopes_and_names_them() -> None:
    latch = NOT_HELD.hold(hold(ALL)).hear(said(True, 1, route_scope("r")))
    resumed = latch.resume(off(2))
    assert [each.scope for each in resumed.remaining] == ["route:r"]
    assert resumed.remaining[0].how_to_lift() == "figway resume --route r"
    assert resumed.latch.rollback_routes == {"r"}


def test_resume_leaves_what_a_flag_started_and_says_how_that_ends() -> None:
    latch = seen(NOT_HELD.hear(said(True, 1)), True, 1)
    resumed = latch.resume(off(2))
    assert [each.source for each in resumed.lifted] == [Source.COMMAND]
    assert [each.source for each in resumed.remaining] == [Source.FLAG]
    assert resumed.latch.rollback_all
    assert resumed.remaining[0].how_to_lift() == (
        "set rollback to false where it was set (flags.yaml); if it is false there already, save it"
        " again: what is older than the rollback does not end it"
    )


def test_what_a_source_began_that_is_not_listened_to_any_more_ends_with_a_new_resume() -> None:
    held = seen(NOT_HELD.hear(said(False, 5_000_000)), True, 7, "unleash")
    assert held.resume(off(6_000_000)).lifted == ()
    orphan = replace(held, absent=frozenset({"unleash"}))
    [kept] = orphan.hear(said(False, 5_000_000)).local
    assert "figway resume --all (unleash, which began it" in orphan.how_to_lift(kept)
    again = replace(held.resume(off(6_000_000)).latch, absent=orphan.absent)
    assert again.hear(said(False, 6_000_000)).rollback_all, "it was resumed before"
    assert again.hear(said(False, 6_000_001, route_scope("r"))).rollback_all, "another scope"
    ended = again.resume(off(6_000_001))
    assert ended.lifted == (kept,)
    assert not ended.latch.rollback_all
    back = replace(ended.latch, absent=frozenset())
    assert seen(back, True, 7, "unleash").rollback_all, "it still says on"


def test_resume_leaves_a_sentinel_that_is_still_there_and_says_to_remove_it() -> None:
    latch = NOT_HELD.hold(hold(source=Source.SENTINEL, actor="/run/ROLLBACK", revision=1))
    kept = latch.resume(off(2), standing={(ALL, Source.SENTINEL)})
    assert kept.lifted == ()
    assert kept.latch.rollback_all
    assert "remove the sentinel file (/run/ROLLBACK)" in kept.remaining[0].how_to_lift()
    assert latch.resume(off(2)).lifted
    # Hearing of the same resume once more, when the file has gone, lifts nothing behind one's back.
    assert kept.latch.hear(said(False, 2)).rollback_all
    assert not kept.latch.hear(said(False, 3)).rollback_all


def test_resume_of_what_is_not_held_lifts_nothing() -> None:
    assert NOT_HELD.resume(off(1, group_scope("g"))).lifted == ()


def test_two_sources_hold_independently() -> None:
    latch = NOT_HELD.hold(hold(source=Source.SIGNAL)).hear(said(True, 1))
    assert len(latch.holds) == 2
    assert len(latch.resume(off(2)).lifted) == 2


def test_holding_again_at_one_revision_keeps_the_start_and_its_reason() -> None:
    latch = NOT_HELD.hold(hold(since=5.0, reason="first")).hold(hold(since=9.0, reason="second"))
    assert [(each.since, each.reason) for each in latch.holds] == [(5.0, "first")]


def test_a_flag_ends_only_by_the_same_flag_explicitly_off_in_a_newer_revision() -> None:
    latch = seen(NOT_HELD, True, 5)
    assert seen(latch, False, 6).rollback_all is False
    assert seen(latch, False, 5).rollback_all, "not newer"
    assert seen(latch, False, 4).rollback_all, "older"
    assert seen(latch, None, 6).rollback_all, "silent"
    lost = latch.observe(NOTHING_SAID, now=2.0, source_name="x", origin="file")
    assert lost.rollback_all, "lost"
    other = FlagState(revision=6, routes={"r": Flag(rollback=False)})
    another = latch.observe(other, now=2.0, source_name="x", origin="file")
    assert another.rollback_all, "another flag"


def test_a_flag_of_one_source_does_not_end_what_the_same_flag_of_another_started() -> None:
    latch = seen(seen(NOT_HELD, True, 5, "unleash"), True, 900, "file")
    latch = seen(latch, False, 901, "file")
    assert [each.origin for each in latch.holds] == ["unleash"]
    assert "turn figway-rollback off in Unleash" in latch.holds[0].how_to_lift()
    assert not seen(latch, False, 6, "unleash").rollback_all


def test_the_newest_revision_of_a_source_is_known_by_its_own_count() -> None:
    latch = seen(seen(seen(NOT_HELD, True, 5, "unleash"), False, 900, "file"), True, 901, "file")
    assert (latch.newest_flag("file"), latch.newest_flag("unleash")) == (901, 5)
    assert latch.newest_flag("redis") == 0


def test_a_flag_that_stays_on_keeps_its_start() -> None:
    latch = seen(NOT_HELD, True, 5)
    later = FlagState(revision=6, rollback=True)
    latch = latch.observe(later, now=99.0, source_name="flags.yaml", origin="file")
    assert [(each.since, each.revision) for each in latch.holds] == [(1.0, 6)]


def test_a_flag_that_says_off_does_not_lift_what_people_started() -> None:
    assert seen(NOT_HELD.hear(said(True, 1)), False, 9).rollback_all


def test_an_old_on_that_arrives_late_does_not_start_a_rollback_that_is_over() -> None:
    latch = seen(seen(NOT_HELD, True, 5), False, 6)
    assert not seen(latch, True, 5).rollback_all
    assert seen(latch, True, 7).rollback_all


def test_groups_and_routes_have_flags_of_their_own() -> None:
    on = FlagState(revision=1, groups={"g": Flag(rollback=True)}, routes={"r": Flag(rollback=True)})
    latch = NOT_HELD.observe(on, now=1.0, source_name="flags.yaml", origin="file")
    assert (latch.rollback_groups, latch.rollback_routes) == ({"g"}, {"r"})
    no_group = FlagState(revision=2, groups={"g": Flag(rollback=False)}, routes={})
    latch = latch.observe(no_group, now=2.0, source_name="flags.yaml", origin="file")
    assert (latch.rollback_groups, latch.rollback_routes) == (frozenset(), {"r"})
    assert "set the rollback of route:r to false" in latch.holds[0].how_to_lift()


def test_a_flag_in_unleash_is_named_as_it_is_called_there() -> None:
    on = FlagState(revision=1, groups={"purchase": Flag(rollback=True)})
    latch = NOT_HELD.observe(on, now=1.0, source_name="http://unleash:4242", origin="unleash")
    assert latch.holds[0].how_to_lift() == (
        "turn figway-rollback-purchase off in Unleash (http://unleash:4242)"
    )


@pytest.mark.parametrize("scope", ["", "everything", "group:"])
def test_an_unknown_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="must be all"):
        NOT_HELD.hold(hold(scope))
    with pytest.raises(ValueError, match="must be all"):
        NOT_HELD.resume(off(1, scope))


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
    source=st.sampled_from(LOCAL),
    reason=st.sampled_from(["a", "b"]),
    since=st.floats(0, 10),
    revision=st.integers(0, 6),
)
_WORDS = st.builds(said, st.booleans(), st.integers(0, 6), _SCOPES)
Event = Hold | FlagState | SharedState
_EVENTS = st.lists(st.one_of(_HOLDS, _states(), _WORDS), max_size=10)


def _apply(latch: Latch, event: Event) -> Latch:
    if isinstance(event, Hold):
        return latch.hold(event)
    if isinstance(event, SharedState):
        return latch.hear(event)
    origin = "file" if event.revision % 2 else "unleash"
    return latch.observe(event, now=0.0, source_name="flags", origin=origin)


@given(_EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_of_events_does_not_matter(
    orders: tuple[list[Event], list[Event]],
) -> None:
    one, other = (reduce(_apply, order, NOT_HELD) for order in orders)
    assert one == other


@given(_EVENTS)
def test_hearing_an_event_again_changes_nothing(events: list[Event]) -> None:
    once = reduce(_apply, events, NOT_HELD)
    assert reduce(_apply, events, once) == once


@given(_EVENTS, st.lists(_states(), max_size=6))
def test_no_flag_source_ever_ends_what_people_started(
    events: list[Event], flags: list[FlagState]
) -> None:
    before = reduce(_apply, events, NOT_HELD)
    after = reduce(_apply, flags, before)
    by_people = [each for each in before.holds if each.source is not Source.FLAG]
    assert [each for each in after.holds if each.source is not Source.FLAG] == by_people


@given(_EVENTS, _states())
def test_whatever_holds_is_rolled_back_whatever_the_source_says(
    events: list[Event], flags: FlagState
) -> None:
    latch = reduce(_apply, events, NOT_HELD)
    snapshot = combine(flags, latch, revision=1)
    assert snapshot.rollback_all >= latch.rollback_all
    assert snapshot.rollback_groups >= latch.rollback_groups
    assert snapshot.rollback_routes >= latch.rollback_routes


@given(_EVENTS, _WORDS)
def test_only_a_newer_word_on_the_same_scope_ends_what_people_started(
    events: list[Event], word: SharedState
) -> None:
    before = reduce(_apply, events, NOT_HELD)
    still = {hold.key for hold in before.hear(word).holds}
    (mark,) = word.marks.values()
    for hold in before.holds:
        if hold.key not in still:
            assert hold.source is not Source.FLAG
            assert (hold.scope, mark.on) == (mark.scope, False)
            assert mark.revision > hold.revision
