"""Replicas that share no Redis, or not all: FIGWAY_PEERS is enough for a rollback on all."""

from __future__ import annotations

from tests.journeys.conftest import Shop
from tests.journeys.figway_process import figway
from tests.journeys.fleet import TOKEN, Fleet
from tests.rigs.child import free_ports
from tests.rigs.redis_server import RedisServer


def test_a_rollback_asks_every_peer_by_itself_and_so_does_a_resume(shop: Shop) -> None:
    with Fleet(shop, None) as fleet:
        assert fleet.sides() == fleet.everywhere("new")
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "--json")
        assert done.code == 0, done
        assert fleet.sides() == fleet.everywhere("legacy")
        said = {each["replica"]: each["state"] for each in done.json["replicas"]}
        assert said == dict.fromkeys(("replica-1", "replica-2", "replica-3"), "applied")

        sentinel = fleet.folder(2) / "state" / "ROLLBACK"
        sentinel.touch()
        fleet.replicas[2].wait_for("rolled_back", count=2)
        held = fleet.run("resume", "--all", "--reason", "over", "--json", number=3)
        assert held.code == 1, "one of them is still rolled back"
        assert held.json["still_held"] == ["sentinel on replica-2"]
        assert fleet.sides() == {1: "new", 2: "legacy", 3: "new"}

        sentinel.unlink()
        done = fleet.run("resume", "--all", "--reason", "over")
        assert done.code == 0, done
        assert done.out.startswith("resumed all: 3 replicas confirmed"), "though it held elsewhere"
        assert fleet.sides() == fleet.everywhere("new")

        alone = fleet.run("percent", "product-page", "99", "--reason", "try").out
        assert "it stands in the flag file of this host alone" in alone

        fleet.replicas[3].process.kill()
        done = fleet.run("rollback", "--route", "product-page", "--reason", "INC-43")
        assert done.code == 1
        assert f"{fleet.admin_url(3)}: unreachable" in done.out
        assert fleet.replicas[2].get("/product/a").headers["x-origin"] == "legacy"


def test_peers_that_only_the_command_knows_are_asked_too(shop: Shop) -> None:
    with Fleet(shop, None, size=2, FIGWAY_PEERS="") as fleet:
        peers = ",".join(fleet.admin_url(number) for number in fleet.replicas)
        environ = {"FIGWAY_ADMIN": fleet.admin_url(1), "FIGWAY_TOKEN": TOKEN}
        command = ("rollback", "--all", "--reason", "INC-42", "--json")
        done = figway(*command, environ={**environ, "FIGWAY_PEERS": peers})
        assert done.code == 0, done
        assert [each["state"] for each in done.json["replicas"]] == ["applied", "applied"]
        assert fleet.sides() == fleet.everywhere("legacy")


def test_a_peer_that_never_reached_redis_is_rolled_back_too(
    shop: Shop, redis_server: RedisServer
) -> None:
    with Fleet(shop, redis_server, size=2) as fleet:
        fleet.replicas[2].stop()
        [nowhere] = free_ports(1)
        cut = fleet.launch(2, FIGWAY_REDIS_URL=f"redis://127.0.0.1:{nowhere}").serving()
        fleet.wait_until(lambda: cut.status()["fleet"]["stale"])
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", "--json")
        assert done.code == 0, done
        said = {each["replica"]: each["state"] for each in done.json["replicas"]}
        assert said == {"replica-1": "applied", "replica-2": "applied"}
        assert fleet.sides() == fleet.everywhere("legacy")
