"""RedisStore on a real Redis that does what it shall."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from flags.redis.settings import RedisSettings
from flags.redis.store import RedisStore
from flags.redis.url import parse_redis_url
from flags.shared import Mark, NewerRollbackError, Share, SharedState, SharedStoreError
from tests.flags.redis.fleet import change_of, connected, fleet, until
from tests.rigs.redis_server import RedisServer

STATE = "{figway:production}:state"


async def test_a_rollback_on_one_replica_reaches_the_others(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        await connected(replicas)
        state = await replicas[0].change(change_of(rollback=True, revision=7))
        mark = state.marks["all"]
        assert mark == Mark(
            scope="all",
            on=True,
            revision=state.revision,
            reason="INC-42",
            actor="ada",
            replica="a",
            since=12.5,
        )
        await until(lambda: all(each.held == state for each in replicas))
        # One message said it all: nothing had to be read.
        assert [each.store.counts.messages for each in replicas[1:]] == [1, 1]
        assert [each.store.counts.gaps for each in replicas[1:]] == [0, 0]


async def test_a_percentage_and_a_rollback_share_one_revision(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        change = change_of("group:purchase", rollback=False, basis_points=250)
        state = await one.change(change)
        assert state.shares["group:purchase"] == Share(
            scope="group:purchase",
            basis_points=250,
            revision=state.revision,
            actor="ada",
            replica="a",
        )
        assert state.marks["group:purchase"].revision == state.revision
        await until(lambda: other.held == state)


async def test_a_revision_is_later_than_all_before_and_than_the_clock(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        first = await one.change(change_of(rollback=True))
        seconds, microseconds = redis_server.command("TIME").split()
        now = int(seconds) * 1_000_000 + int(microseconds)
        assert now - 5_000_000 < first.revision <= now
        ahead = now + 3_600_000_000
        second = await other.change(change_of("route:x", rollback=True, revision=ahead))
        assert second.revision == ahead
        third = await one.change(change_of(rollback=False))
        assert third.revision == ahead + 1


async def test_a_change_that_is_asked_for_twice_is_made_once(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        first = await one.change(change_of(rollback=True, id="once"))
        between = await one.change(change_of(rollback=False))
        again = await one.change(change_of(rollback=True, id="once"))
        assert first.marks["all"].on
        assert again == between
        assert redis_server.command("XLEN", "{figway:production}:audit") == "2"


async def test_changes_of_many_at_once_all_have_their_own_revision(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        await connected(replicas)
        await asyncio.gather(
            *(
                each.change(change_of(f"route:{each.name}{n}", rollback=True))
                for each in replicas
                for n in range(20)
            )
        )
        await until(lambda: all(len(each.held.marks) == 60 for each in replicas))
        assert len({mark.revision for mark in replicas[0].held.marks.values()}) == 60
        assert replicas[0].held == replicas[1].held == replicas[2].held


async def test_a_replica_that_comes_later_is_told_what_holds(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        state = await one.change(change_of(rollback=True))
    async with fleet(redis_server.url, "b") as (later,):
        await until(lambda: later.held == state)
        assert later.health.revision == state.revision
        assert later.health.confirmed_at > 0


async def test_the_line_of_the_audit_is_in_the_stream(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        state = await one.change(change_of(rollback=True))
        stream = redis_server.command("XRANGE", "{figway:production}:audit", "-", "+")
        assert stream.split("\n")[1:] == [
            *("revision", str(state.revision)),
            *("line", '{"who":"ada"}'),
        ]


async def test_an_audit_that_cannot_be_kept_stops_no_rollback(redis_server: RedisServer) -> None:
    redis_server.command("SET", "{figway:production}:audit", "no stream")
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        assert one.store.counts.audit_failures == 1


async def test_acks_reach_the_replica_that_was_told(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        one, other, third = replicas
        await connected(replicas)
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == third.held == state)
        for each in replicas:
            each.store.acknowledge(state.revision, 1.2345)
        await until(lambda: {ack.replica for ack in one.acks} == {"a", "b", "c"})
        assert {(ack.boot, ack.revision, ack.applied_ms) for ack in one.acks} == {
            (f"{name}-boot", state.revision, 1.234) for name in "abc"
        }
        # Who was told by nobody is not told of acks either.
        assert not other.acks
        assert len(await third.store.acks(state.revision, 5)) == 3
        assert not await third.store.acks(state.revision + 1, 5)


async def test_a_later_ack_stands_for_the_earlier_ones(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        one, other, third = replicas
        await connected(replicas)
        first = await one.change(change_of(rollback=True))
        second = await other.change(change_of("route:x", rollback=True))
        await until(lambda: third.held == second)
        third.store.acknowledge(first.revision, 1)
        third.store.acknowledge(second.revision, 2)
        third.store.acknowledge(first.revision, 3)
        # Both that were told of something hear that it is used.
        await until(lambda: second.revision in [ack.revision for ack in one.acks])
        await until(lambda: second.revision in [ack.revision for ack in other.acks])
        (ack,) = await one.store.acks(first.revision, 5)
        assert (ack.replica, ack.revision, ack.applied_ms) == ("c", second.revision, 2)


async def test_everybody_but_oneself_is_nudged(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a", "b", "c") as replicas:
        one, other, third = replicas
        await connected(replicas)
        one.store.nudge("unleash")
        one.store.nudge("unleash")
        await until(lambda: other.nudges == third.nudges == ["unleash"])
        other.store.nudge("flags")
        await until(lambda: one.nudges == ["flags"])


async def test_who_registered_is_listed_and_live_while_it_renews(
    redis_server: RedisServer,
) -> None:
    # What is new is told at once, not with the next renewal.
    async with fleet(redis_server.url, "a", "b", renew=3600.0) as (one, other):
        await connected([one, other])
        one.store.register('{"version":"1"}')
        other.store.register("{}")
        await until(lambda: redis_server.command("ZCARD", "{figway:production}:leases") == "2")
        views = await one.store.replicas(5)
        assert [(view.replica, view.boot, view.live, view.facts) for view in views] == [
            ("a", "a-boot", True, '{"version":"1"}'),
            ("b", "b-boot", True, "{}"),
        ]
        one.store.register('{"version":"2"}')
        facts = "{figway:production}:facts"
        await until(lambda: '\\"2\\"' in redis_server.command("HGET", facts, "a-boot"))


async def test_who_stops_gives_its_lease_back(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        async with fleet(redis_server.url, "b") as (other,):
            await connected([one, other])
            other.store.register("{}")
            await until(lambda: redis_server.command("ZCARD", "{figway:production}:leases") == "1")
        assert not await one.store.replicas(5)


async def test_who_vanishes_is_not_live_after_its_lease_and_forgotten_later(
    redis_server: RedisServer,
) -> None:
    gone = RedisStore(
        RedisSettings(
            url=parse_redis_url(redis_server.url), replica="gone", boot="gone-boot", lease=0.2
        )
    )
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        gone.start(one)
        gone.register("{}")
        leases = "{figway:production}:leases"
        await until(lambda: redis_server.command("ZCARD", leases) == "1")
        # It renews once a second: without another renewal the lease ends.
        views = await one.store.replicas(5)
        while views[0].live:
            views = await one.store.replicas(5)
        assert views[0].seen_seconds >= 0.2
        await gone.close()
    redis_server.command("ZADD", leases, "1000", "old-boot")
    redis_server.command("HSET", "{figway:production}:facts", "old-boot", "{}")
    async with fleet(redis_server.url, "b") as (other,):
        other.store.register("{}")
        await until(lambda: "b-boot" in redis_server.command("ZRANGE", leases, "0", "-1"))
        assert "old-boot" not in redis_server.command("ZRANGE", leases, "0", "-1")
        assert redis_server.command("HGET", "{figway:production}:facts", "old-boot") == ""


async def test_environments_on_one_redis_do_not_meet(redis_server: RedisServer) -> None:
    settings = RedisSettings(
        url=parse_redis_url(redis_server.url), replica="s", boot="s", environment="staging"
    )
    async with fleet(redis_server.url, "a") as (production,):
        await connected([production])
        staging = RedisStore(settings)
        staging.start(production)
        try:
            state = await staging.write(change_of(rollback=True), 5)
        finally:
            await staging.close()
        assert state.marks["all"].on
        assert redis_server.command("EXISTS", STATE) == "0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(change_of("everything", rollback=True), "must be all, group:", id="scope"),
        pytest.param(
            change_of("all", basis_points=5), "of one group or route", id="percent-of-all"
        ),
        pytest.param(change_of("route:x", basis_points=10_001), "0..10000", id="percent-too-high"),
        pytest.param(change_of("route:x"), "says neither", id="nothing"),
        pytest.param(change_of(rollback=True, revision=2**53), "is outside", id="revision"),
    ],
)
async def test_what_makes_no_sense_is_not_written(
    redis_server: RedisServer, change: object, told: str
) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        with pytest.raises(SharedStoreError, match="not written") as error:
            await one.store.write(change, 5)  # type: ignore[arg-type]  # a parameter is an object
        assert told in str(error.value)
        assert redis_server.command("EXISTS", STATE) == "0"


@pytest.mark.parametrize("name", ["", "a b", "{x}", "x" * 65, "-x"])
def test_an_environment_is_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="an environment is named with"):
        RedisSettings(url=parse_redis_url("redis://h"), replica="a", boot="b", environment=name)


async def test_names_that_json_and_redis_would_mistake_come_back_as_they_were(
    redis_server: RedisServer,
) -> None:
    scope = 'route:"ü\\ {x}: *'
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        state = await one.change(change_of(scope, rollback=True, basis_points=1))
        await until(lambda: other.held == state)
        assert set(state.marks) == set(state.shares) == {scope}
        assert json.loads(redis_server.command("HGET", STATE, f"rollback:{scope}").split(" ", 1)[1])


async def test_a_store_is_closed_before_it_was_reached() -> None:
    async with fleet("redis://127.0.0.1:9", "a") as (one,):
        assert one.store.health.state == "starting"
        one.store.assert_state(SharedState(revision=1))


@pytest.mark.parametrize(
    ("seen", "ends"),
    [
        pytest.param(0, True, id="the rollback it knew"),
        pytest.param(-1, False, id="a rollback it did not know"),
    ],
)
async def test_a_resume_ends_only_what_it_has_seen(
    redis_server: RedisServer, seen: int, ends: bool
) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        known = (await one.change(change_of(rollback=True))).marks["all"].revision
        resume = replace(change_of(rollback=False), seen=known + seen)
        if ends:
            await other.change(resume)
        else:
            with pytest.raises(NewerRollbackError):
                await other.change(resume)
        await until(lambda: one.rolled_back() is not ends)
        assert other.rolled_back() is not ends
        # What is off already is no rollback, however new.
        await other.change(replace(change_of("route:x", rollback=False), seen=0))
        await other.change(replace(change_of("route:x", rollback=False), seen=0))
