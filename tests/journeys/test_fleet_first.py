"""The replica that a command asks first is frozen or dead: the others roll back all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.fleet import Fleet
from tests.rigs.redis_server import RedisServer


@pytest.fixture
def fleet(shop: Shop, redis_server: RedisServer) -> Iterator[Fleet]:
    with Fleet(shop, redis_server) as started:
        # Each shows itself before it stands in the registry.
        started.wait_until(lambda: all(live(started, number) == 3 for number in (1, 2, 3)))
        started.wait_until((started.folder(1) / "state" / "peers.json").exists)
        yield started


def live(fleet: Fleet, number: int) -> int:
    """How many live replicas one of them knows."""
    return sum(each["live"] for each in fleet.replicas[number].status()["replicas"])


def test_a_frozen_replica_that_is_asked_first_keeps_nobody_from_rolling_back(fleet: Fleet) -> None:
    frozen = fleet.replicas[1].process.pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "10")
        assert fleet.sides() == {1: "new", 2: "legacy", 3: "legacy"}
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert done.code == 1, done
    assert f"{fleet.admin_url(1)} has not answered after 1 s" in done.err
    assert f"NOT confirmed by {fleet.admin_url(1)}" in done.out
    fleet.wait_for_sides("legacy")


def test_a_dead_replica_that_is_asked_first_counts_as_gone(fleet: Fleet) -> None:
    fleet.replicas[1].process.kill()
    for _ in range(2):
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "10", "--json")
        assert done.code == 0, done
        said = {each["replica"]: each["state"] for each in done.json["replicas"]}
        assert said.pop("replica-1", "gone") == "gone"
        assert said == {"replica-2": "applied", "replica-3": "applied"}
        assert f"cannot reach figway at {fleet.admin_url(1)}" in done.err
