"""Words as fields of a hash: they come back as they were, and the newer one wins everywhere."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.redis.words import MAX_REVISION, NO_FIELDS, Fields, missing, read_fields, with_news
from flags.shared import NOTHING_SHARED, Mark, Share, SharedState, merge

TEXTS = st.text(max_size=8, alphabet=st.characters(codec="utf-8"))
SCOPES = st.sampled_from(["all", "group:purchase", "route:product-page", "route:ü:*"])
REVISIONS = st.integers(0, 4) | st.integers(0, MAX_REVISION)
MARKS = st.builds(
    Mark,
    scope=SCOPES,
    on=st.booleans(),
    revision=REVISIONS,
    reason=TEXTS,
    actor=TEXTS,
    replica=TEXTS,
    since=st.floats(0, 4e9),
)
SHARES = st.builds(
    Share,
    scope=SCOPES.filter(lambda scope: scope != "all"),
    basis_points=st.integers(0, 10_000),
    revision=REVISIONS,
    actor=TEXTS,
    replica=TEXTS,
)


def _state(marks: list[Mark], shares: list[Share]) -> SharedState:
    state = NOTHING_SHARED
    for mark in marks:
        state = merge(state, SharedState(revision=mark.revision, marks={mark.scope: mark}))
    for share in shares:
        state = merge(state, SharedState(revision=share.revision, shares={share.scope: share}))
    return state


STATES = st.builds(_state, st.lists(MARKS, max_size=4), st.lists(SHARES, max_size=4))


def restored(fields: Fields, held: SharedState) -> Fields:
    """What RESTORE makes of a hash: each field that is still as expected is replaced."""
    texts = dict(fields.texts)
    for name, expected, text in missing(held, fields):
        assert texts.get(name, "") == expected
        texts[name] = text
    texts["rev"] = str(max(held.revision, fields.revision))
    return read_fields(texts)


@given(STATES)
def test_what_is_written_is_read_again(state: SharedState) -> None:
    fields = restored(NO_FIELDS, state)
    assert fields.state == state
    assert not fields.damaged
    assert not missing(state, fields)


@given(STATES, STATES)
def test_a_restored_store_holds_what_both_know(there: SharedState, held: SharedState) -> None:
    fields = restored(restored(NO_FIELDS, there), held)
    assert fields.state == merge(there, held)
    assert not missing(held, fields)
    assert not missing(there, fields)


@given(st.lists(STATES, max_size=4), st.randoms())
def test_replicas_restore_a_store_to_the_same_in_any_order(
    states: list[SharedState], random: object
) -> None:
    fields = NO_FIELDS
    for state in states:
        fields = restored(fields, state)
    other = NO_FIELDS
    for state in sorted(states, key=lambda _: random.random()):  # type: ignore[attr-defined]  # hypothesis types it so
        other = restored(other, state)
    assert other.state == fields.state


@given(st.lists(STATES, max_size=4), STATES)
def test_news_in_any_order_and_again_come_to_the_same(
    states: list[SharedState], before: SharedState
) -> None:
    told = [restored(NO_FIELDS, state) for state in states]
    first = last = restored(NO_FIELDS, before)
    for news in told:
        first = with_news(first, news.texts, news.revision)
    for news in (*reversed(told), *told):
        last = with_news(last, news.texts, news.revision)
    assert first.state == last.state
    for state in (*states, before):
        assert merge(first.state, state) == first.state


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("rollback:all", "", id="empty"),
        pytest.param("rollback:all", "5", id="no-body"),
        pytest.param("rollback:all", '{"on":true}', id="no-revision"),
        pytest.param("rollback:all", '-5 {"on":true}', id="negative-revision"),
        pytest.param("rollback:all", f'{2**53} {{"on":true}}', id="revision-beyond-lua"),
        pytest.param("rollback:all", '5 {"on":1}', id="on-is-a-number"),
        pytest.param("rollback:all", '5 {"on":"true"}', id="on-is-text"),
        pytest.param("rollback:all", "5 []", id="no-object"),
        pytest.param("rollback:all", '5 {"on":true,"since":"x"}', id="since-in-letters"),
        pytest.param("rollback:everything", '5 {"on":true}', id="scope"),
        pytest.param("percent:all", '5 {"basis_points":1}', id="percent-of-all"),
        pytest.param("percent:route:x", '5 {"basis_points":10001}', id="percent-too-high"),
        pytest.param("percent:route:x", '5 {"basis_points":1.5}', id="percent-with-a-point"),
        pytest.param("percent:route:x", '5 {"basis_points":true}', id="percent-is-truth"),
        pytest.param("rev", "x", id="the-revision-itself"),
        pytest.param("rollback:all", "5 " + "[" * 5000, id="deep"),
    ],
)
def test_a_word_that_cannot_be_read_is_none_and_is_told(name: str, text: str) -> None:
    fields = read_fields({name: text, "percent:route:y": '3 {"basis_points":7}'})
    assert fields.damaged == (name,)
    assert not fields.state.marks
    assert fields.state.shares == {"route:y": Share(scope="route:y", basis_points=7, revision=3)}
    assert fields.state.revision == 3


@pytest.mark.parametrize(
    "held",
    [
        SharedState(revision=1, marks={"all": Mark(scope="all", on=False, revision=1)}),
        SharedState(
            revision=1, shares={"route:x": Share(scope="route:x", basis_points=1, revision=1)}
        ),
    ],
    ids=["mark", "share"],
)
def test_what_cannot_be_read_is_written_over_by_who_knows_better(held: SharedState) -> None:
    texts = {"rollback:all": "junk", "percent:route:x": "7 junk"}
    fields = restored(Fields(texts=MappingProxyType(texts)), held)
    assert merge(fields.state, held) == fields.state
    assert len(fields.damaged) == 1
