"""Replicas that share a Redis: a command to one holds on all, and each one says when."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import Command
from tests.journeys.fleet import Fleet
from tests.rigs.redis_server import RedisServer


@pytest.fixture
def fleet(shop: Shop, redis_server: RedisServer) -> Iterator[Fleet]:
    with Fleet(shop, redis_server) as started:
        yield started


def acks(done: Command) -> dict[str, str]:
    """What each replica said to a change."""
    return {ack["replica"]: ack["state"] for ack in done.json["replicas"]}


def names(fleet: Fleet) -> list[str]:
    return [f"replica-{number}" for number in fleet.replicas]


def known(fleet: Fleet, number: int = 1) -> dict[str, Any]:
    """The live replicas that one of them knows, by name."""
    replicas = fleet.replicas[number].status()["replicas"]
    return {each["replica"]: each for each in replicas if each["live"]}


def test_a_rollback_by_one_holds_on_all_when_the_command_returns_and_so_does_a_resume(
    fleet: Fleet,
) -> None:
    assert fleet.sides() == fleet.everywhere("new")
    fleet.wait_until(lambda: len(known(fleet)) == 3)
    done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "--json")
    assert done.code == 0, done
    # At once: nobody is waited for any more.
    assert fleet.sides() == fleet.everywhere("legacy")
    assert acks(done) == dict.fromkeys(names(fleet), "applied")
    assert all(ack["ms"] > 0 for ack in done.json["replicas"])
    for replica in fleet.replicas.values():
        [hold] = replica.status()["holds"]
        assert (hold["scope"], hold["source"], hold["reason"]) == ("all", "command", "INC-42")

    # Whichever replica is asked.
    done = fleet.run("resume", "--all", "--reason", "over", "--wait", "--json", number=3)
    assert done.code == 0, done
    assert fleet.sides() == fleet.everywhere("new")

    done = fleet.run("rollback", "--group", "purchase", "--reason", "INC-43", "--wait", number=2)
    assert done.code == 0, done
    for name in names(fleet):
        assert name in done.out, "every replica is named to a person, too"
    assert fleet.sides() == fleet.everywhere("new"), "another group is not touched"
    assert fleet.sides("/account") == fleet.everywhere("new")


def test_a_percentage_said_to_one_holds_on_all(fleet: Fleet) -> None:
    done = fleet.run("percent", "product-page", "0", "--reason", "try")
    assert done.code == 0, done
    fleet.wait_for_sides("legacy")
    done = fleet.run("percent", "product-page", "100", "--reason", "try", number=2)
    assert done.code == 0, done
    fleet.wait_for_sides("new")


def test_a_replica_that_cannot_confirm_is_named_and_the_exit_code_says_so(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(known(fleet)) == 3)
    [worker] = fleet.replicas[3].worker_pids()
    os.kill(worker, signal.SIGSTOP)
    try:
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "2", "--json")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert done.code == 1, done
    assert acks(done) == {
        "replica-1": "applied",
        "replica-2": "applied",
        "replica-3": "unconfirmed",
    }
    # The rollback holds all the same, and reaches it as soon as it wakes.
    fleet.wait_for_sides("legacy")


def test_a_replica_whose_supervisor_hangs_is_named_although_its_lease_has_ended(
    fleet: Fleet,
) -> None:
    fleet.wait_until(lambda: len(known(fleet)) == 3)
    hanging = fleet.replicas[3].process.pid
    os.kill(hanging, signal.SIGSTOP)
    try:
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "10")
        assert fleet.sides()[3] == "new"
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert done.code == 1, done
    fleet.wait_for_sides("legacy")


def test_a_replica_that_was_frozen_rolls_nothing_back_that_was_resumed_since(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(known(fleet)) == 3)
    hanging = fleet.replicas[3].process.pid
    os.kill(hanging, signal.SIGSTOP)
    try:
        # Both commands ask it by itself, and give up.
        assert fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "4").code == 1
        fleet.run("resume", "--all", "--reason", "over", "--wait", "1")
    finally:
        os.kill(hanging, signal.SIGCONT)
    fleet.replicas[3].wait_for("admin_abandoned", 2)
    assert fleet.sides() == fleet.everywhere("new")
    assert fleet.replicas[1].status()["holds"] == []


def test_a_replica_that_wakes_without_redis_goes_from_one_legacy_to_the_other(
    shop: Shop, redis_server: RedisServer
) -> None:
    with Fleet(shop, redis_server, FIGWAY_STATE_MAX_AGE="1s") as fleet:
        fleet.wait_until(lambda: len(known(fleet)) == 3)
        replica = fleet.replicas[3]
        redis_server.kill()
        try:
            os.kill(replica.process.pid, signal.SIGSTOP)
            try:
                # It is asked by itself, and does not answer.
                assert fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "1").code == 1
                # Its workers believe nobody who is silent.
                fleet.wait_for_sides("legacy")
            finally:
                os.kill(replica.process.pid, signal.SIGCONT)
            while not replica.status()["holds"]:
                assert fleet.sides()[3] == "legacy"
            assert fleet.sides()[3] == "legacy"
        finally:
            redis_server.start()


def test_a_replica_joins_in_the_middle_of_a_rollback_and_leaves_again(fleet: Fleet) -> None:
    assert fleet.run("rollback", "--all", "--reason", "INC-42", "--wait").code == 0
    joined = fleet.launch(4).serving()
    # Its own flag file says 100 %, and it has never seen the rollback.
    assert joined.get("/product/a").headers["x-origin"] == "legacy"
    fleet.wait_until(lambda: len(known(fleet)) == 4)
    done = fleet.run("resume", "--all", "--reason", "over", "--wait", "--json")
    assert acks(done) == dict.fromkeys(names(fleet), "applied")

    # One that leaves in order is not waited for; one that was killed only while its lease lasts.
    assert fleet.replicas.pop(4).stop() == 0
    fleet.wait_until(lambda: len(known(fleet)) == 3)
    fleet.replicas.pop(3).process.kill()
    done = fleet.run("rollback", "--all", "--reason", "INC-43", "--wait", "10", "--json")
    assert done.code == 0, done
    assert acks(done)["replica-1"] == acks(done)["replica-2"] == "applied"
    assert acks(done).get("replica-3", "gone") == "gone"
    assert fleet.sides() == fleet.everywhere("legacy")


def test_replicas_that_differ_are_told_by_status_and_metric(
    shop: Shop, redis_server: RedisServer
) -> None:
    with Fleet(shop, redis_server, FIGWAY_CONTROL_DIVERGED_AFTER="1s") as fleet:
        differ_and_agree_again(fleet)


def differ_and_agree_again(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(known(fleet)) == 3)
    assert len({each["config"] for each in known(fleet).values()}) == 1
    assert fleet.replicas[1].status()["differences"] == []
    other = (
        (fleet.folder(3) / "routes.yaml").read_text().replace("max_percent: 25", "max_percent: 24")
    )
    (fleet.folder(3) / "routes.yaml").write_text(other)
    replica = fleet.replicas[1]
    fleet.wait_until(lambda: replica.status()["differences"])
    [difference] = replica.status()["differences"]
    assert difference["kind"] == "config"
    assert "replica-3 has" in difference["detail"]
    assert replica.metric("figway_fleet_differences", kind="config") == 1
    replica.wait_for("fleet_diverged")
    shown = fleet.run("status")
    assert difference["detail"] in shown.out
    (fleet.folder(3) / "routes.yaml").write_text((fleet.folder(1) / "routes.yaml").read_text())
    fleet.wait_until(lambda: not replica.status()["differences"])
