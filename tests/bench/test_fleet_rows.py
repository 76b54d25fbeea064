"""The rows of a fleet: what clients saw, what replicas confirmed, and who must agree on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from bench.fleet import Change, read_change, sum_series
from bench.fleet_load import Asked, FleetLoad, read_load
from bench.flippers import flipping_envoy
from bench.processes import HarnessError
from bench.rows.fleet_flip import (
    KILLED,
    LARGE,
    SMALL,
    WITH_PUBSUB,
    Flip,
    Flips,
    Watched,
    describe_fleet_flip,
)
from bench.rows.flip_storm import Line, Seen, Storm, describe_flip_storm, judge
from bench.rows.outage import describe_outage, read_outage
from bench.rows.strategies import (
    AGAIN,
    PLAIN,
    PLAIN_NEW,
    RULES,
    RULES_NEW,
    describe_strategies,
)
from tests.bench.test_rows import MILLISECOND, a_round, measured


def asked(sent: int, side: str, *, number: int = 0, status: int = 200, port: int = 0) -> Asked:
    """A request that was answered a millisecond later; times in milliseconds."""
    return Asked(
        sent=sent * MILLISECOND,
        answered=(sent + 1) * MILLISECOND,
        port=port,
        side=side,
        status=status,
        number=number,
    )


def a_change(*acks: float, stored: float = 4.0) -> Change:
    return Change(called=0, returned=MILLISECOND, stored_ms=stored, acks_ms=acks)


def an_answer(*states: str, store: str = "shared") -> dict[str, Any]:
    return {
        "replicas": [
            {"replica": f"replica-{number}", "state": state, "ms": 5.0 + number}
            for number, state in enumerate(states)
        ],
        "fleet": {"state": store, "ms": 4.0, "detail": ""},
    }


def test_what_a_load_could_not_send_did_not_fail() -> None:
    load = FleetLoad(asked=(asked(1, "new"), asked(2, "", status=0)), unsent=3)

    assert load.failed == 1
    row = describe_outage([read_outage("it", load, 0, 0, 0, 0, '{"replicas": []}')], "not at all")
    assert row.notes[-1].startswith("3 requests were due and not sent")


def test_a_load_knows_the_last_request_that_the_new_side_answered() -> None:
    load = FleetLoad(asked=(asked(1, "new"), asked(5, "new"), asked(6, "legacy"), asked(9, "new")))

    assert load.last_new(0, 8 * MILLISECOND) == 5 * MILLISECOND
    assert load.last_new(5 * MILLISECOND, 8 * MILLISECOND) == 5 * MILLISECOND
    assert [each.sent // MILLISECOND for each in load.of("legacy", 0, 10 * MILLISECOND)] == [6]


def test_a_load_is_read_in_the_order_of_sending_and_every_request_has_its_address() -> None:
    text = json.dumps({"asked": [[20, 30, 1, "new", 200, 20], [10, 40, 0, "", 0, 1]], "unsent": 2})

    found, unsent = read_load(text)

    assert [each.path for each in found] == ["/s1/item-1", "/s1/item-20"]
    assert [each.failed for each in found] == [True, False]
    assert unsent == 2


def test_a_change_is_measured_from_the_word_of_the_store_to_the_last_ack() -> None:
    assert a_change(3.0, 9.5, 7.0).spread_ms == 5.5
    assert a_change(3.0, 9.5, 7.0).whole_ms == 9.5
    # Replicas may be quicker than the store's answer.
    assert a_change(1.0, 2.0).spread_ms == 0.0


def test_a_change_that_everybody_confirmed_is_read() -> None:
    change = read_change(an_answer("applied", "applied"), 1, 2, 2)

    assert (change.acks_ms, change.stored_ms) == ([5.0, 6.0], 4.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(an_answer("applied", "unconfirmed"), "replica-1 unconfirmed", id="late"),
        pytest.param(an_answer("applied"), "1 of 2", id="one is missing"),
        pytest.param(
            an_answer("applied", "applied", store="unreachable"), "unreachable", id="alone"
        ),
    ],
)
def test_a_change_that_is_not_proven_everywhere_is_no_measurement(
    answer: dict[str, Any], words: str
) -> None:
    with pytest.raises(HarnessError, match=words):
        read_change(answer, 1, 2, 2)


def test_series_of_one_metric_are_summed() -> None:
    page = 'a{x="1"} 2\na{x="2"} 3.5\nab 9\n# a 1\na 1\n'

    assert sum_series(page, "a") == 6.5


def a_flip(spread: float | None, *, everywhere: float = 20.0, afterwards: int = 0) -> Flip:
    return Flip(
        spread_ms=spread,
        whole_ms=None if spread is None else spread + 4,
        returned_ms=30.0,
        last_new_ms=8.0,
        everywhere_ms=everywhere,
        new_afterwards=afterwards,
    )


def watched(way: str, hosts: int, flips: Sequence[Flip], *, failed: int = 0) -> Watched:
    return Watched(flips=Flips(way=way, hosts=hosts, flips=flips), requests=100, failed=failed)


def test_each_way_to_flip_a_fleet_has_its_bound() -> None:
    row = describe_fleet_flip(
        [
            watched(WITH_PUBSUB, SMALL, [a_flip(9.0)] * 99 + [a_flip(90.0)]),
            watched(WITH_PUBSUB, LARGE, [a_flip(9.0), a_flip(101.0)]),
            watched(KILLED, SMALL, [a_flip(240.0)]),
            watched("Unleash, admin API", SMALL, [a_flip(None, everywhere=1600.0)]),
            # A peer that fails and is late misses no target of ours.
            watched("nginx, reload", 1, [a_flip(None, afterwards=7)], failed=3),
        ],
        {SMALL: 0.02},
    )

    assert [(target.value, target.bound, target.met) for target in row.targets] == [
        (9.0, 100, True),
        (101.0, 100, False),
        (240.0, 250, True),
        (1600.0, 1500, False),
        (0, 0, True),
        (0, 0, True),
    ]
    assert row.lines[0][:6] == (WITH_PUBSUB, "3", "100", "9.0 ms", "9.0 ms", "9.0 ms")
    assert row.lines[4][3] == "-"
    assert row.lines[4][-2:] == ("3", "7")


def test_a_request_on_new_after_the_last_ack_misses_a_target() -> None:
    row = describe_fleet_flip([watched(WITH_PUBSUB, SMALL, [a_flip(9.0, afterwards=1)])], {})

    assert [target.met for target in row.targets] == [True, True, False]


def test_a_peer_is_flipped_by_a_key_before_its_route() -> None:
    found = flipping_envoy(1, 2, 3, 4)
    text = json.dumps(found)

    assert found["admin"]["address"]["socket_address"]["port_value"] == 2
    legacy = found["static_resources"]["clusters"][1]
    assert legacy["name"] == "legacy"
    assert '"port_value": 3' in json.dumps(legacy)
    assert text.index("runtime_fraction") < text.index('"cluster": "origin"')


PATH = "/s0/item-0"


def lines(reason: str, side: str, *, revision: int = 1) -> dict[str, list[Line]]:
    return {PATH: [Line(replica=0, side=side, reason=reason, revision=revision)]}


def seen(*, primary: str, copy: str = "") -> dict[str, Seen]:
    return {
        side: Seen(
            primaries=Counter([PATH] if side == primary else []),
            copies=Counter([PATH] if side == copy else []),
        )
        for side in ("legacy", "new")
    }


@pytest.mark.parametrize(
    ("reason", "side", "copy"),
    [
        pytest.param("live", "new", "legacy", id="live, with its copy"),
        pytest.param("live", "new", "", id="live, whose copy was shed"),
        pytest.param("bucket_in", "new", "", id="in the canary"),
        pytest.param("bucket_out", "legacy", "new", id="out of the canary"),
        pytest.param("rollback_all", "legacy", "", id="rolled back"),
    ],
)
def test_what_agrees_is_no_fault(reason: str, side: str, copy: str) -> None:
    load = FleetLoad(asked=(asked(1, side),))

    found = judge(load, lines(reason, side), seen(primary=side, copy=copy))

    assert found.faults == {}
    assert (found.reasons, found.copies) == ({reason: 1}, int(bool(copy)))


@pytest.mark.parametrize(
    ("answered", "told", "origins", "fault"),
    [
        pytest.param(
            "new",
            lines("rollback_all", "legacy"),
            seen(primary="legacy"),
            "answers of another side than their line",
            id="the answer",
        ),
        pytest.param(
            "new",
            lines("rollback_all", "new"),
            seen(primary="legacy"),
            "answers of another side than their line",
            id="the line with itself",
        ),
        pytest.param(
            "legacy",
            lines("rollback_all", "legacy"),
            seen(primary="new"),
            "origins asked otherwise than the line says",
            id="the origin",
        ),
        pytest.param(
            "legacy",
            lines("rollback_all", "legacy"),
            seen(primary="legacy", copy="new"),
            "copies that the decision does not allow",
            id="a copy of what was rolled back",
        ),
        pytest.param(
            "new",
            lines("live", "new"),
            seen(primary="new", copy="new"),
            "copies that the decision does not allow",
            id="a copy for the side that answered",
        ),
        pytest.param(
            "new", {}, seen(primary="new"), "requests without exactly one line", id="no line"
        ),
    ],
)
def test_whoever_says_something_else_is_a_fault(
    answered: str, told: dict[str, list[Line]], origins: dict[str, Seen], fault: str
) -> None:
    found = judge(FleetLoad(asked=(asked(1, answered),)), told, origins)

    assert found.faults == {fault: 1}


def test_two_words_under_one_revision_are_a_fault() -> None:
    load = FleetLoad(asked=(asked(1, "new"), asked(2, "legacy", number=19)))
    other = "/s0/item-19"
    told = {
        **lines("live", "new"),
        other: [Line(replica=0, side="legacy", reason="rollback_all", revision=1)],
    }
    origins = {
        "legacy": Seen(primaries=Counter([other]), copies=Counter()),
        "new": Seen(primaries=Counter([PATH]), copies=Counter()),
    }

    assert judge(load, told, origins).faults == {"revisions with two words on the rollback": 1}


def test_a_storm_is_late_by_its_last_request_on_new_or_its_last_worker() -> None:
    load = FleetLoad(asked=(asked(1, "new"), asked(1301, "new", number=1)))
    agreement = judge(load, {}, {})
    storm = Storm(flips=3000, seconds=30.0, converged_ms=40.0, last_written=100 * MILLISECOND)

    row = describe_flip_storm(storm, agreement, load, 1.0)

    assert [(target.value, target.met) for target in row.targets] == [
        (2, False),
        (1201.0, False),
        (0, True),
        (1.0, False),
        (10.0, True),
    ]
    assert row.lines[0][0] == "100"


def test_an_outage_tells_what_moved_by_itself_and_what_the_rollback_did() -> None:
    load = FleetLoad(
        asked=(
            asked(5, "new"),
            asked(15, "legacy"),
            asked(25, "new"),
            asked(35, "legacy"),
            asked(45, "new"),
            asked(60, "legacy", status=502),
        )
    )
    printed = json.dumps(
        {
            "replicas": [
                {"state": "applied", "ms": 12.5},
                {"state": "applied", "ms": 9.0},
                {"state": "unreachable", "ms": 0.0},
            ]
        }
    )
    began, called, returned, ended = (moment * MILLISECOND for moment in (10, 20, 40, 50))

    outage = read_outage("Redis killed", load, began, called, returned, ended, printed)
    row = describe_outage([outage], "not at all")

    assert (outage.moved, outage.confirmed, outage.slowest_ms) == (1, 2, 12.5)
    assert (outage.command_ms, outage.last_new_ms, outage.new_afterwards) == (20.0, 25.0, 1)
    assert [(target.value, target.met) for target in row.targets] == [(1, False)] * 4
    assert row.lines[0][0] == "Redis killed"


def test_rules_are_compared_with_a_percentage_for_the_same_clients() -> None:
    rounds = measured(
        **{
            PLAIN: [a_round(30), a_round(60)],
            AGAIN: [a_round(31), a_round(62)],
            RULES: [a_round(33), a_round(66)],
            PLAIN_NEW: [a_round(40), a_round(80)],
            RULES_NEW: [a_round(44), a_round(88, errors=1)],
        }
    )

    row = describe_strategies(rounds, ["new", "legacy"], ["new", "new"])

    assert [(target.value, target.met) for target in row.targets] == [
        (1.1, False),
        (1, False),
        (1, False),
    ]
    assert row.lines[4][3] == "1.100"
    assert row.lines[0][3] == "1.000"
