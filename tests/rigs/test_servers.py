"""The rigs of real servers: that they start, fail and come back as they say."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from deploy.unleash.admin import AdminError
from tests.rigs.certificates import Authority
from tests.rigs.child import accepts
from tests.rigs.redis_server import RedisCluster, RedisServer, Sentinels, wait_until
from tests.rigs.unleash_server import SPECIFICATION, Unleash


def test_redis_answers_and_comes_back_empty(redis_server: RedisServer) -> None:
    assert redis_server.command("SET", "a", "1") == "OK"
    redis_server.kill()
    assert not accepts(redis_server.port)
    redis_server.start()
    assert redis_server.command("GET", "a") == ""


def test_a_frozen_redis_accepts_and_says_nothing(redis_server: RedisServer) -> None:
    redis_server.freeze()
    assert accepts(redis_server.port)
    redis_server.thaw()
    assert redis_server.command("PING") == "PONG"


def test_what_redis_refuses_fails_a_test(redis_server: RedisServer) -> None:
    with pytest.raises(AssertionError, match="unknown command"):
        redis_server.command("NONSENSE")


def test_redis_asks_for_its_password_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.sign("127.0.0.1", "localhost")
    with RedisServer(
        tmp_path, password="open sesame", tls=certificate, authority=authority.bundle
    ) as server:
        assert server.command("PING") == "PONG"
        assert server.url == f"rediss://:open%20sesame@127.0.0.1:{server.port}"
        server.password = "wrong"
        assert "NOAUTH" in server.command("PING", checked=False)


def test_sentinels_agree_on_another_primary(tmp_path: Path) -> None:
    with Sentinels(tmp_path) as sentinels:
        first, second = sentinels.servers
        assert sentinels.primary() is first
        first.command("SET", "a", "1")
        wait_until(lambda: second.command("GET", "a") == "1")
        first.kill()
        wait_until(lambda: sentinels.primary() is second)
        wait_until(lambda: "role:master" in second.command("INFO", "replication"))


def test_a_cluster_shares_the_slots(tmp_path: Path) -> None:
    with RedisCluster(tmp_path) as cluster:
        owner = cluster.owner("{figway:a}:rev")
        assert owner.command("SET", "{figway:a}:rev", "1") == "OK"
        [other, *_] = [server for server in cluster.servers if server is not owner]
        assert other.command("GET", "{figway:a}:rev", checked=False).startswith("MOVED")


def test_unleash_serves_what_was_clicked_and_survives_its_death(unleash: Unleash) -> None:
    admin = unleash.admin
    admin.create_flag("parent")
    admin.create_flag("child")
    admin.set_percentage("child", 25)
    admin.set_percentage("child", 30)
    admin.turn_on("child")
    admin.depend("child", "parent")
    unleash.wait_until_served(lambda features: features.get("child", {}).get("enabled", False))
    child = unleash.features()["child"]
    assert child["strategies"][0]["parameters"]["rollout"] == "30"
    assert child["dependencies"][0]["feature"] == "parent"
    assert "feature-environment-enabled" in [event["type"] for event in admin.events()]

    unleash.kill()
    unleash.kill_database()
    with pytest.raises(OSError, match="refused"):
        unleash.features()
    unleash.start_database()
    unleash.start()
    assert set(unleash.features()) == {"parent", "child"}


def test_the_next_test_finds_unleash_empty(unleash: Unleash) -> None:
    assert unleash.features() == {}
    with pytest.raises(AdminError, match="404"):
        unleash.admin.turn_on("child")


def test_a_dead_unleash_is_back_for_the_next_test(unleash_server: Unleash) -> None:
    assert unleash_server.is_running
    # As one that ends by itself: nobody told the rig.
    assert unleash_server._program is not None
    unleash_server._program.signal_group(signal.SIGKILL)
    unleash_server._program.process.wait(20)
    assert not unleash_server.is_running


def test_and_so_it_is(unleash: Unleash) -> None:
    assert unleash.is_running


def test_the_client_specification_is_there() -> None:
    names = json.loads((SPECIFICATION / "index.json").read_text())
    assert len(names) > 15
    assert all((SPECIFICATION / name).is_file() for name in names)
