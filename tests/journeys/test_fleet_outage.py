"""A fleet whose servers die under load: no request fails, nothing moves, a rollback still works."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import FigwayProcess
from tests.journeys.fleet import Fleet, full_disk
from tests.rigs.redis_server import RedisServer
from tests.rigs.unleash_server import Unleash


@pytest.fixture
def fleet(shop: Shop, redis_server: RedisServer, unleash: Unleash) -> Iterator[Fleet]:
    fleet = Fleet(shop, redis_server, unleash)
    fleet.seed(product_page=100)
    unleash.wait_until_served(lambda features: "figway-product-page" in features)
    with fleet:
        fleet.wait_for_sides("new")
        yield fleet


def source_is_down(replica: FigwayProcess) -> bool:
    """Whether a replica knows that its flags are confirmed by nobody."""
    return replica.metric("figway_flags_source_up", source="unleash") == 0


def live(fleet: Fleet) -> list[str]:
    """The live replicas that the first one knows."""
    return [r["replica"] for r in fleet.replicas[1].status()["replicas"] if r["live"]]


def test_redis_down_traffic_unchanged_and_a_rollback_asks_every_replica_by_itself(
    fleet: Fleet, redis_server: RedisServer
) -> None:
    fleet.wait_until(lambda: len(live(fleet)) == 3)
    with fleet.visitors() as crowd:
        redis_server.kill()
        for replica in fleet.replicas.values():
            replica.wait_for("store_failing")
        fleet.wait_until(crowd.more(300))
        assert set(crowd.answers) == {"new"}
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "--json")
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("legacy")
        assert {ack["state"] for ack in done.json["replicas"]} == {"applied"}
        assert len(done.json["replicas"]) == 3

        # What the store last said of the others is not shown as if it were so now.
        first = fleet.replicas[1]
        fleet.wait_until(lambda: live(fleet) == ["replica-1"])
        rows = {each["replica"]: each for each in first.status()["replicas"]}
        assert rows["replica-1"]["holds"] == ["all by command"]
        assert rows["replica-2"]["state"] == rows["replica-3"]["state"] == "unknown"
        assert first.metric("figway_fleet_replicas", state="unknown") == 2

        # It comes back and knows nothing: what the replicas hold is written back to it.
        redis_server.start()
        for replica in fleet.replicas.values():
            replica.wait_for("store_connected", count=2)
        fleet.wait_until(crowd.more(300))
        assert fleet.sides() == fleet.everywhere("legacy")
        joined = fleet.launch(4).serving()
        assert joined.get("/product/a").headers["x-origin"] == "legacy"
        done = fleet.run("resume", "--all", "--reason", "over", "--wait", "--json", number=2)
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("new")
    assert crowd.failures == []


def test_flag_provider_down_running_and_cold_and_with_redis(
    fleet: Fleet, redis_server: RedisServer, unleash: Unleash
) -> None:
    with fleet.visitors() as crowd:
        unleash.kill()
        for replica in fleet.replicas.values():
            replica.wait_until(partial(source_is_down, replica))
        fleet.wait_until(crowd.more(300))
        assert set(crowd.answers) == {"new"}, "missing information moves no traffic"
        done = fleet.run("rollback", "--route", "product-page", "--reason", "INC-42", "--wait")
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("legacy")
        done = fleet.run("resume", "--route", "product-page", "--reason", "over", "--wait")
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("new")

        # Cold start of one that never knew Unleash.
        joined = fleet.launch(4).serving()
        assert joined.get("/product/a").headers["x-origin"] == "new", "flags.yaml says so"

        # And now everything at once. Nobody was told of the fourth but by Redis, before.
        fleet.wait_until(lambda: len(live(fleet)) == 4)
        redis_server.kill()
        for number in (1, 2, 3):
            fleet.replicas[number].wait_for("store_failing")
        done = fleet.run("rollback", "--all", "--reason", "INC-43", "--wait")
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("legacy")
    assert crowd.failures == []

    # Cold, with neither: the last known word holds, and so does the rollback.
    assert fleet.replicas.pop(3).stop() == 0
    again = fleet.launch(3).serving()
    assert again.get("/product/a").headers["x-origin"] == "legacy"
    assert again.run("resume", "--all", "--reason", "over").code == 0
    assert again.get("/product/a").headers["x-origin"] == "new"
    # The file and the signal need nobody either.
    (again.state / "ROLLBACK").touch()
    again.wait_until(lambda: again.get("/product/a").headers["x-origin"] == "legacy")


def test_a_full_disk_stops_no_rollback_and_is_told(fleet: Fleet) -> None:
    with fleet.visitors() as crowd, full_disk(fleet.replicas[1]):
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "--json")
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("legacy")
        fleet.wait_until(crowd.more(300))
        assert fleet.replicas[1].metric("figway_audit_failures_total") > 0
    assert crowd.failures == []
    # What was done meanwhile is written down once it can be.
    replica = fleet.replicas[1]
    fleet.wait_until(lambda: any(entry["reason"] == "INC-42" for entry in replica.audit()))
    assert replica.run("audit", "--verify").code == 0
