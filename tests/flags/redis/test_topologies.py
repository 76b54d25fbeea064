"""RedisStore with Sentinels and with a cluster, real ones, through failovers and moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flags.redis.fleet import change_of, connected, fleet, until
from tests.rigs.redis_server import RedisCluster, RedisServer, Sentinels, wait_until

STATE = "{figway:production}:state"
# As docs/redis.md has it.
RIGHTS = "~{figway:* &{figway:* +@read +@write +@pubsub +@scripting +@connection +time"


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with Sentinels(tmp_path, password="sesame") as sentinels:
        yield sentinels


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


async def test_a_failover_loses_no_rollback_and_is_found_by_itself(sentinels: Sentinels) -> None:
    first, second = sentinels.servers
    async with fleet(sentinels.url, "a", "b") as (one, other):
        await connected([one, other])
        await one.change(change_of(rollback=True))
        # A write that the new primary never hears of: it is cut off, then the old one dies.
        second.command("CONFIG", "SET", "masterauth", "wrong")
        first.command("CLIENT", "KILL", "TYPE", "replica")
        await one.change(change_of("route:lost", rollback=True))
        await until(lambda: other.rolled_back("route:lost"))
        await asyncio.to_thread(first.kill)
        assert second.command("HGET", STATE, "rollback:route:lost") == ""
        await until(lambda: one.health.state == other.health.state == "down", 30)
        await until(lambda: one.health.state == other.health.state == "ok", 60)
        word = "rollback:route:lost"
        await asyncio.to_thread(wait_until, lambda: second.command("HGET", STATE, word) != "")
        state = await one.change(change_of("route:after", rollback=True))
        await until(lambda: other.held == state)
        assert set(state.marks) == {"all", "route:lost", "route:after"}


def as_figway(url: str, *servers: RedisServer, more: str) -> str:
    """The URL for a user who may do what the page says, and no more."""
    for server in servers:
        server.command("ACL", "SETUSER", "figway", "on", ">pw", *RIGHTS.split(), more)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://figway:pw@{rest.rpartition('@')[2]}"


async def test_a_primary_that_was_demoted_is_left(sentinels: Sentinels) -> None:
    first, second = sentinels.servers
    url = as_figway(sentinels.url, first, second, more="+role")
    async with fleet(url, "a", "b", look_around=0.1) as (one, other):
        await connected([one, other])
        await one.change(change_of(rollback=True))
        # Nobody dies: the operator asks one Sentinel for it.
        done = await asyncio.create_subprocess_exec(
            *("redis-cli", "-p", str(sentinels.ports[1])),
            *("SENTINEL", "FAILOVER", sentinels.service),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await done.wait()
        role = "role:slave"
        await asyncio.to_thread(wait_until, lambda: role in first.command("INFO", "replication"))
        state = await one.change(change_of("route:x", rollback=True))
        await until(lambda: other.held == state)
        assert second.command("HGET", STATE, "rollback:route:x")
        await connected([one, other])


async def test_a_primary_that_the_sentinels_gave_up_is_left_though_it_answers(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """The old one is on our side of a cut network and takes every write."""
    folder = tmp_path / "new"
    folder.mkdir()
    with RedisServer(folder) as new:
        primary = redis_server.port

        async def sentinel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(1 << 16):
                words = ("ip", "127.0.0.1", "port", str(primary), "config-epoch", "1")
                answer = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
                writer.write(b"+OK\r\n" if b"SETNAME" in piece else f"*6\r\n{answer}".encode())
            writer.close()

        server = await asyncio.start_server(sentinel, "127.0.0.1", 0)
        url = f"redis+sentinel://127.0.0.1:{server.sockets[0].getsockname()[1]}/main"
        async with server, fleet(url, "a", "b", look_around=0.05) as (one, other):
            await connected([one, other])
            state = await one.change(change_of(rollback=True))
            await until(lambda: other.held == state)
            primary = new.port
            await until(lambda: new.command("HGET", STATE, "rollback:all") != "")
            after = await one.change(change_of("route:x", rollback=True))
            await until(lambda: other.held == after)
            assert new.command("HGET", STATE, "rollback:route:x")


async def test_sentinels_that_nobody_finds_are_told(
    redis_server: RedisServer,
) -> None:
    async with fleet("redis+sentinel://127.0.0.1:9,127.0.0.1:10/main", "a") as (one,):
        await until(lambda: one.health.state == "down")
        assert "the Sentinel at 127.0.0.1:9 cannot be reached" in one.health.detail
    # What answers there is no Sentinel.
    url = f"redis+sentinel://127.0.0.1:9,127.0.0.1:{redis_server.port}/main"
    async with fleet(url, "a") as (one,):
        await until(lambda: one.health.state == "refused")
        assert f"the Sentinel at 127.0.0.1:{redis_server.port} refuses" in one.health.detail


async def test_a_service_nobody_knows_is_told(sentinels: Sentinels) -> None:
    url = sentinels.url.replace(f"/{sentinels.service}", "/figwy")
    async with fleet(url, "a") as (one,):
        await until(lambda: one.health.state == "refused")
        assert "knows no master 'figwy'; correct the end of the URL" in one.health.detail


async def test_the_cluster_is_asked_where_our_keys_are(cluster: RedisCluster) -> None:
    owner = await asyncio.to_thread(cluster.owner, STATE)
    stranger = next(server for server in cluster.servers if server is not owner)
    url = as_figway(cluster.url, *cluster.servers, more="+cluster|slots")
    async with (
        fleet(url, "a") as (one,),
        fleet(f"redis-cluster://127.0.0.1:{stranger.port}", "b") as (other,),
    ):
        await connected([one, other])
        one.store.register("{}")
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        other.store.acknowledge(state.revision, 1)
        await until(lambda: one.acks)
        assert owner.command("HGET", STATE, "rollback:all")


async def test_a_slot_that_moves_is_followed(cluster: RedisCluster) -> None:
    owner = await asyncio.to_thread(cluster.owner, STATE)
    target = next(server for server in cluster.servers if server is not owner)
    slot = owner.command("CLUSTER", "KEYSLOT", STATE)
    names = {server: server.command("CLUSTER", "MYID") for server in (owner, target)}
    async with fleet(cluster.url, "a", "b") as (one, other):
        await connected([one, other])
        await one.change(change_of("route:before", rollback=True))
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[owner])
        owner.command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        keys = owner.command("CLUSTER", "GETKEYSINSLOT", slot, "100").split()
        host = ("127.0.0.1", str(target.port))
        assert keys
        owner.command("MIGRATE", *host, "", "0", "5000", "KEYS", *keys)
        for server in (target, *cluster.servers):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", names[target])
        state = await one.change(change_of("route:after", rollback=True))
        await until(lambda: other.held.marks == state.marks)
        assert target.command("HGET", STATE, "rollback:route:after")
        await connected([one, other])


async def test_a_server_that_is_no_cluster_is_told(redis_server: RedisServer) -> None:
    async with fleet(f"redis-cluster://127.0.0.1:{redis_server.port}", "a") as (one,):
        await until(lambda: one.health.state == "refused")
        assert "is no cluster: begin the URL with redis://" in one.health.detail


async def test_a_cluster_behind_a_plain_url_is_told(cluster: RedisCluster) -> None:
    owner = await asyncio.to_thread(cluster.owner, STATE)
    stranger = next(server for server in cluster.servers if server is not owner)
    async with fleet(f"redis://127.0.0.1:{stranger.port}", "a") as (one,):
        await until(lambda: one.health.state == "refused")
        assert "begin the URL with redis-cluster://" in one.health.detail


async def test_a_cluster_that_loses_our_node_is_down_and_comes_back(tmp_path: Path) -> None:
    with RedisCluster(tmp_path) as cluster:
        owner = await asyncio.to_thread(cluster.owner, STATE)
        async with fleet(cluster.url, "a", "b", answer_within=0.5) as (one, other):
            await connected([one, other])
            owner.freeze()
            try:
                await until(lambda: one.health.state == other.health.state == "down")
                await one.roll_back()
                assert one.rolled_back()
            finally:
                owner.thaw()
            await until(lambda: other.rolled_back())
            await connected([one, other])
