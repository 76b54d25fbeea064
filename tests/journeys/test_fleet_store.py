"""A Redis that is there and of no use: slow, read-only, emptied, failed over. Rollbacks hold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import Command, FigwayProcess
from tests.journeys.fleet import Fleet
from tests.rigs.redis_server import RedisServer, Sentinels, wait_until


@pytest.fixture
def fleet(shop: Shop, redis_server: RedisServer) -> Iterator[Fleet]:
    with Fleet(shop, redis_server, size=2) as fleet:
        yield fleet


def roll_back(fleet: Fleet) -> Command:
    """All of it, with proof."""
    done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "--json")
    assert done.code == 0, done
    assert fleet.sides() == fleet.everywhere("legacy")
    assert {ack["replica"]: ack["state"] for ack in done.json["replicas"]} == {
        f"replica-{number}": "applied" for number in fleet.replicas
    }
    return done


def resume(fleet: Fleet) -> None:
    """All of it, asked of another replica, through Redis."""
    done = fleet.run("resume", "--all", "--reason", "over", "--wait", "--json", number=2)
    assert done.code == 0, done
    assert fleet.sides() == fleet.everywhere("new")


def store_is(replica: FigwayProcess, state: str) -> bool:
    """Whether a replica says this of Redis."""
    return replica.metric("figway_store_up", state=state) == 1


def stores_are(fleet: Fleet, state: str) -> None:
    """Wait until every replica says this of Redis."""
    for replica in fleet.replicas.values():
        replica.wait_until(partial(store_is, replica, state))


def test_redis_slow_or_read_only_the_command_asks_every_replica_by_itself(
    fleet: Fleet, redis_server: RedisServer
) -> None:
    with fleet.visitors() as crowd:
        redis_server.freeze()
        roll_back(fleet)
        redis_server.thaw()
        stores_are(fleet, "ok")
        resume(fleet)

        # A replica of nobody: it answers, and takes nothing.
        redis_server.command("REPLICAOF", "127.0.0.1", "1")
        roll_back(fleet)
        redis_server.command("REPLICAOF", "NO", "ONE")
        stores_are(fleet, "ok")
        resume(fleet)
    assert crowd.failures == []


def test_redis_lost_the_write_and_gets_it_again(fleet: Fleet, redis_server: RedisServer) -> None:
    roll_back(fleet)
    redis_server.command("FLUSHALL")
    # Whoever starts now knows nothing but what Redis says.
    fleet.wait_until(lambda: "figway" in redis_server.command("KEYS", "*"))
    fleet.wait_until(lambda: "INC-42" in dump(redis_server))
    joined = fleet.launch(3).serving()
    assert joined.get("/product/a").headers["x-origin"] == "legacy"
    resume(fleet)


def dump(redis: RedisServer) -> str:
    """Every hash that Redis holds, as text."""
    keys = redis.command("KEYS", "*").split()
    hashes = [key for key in keys if redis.command("TYPE", key) == "hash"]
    return "\n".join(redis.command("HGETALL", key) for key in hashes)


def test_redis_failed_over_the_rollback_holds_and_ends_through_the_new_primary(
    shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "redis").mkdir()
    with Sentinels(tmp_path / "redis") as sentinels, Fleet(shop, sentinels, size=2) as fleet:
        first, second = sentinels.servers
        with fleet.visitors() as crowd:
            roll_back(fleet)
            first.kill()
            wait_until(lambda: sentinels.primary() is second)
            assert fleet.sides() == fleet.everywhere("legacy")
            stores_are(fleet, "ok")
            resume(fleet)
            roll_back(fleet)
        assert crowd.failures == []
