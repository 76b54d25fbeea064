"""What an answer may change of what is held, as rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.provider import Flag
from flags.unleash.answers import EPOCH, Held, Judged, Names, Outcome, judge, read_again

NAMES = Names(groups=("purchase",), routes=("a", "b", "c", "d"))
OURS = ("figway-a", "figway-b", "figway-c", "figway-d", "figway-purchase")


def feature(name: str, percent: int, *, enabled: bool = True) -> dict[str, Any]:
    parameters = {
        "rollout": str(percent),
        "groupId": name.removeprefix("figway-"),
        "stickiness": "default",
    }
    strategy = {"name": "flexibleRollout", "parameters": parameters, "constraints": []}
    return {"name": name, "enabled": enabled, "strategies": [strategy]}


def answer(revision: int, *features: dict[str, Any]) -> str:
    said: dict[str, Any] = {"version": 2, "features": list(features)}
    if revision:
        said["meta"] = {"revisionId": revision}
    return json.dumps(said)


def taken(text: str, held: Held | None = None, **more: Any) -> Held:
    judged = judge(held, text, NAMES, **more)
    assert judged.held is not None
    assert not judged.reason
    return judged.held


def percent(judged: Judged | Held, name: str) -> int | None:
    flags = {**judged.state.groups, **judged.state.routes}
    return flags.get(name, Flag()).basis_points


def test_the_same_answer_again_changes_nothing() -> None:
    text = answer(7, feature("figway-a", 5))
    held = taken(text)
    judged = judge(held, text, NAMES)
    assert judged.outcome is Outcome.UNCHANGED
    assert judged.state == held.state


def test_other_content_at_the_same_revision_is_taken() -> None:
    """Unleash does not raise its revision for every change."""
    held = taken(answer(7, feature("figway-a", 5)))
    judged = judge(held, answer(7, feature("figway-a", 6)), NAMES)
    assert judged.outcome is Outcome.CHANGED
    assert percent(judged, "a") == 600
    assert judged.state.revision == 8


def test_what_came_later_at_the_same_revision_is_newer_and_the_next_revision_newer_still() -> None:
    held, seen = None, []
    for theirs, share in ((7, 5), (7, 6), (7, 6), (7, 7), (8, 7), (8, 5), (9, 5), (7, 5), (9, 5)):
        judged = judge(held, answer(theirs, feature("figway-a", share)), NAMES)
        held = judged.held
        seen.append((judged.outcome.value, judged.state.revision))
    assert seen == [
        ("changed", 7),
        ("changed", 8),
        ("unchanged", 8),
        ("changed", 9),
        ("changed", 10),
        ("changed", 11),
        ("changed", 12),
        ("older", 12),
        ("unchanged", 12),
    ]


def test_a_server_that_counts_milliseconds_is_followed_and_never_back() -> None:
    now = 1_795_385_398_137
    held = taken(answer(now, feature("figway-a", 5)))
    assert judge(held, answer(now, feature("figway-a", 5)), NAMES).outcome is Outcome.UNCHANGED
    later = judge(held, answer(now + 9, feature("figway-a", 6)), NAMES)
    assert later.state.revision == held.state.revision + 9
    back = judge(later.held, answer(now + 8, feature("figway-a", 5)), NAMES)
    assert back.outcome is Outcome.OLDER
    assert f"older than {now + 9}" in back.reason
    accepted = judge(later.held, answer(now, feature("figway-a", 5)), NAMES, accept=True)
    assert accepted.state.revision > later.state.revision
    again = judge(accepted.held, answer(now, feature("figway-a", 5)), NAMES)
    assert again.outcome is Outcome.UNCHANGED


@pytest.mark.parametrize(
    ("known", "theirs", "accept", "expected"),
    [
        pytest.param(0, 1, False, 1, id="the first answer"),
        pytest.param(40, 41, False, 41, id="newer"),
        pytest.param(40, 40, False, 40, id="the same"),
        pytest.param(40, 39, False, None, id="older"),
        pytest.param(40, 39, True, EPOCH + 39, id="older, accepted"),
        pytest.param(40, 41, True, 41, id="newer needs no epoch"),
        pytest.param(EPOCH + 39, 40, False, EPOCH + 40, id="newer in its epoch"),
        pytest.param(EPOCH + 39, 38, False, None, id="older in its epoch"),
        pytest.param(3 * EPOCH, 1, False, 3 * EPOCH + 1, id="the first of its epoch"),
    ],
)
def test_revisions_only_rise(known: int, theirs: int, accept: bool, expected: int | None) -> None:
    judged = judge(None, answer(theirs, feature("figway-a", 5)), NAMES, newest=known, accept=accept)
    if expected is None:
        assert judged.outcome is Outcome.OLDER
        assert "figway reload" in judged.reason
    else:
        assert judged.state.revision == expected


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        pytest.param(1, 0, True, id="all"),
        pytest.param(2, 1, False, id="half"),
        pytest.param(3, 1, True, id="more than half"),
        pytest.param(5, 3, False, id="less than half"),
        pytest.param(5, 2, True, id="3 of 5"),
    ],
)
def test_an_answer_may_lose_half_of_our_flags_but_not_more(
    before: int, now: int, refused: bool
) -> None:
    other = feature("newsletter", 1)
    held = taken(answer(7, other, *(feature(name, 5) for name in OURS[:before])))
    judged = judge(held, answer(8, other, *(feature(n, 6) for n in OURS[:now])), NAMES)
    assert (judged.outcome is Outcome.REJECTED) == refused
    assert bool(judged.reason) == refused
    lost = OURS[before - 1].removeprefix("figway-")
    assert percent(judged, lost) == 500


def test_an_operator_may_accept_a_loss_and_even_an_empty_list() -> None:
    held = taken(answer(7, *(feature(name, 5) for name in OURS)))
    judged = judge(held, answer(8), NAMES, accept=True)
    assert judged.outcome is Outcome.CHANGED
    assert judged.held is not None
    assert set(judged.held.silent) == {"route:a", "route:b", "route:c", "route:d", "group:purchase"}
    assert percent(judged, "a") == 500


def test_an_answer_for_another_environment_is_not_ours() -> None:
    def of(environment: str, revision: int) -> str:
        said = json.loads(answer(revision, feature("figway-a", revision)))
        return json.dumps({**said, "query": {"environment": environment}})

    held = taken(of("production", 7))
    judged = judge(held, of("development", 8), NAMES)
    assert judged.outcome is Outcome.REJECTED
    assert "environment development" in judged.reason
    assert percent(judged, "a") == 700
    # A server that does not say is believed.
    assert percent(taken(answer(9, feature("figway-a", 9)), held), "a") == 900
    assert percent(taken(of("development", 9), held, accept=True), "a") == 900


def test_garbage_is_not_accepted_by_anybody() -> None:
    held = taken(answer(7, feature("figway-a", 5)))
    judged = judge(held, "<html>", NAMES, accept=True)
    assert judged.outcome is Outcome.REJECTED
    assert judged.held is held


def test_a_flag_that_comes_back_speaks_for_itself_again() -> None:
    both = feature("figway-a", 5), feature("figway-b", 5)
    held = taken(answer(7, *both))
    held = taken(answer(8, both[0]), held)
    assert held.silent == ("route:b",)
    held = taken(answer(9, both[0], feature("figway-b", 1)), held)
    assert held.silent == ()
    assert percent(held, "b") == 100


def test_a_missing_rollback_flag_is_silence() -> None:
    rollback = feature("figway-rollback", 100)
    both = feature("figway-a", 5), feature("figway-b", 5)
    held = taken(answer(7, *both, rollback))
    assert held.state.rollback is True
    held = taken(answer(8, *both), held)
    assert held.state.rollback is None


def test_rollbacks_of_a_refused_answer_are_newer_and_nothing_else_of_it_is() -> None:
    off = feature("figway-rollback-b", 100, enabled=False)
    held = taken(answer(7, *(feature(name, 5) for name in OURS), off))
    judged = judge(held, answer(9, feature("figway-rollback-a", 100)), NAMES)
    assert judged.outcome is Outcome.REJECTED
    assert judged.held is held
    assert judged.state.revision == 9
    assert judged.state.rollbacks() == {"route:a": True}
    assert percent(judged, "c") == 500


def test_other_names_are_read_out_of_what_is_held() -> None:
    held = taken(answer(7, feature("figway-a", 5), feature("figway-new", 9)))
    again = read_again(held, Names(routes=("new",)))
    assert percent(again, "new") == 900
    assert percent(again, "a") is None
    assert again.state.revision == held.state.revision


def test_flags_that_move_nothing_are_told_of() -> None:
    names = Names(groups=("purchase",), routes=("a", "cart"), members=(("cart", "purchase"),))
    flags = ("figway-a", "figway-purchase", "figway-cart", "figway-other", "figway-rollback")
    switches = ("figway-rollback-purchase", "figway-rollback-cart", "figway-rollback-purchse")
    text = answer(7, *(feature(name, 5) for name in (*flags, *switches)))
    judged = judge(None, text, names)
    assert judged.held is not None
    assert [
        (each.flag, each.message) for each in judged.held.complaints if "no effect" in each.message
    ] == [
        (
            "figway-rollback-purchse",
            "has no effect: there is no group or route purchse in routes.yaml",
        ),
        ("figway-cart", "has no effect: route cart goes where figway-purchase says"),
    ]


_FLAGS = st.dictionaries(st.sampled_from(OURS), st.integers(0, 100))
_STEPS = st.lists(st.tuples(st.integers(0, 12), _FLAGS, st.booleans()), max_size=12)


@given(_STEPS)
def test_no_answers_in_any_order_go_backwards_or_take_a_flag_away(
    steps: list[tuple[int, dict[str, int], bool]],
) -> None:
    held: Held | None = None
    known: set[str] = set()
    newest = 0
    for revision, flags, accept in steps:
        text = answer(revision, *(feature(name, share) for name, share in flags.items()))
        before = held
        judged = judge(held, text, NAMES, newest=newest, accept=accept)
        held = judged.held
        # A refused answer leaves all as it was; a taken one is never older.
        if judged.outcome in (Outcome.OLDER, Outcome.REJECTED):
            assert held is before
            assert judged.reason
            continue
        assert held is not None
        assert held.state.revision >= newest
        newest = held.state.revision
        known |= {name.removeprefix("figway-") for name in flags}
        for name in known:
            assert percent(held, name) is not None
        for name, share in flags.items():
            assert percent(held, name.removeprefix("figway-")) == share * 100
