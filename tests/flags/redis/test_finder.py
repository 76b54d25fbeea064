"""Who is asked for the right server, and whom of several to believe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from flags.redis.faults import StoreFault
from flags.redis.finder import Finder, finder_for
from flags.redis.url import parse_redis_url

TAG = "{figway:production}"
_SENTINEL_OF = "redis+sentinel://{}/main"


def finder(url: str) -> Finder:
    return finder_for(parse_redis_url(url), TAG, "figway-test")


def bulk(*texts: str) -> bytes:
    return b"".join(f"${len(text)}\r\n{text}\r\n".encode() for text in texts)


def primary(port: int, epoch: int) -> bytes:
    """What SENTINEL MASTER answers, less what nobody reads."""
    pairs = ("name", "main", "ip", "127.0.0.1", "port", str(port), "config-epoch", str(epoch))
    return b"*8\r\n" + bulk(*pairs)


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[list[str]]:
    """Servers on loopback that answer every command with one thing each; their addresses.

    An empty answer is none at all.
    """

    serving_now: set[asyncio.Task[None] | None] = set()

    def serving(answer: bytes) -> object:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving_now.add(asyncio.current_task())
            while piece := await reader.read(1 << 16):
                writer.write(b"+OK\r\n" if b"SETNAME" in piece else answer)
            writer.close()

        return serve

    servers = [
        await asyncio.start_server(serving(answer), "127.0.0.1", 0)  # type: ignore[arg-type]  # it is one
        for answer in answers
    ]
    try:
        yield [f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    finally:
        for server in servers:
            server.close()
        await asyncio.gather(*filter(None, serving_now), return_exceptions=True)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
async def test_of_two_sentinels_the_one_that_knows_the_later_failover_is_believed(
    order: slice,
) -> None:
    async with scripted(primary(1001, 4), primary(1002, 5)) as addresses:
        found = await finder(_SENTINEL_OF.format(",".join(addresses[order]))).find()
        assert found.address == ("127.0.0.1", 1002)


async def test_sentinels_that_say_nothing_or_are_gone_do_not_hold_up_one_that_answers() -> None:
    async with scripted(b"", primary(1001, 1)) as addresses:
        found = await finder(_SENTINEL_OF.format(",".join(["127.0.0.1:9", *addresses]))).find()
        assert found.address == ("127.0.0.1", 1001)


async def test_the_credentials_of_sentinels_are_theirs() -> None:
    async with scripted(b"-NOAUTH Authentication required.\r\n") as (address,):
        with pytest.raises(StoreFault) as error:
            await finder(f"redis+sentinel://:secret@{address}/main").find()
        assert error.value.fault.state == "refused"
        assert "add ?sentinel_password=" in error.value.fault.detail
        assert "secret" not in error.value.fault.detail


def slots(*ranges: tuple[int, int, str, int]) -> bytes:
    answer = f"*{len(ranges)}\r\n".encode()
    for first, last, host, port in ranges:
        answer += f"*3\r\n:{first}\r\n:{last}\r\n*2\r\n".encode() + bulk(host)
        answer += f":{port}\r\n".encode()
    return answer


async def test_the_node_of_our_slot_is_found_and_an_empty_host_is_the_one_asked() -> None:
    # It is 14106.
    async with scripted(slots((0, 5000, "h", 1), (5001, 16383, "", 2))) as (address,):
        found = await finder(f"redis-cluster://127.0.0.1:9,{address}").find()
        assert found.address == ("127.0.0.1", 2)


async def test_a_cluster_without_our_slot_is_told() -> None:
    async with scripted(slots((0, 0, "h", 1))) as (address,):
        with pytest.raises(StoreFault, match="serves no slot") as error:
            await finder(f"redis-cluster://{address}").find()
        assert error.value.fault.state == "down"


async def test_a_node_that_was_learnt_of_is_asked_when_the_first_is_gone() -> None:
    async with scripted(slots((0, 16383, "h", 1))) as (other,):
        host, _, port = other.partition(":")
        async with scripted(slots((0, 16383, host, int(port)))) as (first,):
            cluster = finder(f"redis-cluster://{first}")
            assert (await cluster.find()).address == (host, int(port))
        assert (await cluster.find()).address == ("h", 1)
