"""What a real Redis refuses, and the words an operator gets for it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from flags.shared import SharedStoreError
from tests.flags.redis.fleet import Replica, change_of, connected, fleet, until
from tests.rigs.certificates import Authority
from tests.rigs.redis_server import RedisServer
from tests.rigs.redis_wire import RedisWire


async def told(replica: Replica, state: str, words: str) -> None:
    await until(lambda: replica.health.state == state)
    assert words in replica.health.detail


async def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path, password="right") as server:
        url = f"redis://:wrong-one@127.0.0.1:{server.port}"
        async with fleet(url, "a") as (one,), fleet(server.url, "b") as (other,):
            await told(one, "refused", "does not accept the user and password of the URL")
            assert "wrong-one" not in one.health.detail
            await connected([other])
            server.command("CONFIG", "SET", "requirepass", "wrong-one")
            await connected([one])


async def test_a_missing_password_is_told(tmp_path: Path) -> None:
    with RedisServer(tmp_path, password="right") as server:
        async with fleet(f"redis://127.0.0.1:{server.port}", "a") as (one,):
            await told(one, "refused", "does not accept the user and password of the URL")
            with pytest.raises(SharedStoreError, match="does not accept the user"):
                await one.store.write(change_of(rollback=True), 0.1)


async def test_a_password_where_none_is_asked_is_told(redis_server: RedisServer) -> None:
    async with fleet(f"redis://:x@127.0.0.1:{redis_server.port}", "a") as (one,):
        await told(one, "refused", "does not accept the user and password")


async def test_a_user_with_what_figway_needs_and_no_more_is_enough(
    redis_server: RedisServer,
) -> None:
    # As docs/redis.md has it.
    rules = "on >pw ~{figway:* &{figway:* +@read +@write +@pubsub +@scripting +@connection +time"
    redis_server.command("ACL", "SETUSER", "figway", *rules.split())
    url = f"redis://figway:pw@127.0.0.1:{redis_server.port}"
    async with fleet(url, "a", "b") as (one, other):
        await connected([one, other])
        one.store.register("{}")
        state = await one.change(change_of(rollback=True, basis_points=None))
        await until(lambda: other.held == state)
        other.store.acknowledge(state.revision, 1)
        await until(lambda: one.acks)
        assert (one.health.state, one.store.counts.audit_failures) == ("ok", 0)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param("~other:* &* +@all", id="keys"),
        pytest.param("~* &* +@all -@scripting", id="commands"),
        pytest.param("~* resetchannels &other +@all", id="channels"),
    ],
)
async def test_a_user_who_may_not_enough_is_told_what_is_needed(
    redis_server: RedisServer, rules: str
) -> None:
    redis_server.command("ACL", "SETUSER", "figway", "on", ">pw", *rules.split())
    url = f"redis://figway:pw@127.0.0.1:{redis_server.port}"
    async with fleet(url, "a") as (one,):
        one.store.register("{}")
        await told(one, "refused", "its ACL needs ~{figway:* &{figway:* +@read")


async def test_without_channels_the_poll_still_brings_every_change(
    redis_server: RedisServer,
) -> None:
    redis_server.command("ACL", "SETUSER", "default", "resetchannels")
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await until(lambda: one.health.revision or one.health.confirmed_at)
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        other.store.acknowledge(state.revision, 1)
        async with asyncio.timeout(20):
            while not await one.store.acks(state.revision, 5):
                pass
        assert not other.health.subscribed
        redis_server.command("ACL", "SETUSER", "default", "allchannels")
        await connected([one, other])


async def test_a_replica_of_redis_takes_no_writes_and_is_no_proof(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with RedisServer(tmp_path) as reader:
        reader.command("REPLICAOF", "127.0.0.1", str(redis_server.port))
        await until(lambda: "master_link_status:up" in reader.command("INFO", "replication"))
        async with fleet(reader.url, "a") as (one,), fleet(redis_server.url, "b") as (other,):
            one.store.register("{}")
            await told(one, "read_only", "is a replica and takes no writes; point the URL at")
            with pytest.raises(SharedStoreError, match="takes no writes"):
                await one.store.write(change_of(rollback=True), 0.2)
            confirmed = one.store.health.confirmed_at
            # What the primary says is still heard, but proves nothing about the newest.
            state = await other.change(change_of(rollback=True))
            await until(lambda: one.held == state)
            assert one.store.health.confirmed_at == confirmed
            reader.command("REPLICAOF", "NO", "ONE")
            await connected([one])


async def test_an_address_that_leads_to_another_server_by_now_is_asked_again(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """A name or a virtual address after a failover: old connections still lead to the old one."""
    with RedisServer(tmp_path) as old:
        async with RedisWire(old.port) as wire, fleet(wire.url, "a", renew=0.05) as (one,):
            await connected([one])
            one.store.register("{}")
            await until(lambda: old.command("KEYS", "*:leases") != "")
            wire.lead_to(redis_server.port)
            # It never gets to its master: loading from there would end our connections.
            old.command("REPLICAOF", "127.0.0.1", "9")
            await until(lambda: redis_server.command("KEYS", "*:leases") != "")
            await connected([one])
            state = await one.change(change_of(rollback=True))
            assert redis_server.command("HGET", "{figway:production}:state", "rev") == str(
                state.revision
            )


async def test_a_redis_without_memory_is_told_and_takes_the_rollback_later(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", renew=0.05) as (one, other):
        await connected([one, other])
        one.store.register("{}")
        redis_server.command("CONFIG", "SET", "maxmemory", "1")
        await told(one, "full", "has no memory left and takes no writes; raise maxmemory")
        with pytest.raises(SharedStoreError, match="has no memory left"):
            await one.store.write(change_of(rollback=True), 5)
        assert redis_server.command("EXISTS", "{figway:production}:state") == "0"
        await one.roll_back()
        redis_server.command("CONFIG", "SET", "maxmemory", "0")
        await until(lambda: other.rolled_back())
        await connected([one, other])


async def test_a_refused_write_is_told_until_one_is_taken(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", renew=0.01, poll=0.05) as (one,):
        await connected([one])
        redis_server.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(SharedStoreError, match="has no memory left"):
            await one.store.write(change_of(rollback=True), 5)
        polls = one.store.counts.polls
        # Nothing else is there to say to Redis, so nothing is learnt of it.
        await until(lambda: one.store.counts.polls > polls + 3)
        assert one.health.state == "full"
        redis_server.command("CONFIG", "SET", "maxmemory", "0")
        await one.change(change_of(rollback=True))
        assert one.health.state == "ok"


async def test_a_redis_that_cannot_save_is_told(tmp_path: Path) -> None:
    # A folder where the file should be: saving fails, and Redis stops taking writes.
    with RedisServer(tmp_path, settings=("dbfilename", "no-file")) as server:
        (tmp_path / "no-file").mkdir()
        async with fleet(server.url, "a", renew=0.05) as (one,):
            await connected([one])
            one.store.register("{}")
            server.command("CONFIG", "SET", "save", "3600 1")
            server.command("BGSAVE")
            await told(one, "read_only", "it cannot save to its disk")
            server.command("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
            await connected([one])


async def test_a_redis_without_its_replicas_is_told(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", renew=0.05) as (one,):
        one.store.register("{}")
        redis_server.command("CONFIG", "SET", "min-replicas-to-write", "1")
        await told(one, "read_only", "too few of its replicas are connected")


async def test_a_redis_that_runs_somebodys_script_is_told(redis_server: RedisServer) -> None:
    redis_server.command("CONFIG", "SET", "busy-reply-threshold", "10")
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        script = asyncio.create_task(
            asyncio.to_thread(redis_server.command, "EVAL", "while true do end", "0", checked=False)
        )
        await told(one, "slow", "is busy with somebody's script; SCRIPT KILL ends it")
        redis_server.command("SCRIPT", "KILL")
        await script
        await connected([one])


async def test_a_redis_that_loads_its_data_is_told(redis_server: RedisServer) -> None:
    redis_server.command("DEBUG", "POPULATE", "100")
    redis_server.command("CONFIG", "SET", "key-load-delay", "10000")
    redis_server.command("CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
    async with fleet(redis_server.url, "a", answer_within=5.0) as (one,):
        await connected([one])
        loading = asyncio.create_task(
            asyncio.to_thread(redis_server.command, "DEBUG", "RELOAD", checked=False)
        )
        await told(one, "loading", "is still reading its data from disk")
        await loading
        await connected([one])


async def test_somebody_elses_key_in_our_place_is_told(redis_server: RedisServer) -> None:
    redis_server.command("SET", "{figway:production}:state", "a string")
    async with fleet(redis_server.url, "a") as (one,):
        await told(one, "damaged", "holds something else under one of Figway's keys; delete")
        with pytest.raises(SharedStoreError, match=r"did not answer|holds something else"):
            await one.store.write(change_of(rollback=True), 0.2)
        redis_server.command("DEL", "{figway:production}:state")
        await connected([one])


async def test_somebody_elses_registry_does_not_stop_a_restored_word(
    redis_server: RedisServer,
) -> None:
    redis_server.command("SET", "{figway:production}:leases", "a string")
    async with fleet(redis_server.url, "a", "b") as (one, other):
        one.store.register("{}")
        await told(one, "damaged", "holds something else")
        mark = await one.roll_back()
        redis_server.command("DEL", "{figway:production}:state")
        await until(lambda: other.held.revision >= mark)
        await until(lambda: redis_server.command("EXISTS", "{figway:production}:state") == "1")


async def test_too_many_clients_are_told(redis_server: RedisServer) -> None:
    redis_server.command("CONFIG", "SET", "maxclients", "1")
    with socket.create_connection(("127.0.0.1", redis_server.port)):
        async with fleet(redis_server.url, "a") as (one,):
            await told(one, "refused", "has no connection left for us; raise its maxclients")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x46", id="tls-alert"),
        pytest.param(b"\xff\xfe\xfd\r\n" * 10, id="noise"),
    ],
)
async def test_what_does_not_speak_redis_is_told(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, fleet(f"redis://127.0.0.1:{port}", "a") as (one,):
        await until(lambda: one.health.state in ("refused", "down"))
        assert f"127.0.0.1:{port}" in one.health.detail


async def test_a_host_that_has_no_address_is_told() -> None:
    async with fleet("redis://nowhere.invalid", "a") as (one,):
        await told(one, "down", "Redis at nowhere.invalid:6379 cannot be reached")


async def test_a_socket_of_this_host_is_as_good(redis_server: RedisServer, tmp_path: Path) -> None:
    async with (
        fleet(f"unix://{redis_server.socket}?db=1", "a", "b") as (one, other),
        fleet(f"{redis_server.url}/1", "c") as (third,),
    ):
        await connected([one, other, third])
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == third.held == state)
    async with fleet(f"unix://{tmp_path}/none.sock", "a") as (one,):
        await told(one, "down", "cannot be reached: no such file or directory")


async def test_tls_is_as_good_and_every_mistake_with_it_has_its_words(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), tmp_path / "stranger"
    stranger.mkdir()
    other_authority = Authority(stranger)
    certificate = authority.sign("127.0.0.1", "localhost")
    ours = authority.sign("figway")
    with RedisServer(
        tmp_path, tls=certificate, authority=authority.bundle, client_certificates=True
    ) as server:
        port, ca = server.port, authority.bundle
        us = f"cert={ours.certificate}&key={ours.key}"
        async with (
            fleet(f"rediss://localhost:{port}?ca={ca}&{us}", "a", "b") as (one, other),
            fleet(f"rediss://127.0.0.1:{port}?ca={ca}&{us}&verify=chain", "c") as (third,),
        ):
            await connected([one, other, third])
            state = await one.change(change_of(rollback=True))
            await until(lambda: other.held == third.held == state)
        mistakes = {
            f"rediss://localhost:{port}?{us}": "name its authority with ?ca=FILE",
            f"rediss://localhost:{port}?ca={other_authority.bundle}&{us}": "is not trusted",
            f"rediss://127.0.0.1:{port}?ca={ca}&{us}": "is not trusted",
            f"rediss://localhost:{port}?ca={ca}": "?cert=FILE&key=FILE",
            f"redis://localhost:{port}": "a server with TLS wants rediss://",
            f"rediss://localhost:{port}?ca={tmp_path}/none.pem&{us}": "none.pem cannot be read",
            f"rediss://localhost:{port}?ca={ca}&cert={ca}&key={ours.key}": "certificate",
        }
        for url, words in mistakes.items():
            async with fleet(url, "a") as (one,):
                await until(lambda: one.health.state in ("refused", "down"))
                assert words in one.health.detail


async def test_tls_to_a_server_without_it_is_told(redis_server: RedisServer) -> None:
    async with fleet(f"rediss://127.0.0.1:{redis_server.port}", "a", answer_within=0.5) as (one,):
        await told(one, "down", "a server without TLS wants redis://")
