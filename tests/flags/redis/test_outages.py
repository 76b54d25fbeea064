"""RedisStore while Redis is away, slow or has forgotten: nothing is lost, and it is told."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from flags.shared import Mark, SharedState, SharedStoreError, StoreHealth
from tests.flags.redis.fleet import Replica, change_of, connected, fleet, until
from tests.rigs.redis_server import RedisServer
from tests.rigs.redis_wire import RedisWire

STATE = "{figway:production}:state"


def states(replica: Replica) -> list[str]:
    return [health.state for health in replica.healths]


async def all_agree(replicas: list[Replica]) -> None:
    await until(lambda: all(each.held == replicas[0].held for each in replicas))


async def test_redis_that_is_down_from_the_start_is_told_and_waited_for(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    async with fleet(f"redis://127.0.0.1:{server.port}", "a", "b") as (one, other):
        await until(lambda: one.health.state == other.health.state == "down")
        assert "cannot be reached: connection refused" in one.health.detail
        await one.roll_back()
        with server:
            await connected([one, other])
            await until(lambda: other.rolled_back())
            assert other.held == one.held


async def test_a_rollback_without_redis_fails_at_once_in_words_and_is_shared_later(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        redis_server.kill()
        with pytest.raises(SharedStoreError, match="cannot be reached"):
            await one.store.write(change_of(rollback=True), 0.1)
        assert one.store.counts.write_failures == 1
        await one.roll_back("group:purchase")
        assert not other.rolled_back("group:purchase")
        redis_server.start()
        await until(lambda: other.rolled_back("group:purchase"))
        assert not other.rolled_back()


async def test_a_write_finds_redis_again_within_its_patience(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        redis_server.kill()
        writing = asyncio.create_task(one.change(change_of(rollback=True)))
        await until(lambda: one.store.counts.write_retries > 1)
        redis_server.start()
        assert (await writing).marks["all"].on


async def test_redis_that_came_back_empty_is_told_everything_again(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        await connected(replicas)
        await replicas[0].change(change_of(rollback=True))
        await replicas[1].change(change_of("route:x", basis_points=500))
        await replicas[2].change(change_of("group:g", rollback=False))
        await all_agree(replicas)
        before = replicas[0].held
        for each in replicas:
            each.store.register("{}")
        redis_server.kill()
        await until(lambda: all(each.health.state == "down" for each in replicas))
        redis_server.start()
        await connected(replicas)
        await until(lambda: all(each.health.revision == before.revision for each in replicas))
        async with fleet(redis_server.url, "d") as (fresh,):
            await until(lambda: fresh.held == before)
        # One of them was enough.
        assert sum(each.store.counts.restored for each in replicas) == 3
        leases = "{figway:production}:leases"
        await until(lambda: redis_server.command("ZCARD", leases) == "3")


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(("FLUSHALL",), id="everything"),
        pytest.param(("DEL", STATE), id="the-state"),
        pytest.param(("HDEL", STATE, "rollback:all"), id="one-word"),
        pytest.param(("HDEL", STATE, "rev"), id="the-revision"),
        pytest.param(("HSET", STATE, "rollback:all", "junk"), id="a-garbled-word"),
        pytest.param(("HSET", STATE, "rev", "junk"), id="a-garbled-revision"),
        pytest.param(("HSET", STATE, "rev", "nan"), id="a-revision-that-is-no-number"),
        pytest.param(("HSET", STATE, "rev", "9" * 30), id="a-revision-beyond-counting"),
    ],
)
async def test_what_redis_lost_is_written_back(
    redis_server: RedisServer, loss: tuple[str, ...]
) -> None:
    async with fleet(redis_server.url, "a", "b", whole_read=0.2) as replicas:
        await connected(replicas)
        await replicas[0].change(change_of(rollback=True))
        await replicas[0].change(change_of("route:x", rollback=True))
        await all_agree(replicas)
        before = replicas[0].held
        word = redis_server.command("HGET", STATE, "rollback:all")
        redis_server.command(*loss)
        await until(
            lambda: (
                redis_server.command("HGET", STATE, "rollback:all") == word
                and redis_server.command("HGET", STATE, "rev").isdigit()
                and int(redis_server.command("HGET", STATE, "rev")) >= before.revision
            )
        )
        assert all(each.rolled_back() for each in replicas)
        await until(lambda: all(each.health.state == "ok" for each in replicas))


async def test_a_write_lost_in_a_failover_comes_back_beside_what_came_after_it(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        old = await one.change(change_of("route:old", rollback=True))
        await one.change(change_of("route:lost", rollback=True))
        await all_agree([one, other])
        # As a new primary that never had the last write, and has taken another one since.
        redis_server.command("HDEL", STATE, "rollback:route:lost")
        redis_server.command("HSET", STATE, "rev", str(old.revision))
        async with fleet(redis_server.url, "c") as (new,):
            await new.change(change_of("route:new", rollback=True))
            routes = {"route:old", "route:lost", "route:new"}
            await until(lambda: set(new.held.marks) == routes)
        await until(lambda: set(one.held.marks) == set(other.held.marks) == routes)


async def test_of_two_servers_behind_one_address_the_one_for_new_connections_is_believed(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """A failover of a virtual address whose old server lives on, and still takes writes."""
    with RedisServer(tmp_path) as old:
        async with (
            RedisWire(old.port) as wire,
            fleet(wire.url, "a") as (one,),
            fleet(redis_server.url, "b") as (other,),
        ):
            await connected([one, other])
            wire.lead_to(redis_server.port)
            # The first write needs a connection, and so comes to the new one.
            state = await one.change(change_of(rollback=True))
            await until(lambda: other.held == state)
            after = await other.change(change_of("route:x", rollback=True))
            await until(lambda: one.held == after)
            await until(lambda: one.store.counts.connects > 1)
            again = await other.change(change_of("route:x", rollback=False))
            await until(lambda: one.held == again)
            await connected([one])
            assert old.command("EXISTS", STATE) == "0"


async def test_a_storm_of_ones_own_writes_is_no_loss(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b", poll=0.005, whole_read=0.01) as replicas:
        await connected(replicas)
        for turn in range(200):
            await replicas[turn % 2].change(change_of(rollback=turn % 3 == 0))
        assert [each.store.counts.connects for each in replicas] == [1, 1]
        assert [each.store.counts.restored for each in replicas] == [0, 0]
        await all_agree(replicas)


async def test_a_word_nobody_can_read_is_told_while_nobody_knows_better(
    redis_server: RedisServer,
) -> None:
    redis_server.command("HSET", STATE, "rollback:all", "5 {", "percent:route:x", '1 {"basis":1}')
    async with fleet(redis_server.url, "a") as (one,):
        await until(lambda: one.health.state == "damaged")
        assert "percent:route:x, rollback:all" in one.health.detail
        assert not one.held.marks
        assert one.store.counts.damaged == 2
        await one.change(change_of(rollback=True, basis_points=None))
        await one.change(change_of("route:x", basis_points=1))
        await until(lambda: one.health.state == "ok")


async def test_kinds_of_words_of_a_later_version_are_left_alone(redis_server: RedisServer) -> None:
    redis_server.command("HSET", STATE, "shadow:all", "whatever")
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        await one.change(change_of(rollback=True))
        assert one.health.state == "ok"
        assert redis_server.command("HGET", STATE, "shadow:all") == "whatever"


async def test_a_frozen_redis_is_slow_then_down_and_holds_nobody_up(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", answer_within=0.6, slow_after=0.1) as replicas:
        one, other = replicas
        await connected([one, other])
        confirmed = one.health.confirmed_at
        redis_server.freeze()
        try:
            await until(lambda: one.health.state == "down")
            assert states(one)[-2:] == ["slow", "down"]
            assert "does not answer in time" in one.health.detail or (
                "did not answer in" in one.health.detail
            )
            with pytest.raises(SharedStoreError, match=r"did not answer in 0\.1 s"):
                await one.store.write(change_of(rollback=True), 0.1)
            with pytest.raises(SharedStoreError, match="did not answer"):
                await one.store.replicas(0.1)
            with pytest.raises(SharedStoreError, match="did not answer"):
                await one.store.acks(1, 0.1)
        finally:
            redis_server.thaw()
        await until(lambda: one.health.state == other.health.state == "ok")
        await until(lambda: one.store.health.confirmed_at > confirmed)


async def test_a_write_that_redis_reads_too_late_is_not_made(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        await one.change(change_of("route:x", rollback=True))
        redis_server.freeze()
        try:
            # Both stand in the server's socket, in no order, when their senders have given up.
            for on in (False, True):
                with pytest.raises(SharedStoreError):
                    await one.store.write(change_of(rollback=on), 0.1)
            late = one.store.now_us() + 200_000
            await until(lambda: one.store.now_us() > late)
        finally:
            redis_server.thaw()
        await connected([one, other])
        state = await one.change(change_of("route:y", rollback=True))
        assert set(state.marks) == {"route:x", "route:y"}


async def test_an_outage_that_only_a_write_met_is_over_when_redis_is_back(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", renew=0.05, answer_within=0.2) as (one, other):
        await connected([one, other])
        redis_server.freeze()
        try:
            await one.roll_back()
            await until(lambda: one.health.state == "down")
        finally:
            redis_server.thaw()
        # Somebody else writes it back, so that there is nothing left to say.
        other.on_state(one.held)
        await connected([one, other])


async def test_a_pause_of_redis_is_told_as_slowness(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", slow_after=0.1) as (one,):
        await connected([one])
        redis_server.command("CLIENT", "PAUSE", "600")
        await until(lambda: one.health.state == "slow")
        assert "to answer; look at its load" in one.health.detail
        await until(lambda: one.health.state == "ok")
        assert "down" not in states(one)[1:]


async def test_connections_that_are_cut_are_made_again(redis_server: RedisServer) -> None:
    async with RedisWire(redis_server.port) as wire, fleet(wire.url, "a", "b") as replicas:
        one, other = replicas
        for turn in range(3):
            await connected(replicas)
            wire.cut()
            state = await one.change(change_of(f"route:{turn}", rollback=True))
            await until(lambda: other.held == state)  # noqa: B023 - awaited here


async def test_a_connection_that_died_in_its_sleep_is_not_noticed(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        one.store.register("{}")
        async with asyncio.timeout(20):
            while not await one.store.replicas(5):
                pass
        redis_server.command("CLIENT", "KILL", "TYPE", "normal")
        assert len(await one.store.replicas(5)) == 1


async def test_acks_and_leases_are_told_again_to_a_redis_that_forgot(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", renew=0.05) as (one, other):
        await connected([one, other])
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        other.store.register("{}")
        other.store.acknowledge(state.revision, 3)
        await until(lambda: one.acks)
        redis_server.command("FLUSHALL")
        async with asyncio.timeout(20):
            while not await one.store.acks(state.revision, 5):
                pass
            while not await one.store.replicas(5):
                pass


async def test_what_waits_for_redis_stays_little(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    url = f"redis://127.0.0.1:{server.port}"
    async with fleet(url, "a", answer_within=5.0) as (one,), fleet(url, "b") as (other,):
        for number in range(1000):
            one.store.nudge(f"source-{number}")
            one.store.acknowledge(number, 1)
            one.store.register(f"{number}")
        assert one.store.counts.nudges_dropped >= 900
        with server:
            await connected([other])
            await until(lambda: other.nudges)
            async with asyncio.timeout(20):
                while not (acks := await other.store.acks(1, 5)):
                    pass
            assert [ack.revision for ack in acks] == [999]
            assert len(other.nudges) <= 16


async def test_it_stops_in_time_while_redis_is_frozen(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        one.store.register("{}")
        redis_server.freeze()
        try:
            async with asyncio.timeout(5):
                await one.store.close()
        finally:
            redis_server.thaw()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("redis")]


async def test_a_listener_that_fails_stops_nothing(redis_server: RedisServer) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["exception"])
    )

    class Broken(Replica):
        def on_state(self, state: SharedState) -> None:
            super().on_state(state)
            raise ZeroDivisionError

        def on_health(self, health: StoreHealth) -> None:
            super().on_health(health)
            raise ZeroDivisionError

    async with (
        fleet(redis_server.url, "a") as (one,),
        fleet(redis_server.url, "b", kind=Broken) as (broken,),
    ):
        await connected([one, broken])
        state = await one.change(change_of(rollback=True))
        await until(lambda: broken.held == state)
        assert {type(error) for error in told} == {ZeroDivisionError}


async def test_a_mark_of_ones_own_wins_over_an_older_one_and_loses_to_a_newer(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        older = state.revision - 1
        other.on_state(
            SharedState(revision=older, marks={"all": Mark(scope="all", on=False, revision=older)})
        )
        assert other.rolled_back()
        newer = state.revision + 1
        other.on_state(
            SharedState(revision=newer, marks={"all": Mark(scope="all", on=False, revision=newer)})
        )
        await until(lambda: not one.rolled_back())
        assert one.held == other.held


async def test_redis_that_dies_in_the_middle_of_a_storm_loses_no_last_word(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        await connected(replicas)

        async def storm(replica: Replica) -> None:
            for turn in range(60):
                await replica.roll_back(f"route:{turn % 7}", on=turn % 2 == 0)

        storming = [asyncio.create_task(storm(each)) for each in replicas]
        await until(lambda: replicas[0].store.counts.writes > 10)
        assert redis_server.child is not None
        redis_server.child.signal_group(signal.SIGKILL)
        redis_server.kill()
        await until(lambda: replicas[0].store.counts.write_failures)
        redis_server.start()
        await asyncio.gather(*storming)
        await connected(replicas)
        await all_agree(replicas)
        last = {scope: mark.on for scope, mark in replicas[0].held.marks.items()}
        # 60 turns over 7 routes: the last turns of each, 53..59, alternate.
        assert last == {f"route:{turn % 7}": turn % 2 == 0 for turn in range(53, 60)}
