"""Replicas that take their flags from a real Unleash: what is clicked there, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import FigwayProcess
from tests.journeys.fleet import Fleet
from tests.rigs.redis_server import RedisServer
from tests.rigs.unleash_server import Unleash


@pytest.fixture
def fleet(shop: Shop, redis_server: RedisServer, unleash: Unleash) -> Iterator[Fleet]:
    fleet = Fleet(shop, redis_server, unleash)
    fleet.seed(product_page=100)
    unleash.wait_until_served(lambda features: "figway-product-page" in features)
    with fleet:
        yield fleet


def told_of(replica: FigwayProcess, event: str) -> list[dict[str, Any]]:
    """What the audit of a replica says of an event of Unleash."""
    return [entry for entry in replica.audit() if event in entry.get("event", "").split(", ")]


def test_what_is_clicked_in_unleash_holds_on_every_replica_and_the_audit_says_who(
    fleet: Fleet, unleash: Unleash
) -> None:
    fleet.wait_for_sides("new")
    unleash.admin.turn_on("figway-rollback")
    fleet.wait_for_sides("legacy")
    for replica in fleet.replicas.values():
        [hold] = replica.status()["holds"]
        assert (hold["scope"], hold["source"]) == ("all", "flag")
    # No command ends what a flag has begun.
    done = fleet.run("resume", "--all", "--reason", "try")
    assert done.code == 1
    assert "figway-rollback" in done.out + done.err
    unleash.admin.turn_off("figway-rollback")
    fleet.wait_for_sides("new")

    # It is looked up after the change holds: nobody waits for it.
    events = {e["type"]: e for e in reversed(unleash.admin.events())}
    for kind in ("feature-environment-enabled", "feature-environment-disabled"):
        event = events[kind]
        for replica in fleet.replicas.values():
            [entry] = replica.wait_until(partial(told_of, replica, str(event["id"])))
            assert (entry["who"], entry["via"]) == (event["createdBy"], "unleash")
            assert entry["scope"] == "all"


def test_a_percentage_by_command_stands_in_unleash(fleet: Fleet, unleash: Unleash) -> None:
    fleet.wait_for_sides("new")
    done = fleet.run("percent", "product-page", "0", "--reason", "try")
    assert done.code == 0, done
    fleet.wait_for_sides("legacy")
    [strategy] = unleash.features()["figway-product-page"]["strategies"]
    assert strategy["parameters"]["rollout"] == "0"
