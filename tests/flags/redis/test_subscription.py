"""A subscription that is deaf, cut or hears nonsense: changes still come, and it is made anew."""

from __future__ import annotations

from flags.shared import NOTHING_SHARED
from tests.flags.redis.fleet import change_of, connected, fleet, until
from tests.rigs.redis_server import RedisServer
from tests.rigs.redis_wire import RedisWire


async def test_a_deaf_subscription_is_noticed_and_the_poll_bounds_the_change(
    redis_server: RedisServer,
) -> None:
    async with (
        RedisWire(redis_server.port) as wire,
        fleet(redis_server.url, "a") as (one,),
        fleet(wire.url, "b", ping=0.1, deaf_after=0.4) as (other,),
    ):
        await connected([one, other])
        wire.deaf = True
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        assert other.store.counts.messages == 0
        await until(lambda: other.store.counts.deaf == 1)
        await until(lambda: not other.health.subscribed)
        # All the while, what is known of Redis is right.
        assert other.health.state == "ok"
        wire.deaf = False
        await connected([other])
        again = await one.change(change_of(rollback=False))
        await until(lambda: other.held == again)
        assert other.store.counts.messages == 1


async def test_a_subscription_that_answers_pings_but_brings_nothing_is_made_anew(
    redis_server: RedisServer,
) -> None:
    async with (
        RedisWire(redis_server.port) as wire,
        fleet(redis_server.url, "a") as (one,),
        fleet(wire.url, "b", ping=0.1, deaf_after=0.4) as (other,),
    ):
        await connected([one, other])
        wire.mute = True
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        await until(lambda: other.store.counts.unheard == 1)
        assert other.store.counts.deaf == 0
        wire.mute = False
        await until(lambda: wire.subscriptions > 1)
        await connected([other])
        await one.change(change_of(rollback=False))
        await until(lambda: other.store.counts.messages == 1)


async def test_a_subscription_that_is_never_confirmed_is_made_anew(
    redis_server: RedisServer,
) -> None:
    async with RedisWire(redis_server.port) as wire:
        wire.deaf = True
        async with fleet(wire.url, "a", ping=0.05, deaf_after=0.3) as (one,):
            await until(lambda: wire.subscriptions == 1)
            # From here on it answers every ping.
            wire.deaf = False
            await connected([one])


async def test_a_subscription_that_an_operator_kills_is_made_again(
    redis_server: RedisServer,
) -> None:
    async with fleet(redis_server.url, "a", "b") as (one, other):
        await connected([one, other])
        redis_server.command("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: not other.store.health.subscribed)
        state = await one.change(change_of(rollback=True))
        await until(lambda: other.held == state)
        await connected([one, other])


async def test_what_was_said_while_nobody_listened_is_read_without_waiting_for_the_poll(
    redis_server: RedisServer,
) -> None:
    async with (
        RedisWire(redis_server.port) as wire,
        fleet(redis_server.url, "a") as (one,),
        fleet(wire.url, "b", ping=0.05, deaf_after=0.1) as (warm,),
        fleet(wire.url, "c", ping=0.05, deaf_after=0.1, poll=3600.0) as (other,),
    ):
        await connected([one, warm, other])
        wire.deaf = True
        state = await one.change(change_of(rollback=True))
        await until(lambda: warm.held == state)
        assert other.held == NOTHING_SHARED
        await until(lambda: not other.health.subscribed)
        wire.deaf = False
        await until(lambda: other.held == state)


async def test_messages_that_are_no_messages_only_cause_a_look(redis_server: RedisServer) -> None:
    async with fleet(redis_server.url, "a") as (one,):
        await connected([one])
        reads = one.store.counts.whole_reads
        junk = ("", "{", "5", "[]", '["words"]', '["words","1","x"]', "[1]", '["ack"]', '["nudge"]')
        for text in junk:
            redis_server.command("PUBLISH", "{figway:production}:bell", text)
        redis_server.command("PUBLISH", "{figway:production}:ears:a", "[[]]")
        redis_server.command("PUBLISH", "{figway:production}:bell", '["later","x"]')
        await until(lambda: one.store.counts.messages == len(junk) + 2)
        assert one.store.counts.damaged >= len(junk)
        await until(lambda: one.store.counts.whole_reads > reads)
        assert one.held == NOTHING_SHARED
        assert one.health.state == "ok"
