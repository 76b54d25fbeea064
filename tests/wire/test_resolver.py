"""Names of upstreams (http.md D8): remembered, never in the way, stale rather than absent."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from proxy.http1 import resolver as module
from proxy.http1.resolver import Resolver

Answer = tuple[str, ...] | OSError


class NameService:
    """Takes the place of getaddrinfo: answers what the test says, or hangs until it says."""

    def __init__(self, *addresses: str) -> None:
        self.answer: Answer = addresses
        self.questions = 0
        self.reachable = asyncio.Event()
        self.reachable.set()

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.questions += 1
        await self.reachable.wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in self.answer]


@pytest.fixture
def names(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> NameService:
    service = NameService("10.0.0.1", "10.0.0.2", "10.0.0.1")
    monkeypatch.setattr(loop, "getaddrinfo", service.getaddrinfo)
    return service


class Clock:
    """Takes the place of time.monotonic()."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


NXDOMAIN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def settle() -> None:
    """Let the question in the background come to its end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_address_is_its_own_answer(names: NameService) -> None:
    assert await Resolver("127.0.0.1", 80).addresses() == ("127.0.0.1",)
    assert await Resolver("::1", 80).addresses() == ("::1",)
    assert names.questions == 0


async def test_D8_an_answer_is_remembered(names: NameService, clock: Clock) -> None:
    resolver = Resolver("legacy", 80)
    for _ in range(3):
        assert await resolver.addresses() == ("10.0.0.1", "10.0.0.2")
    assert names.questions == 1


async def test_D8_a_name_that_moves_is_followed(names: NameService, clock: Clock) -> None:
    resolver = Resolver("legacy", 80)
    await resolver.addresses()
    names.answer = ("10.0.0.9",)
    clock.now += 11
    assert await resolver.addresses() == ("10.0.0.1", "10.0.0.2")  # while it is asked again
    await settle()
    assert await resolver.addresses() == ("10.0.0.9",)
    assert names.questions == 2


@pytest.mark.parametrize("answer", [NXDOMAIN, ()], ids=["nxdomain", "empty"])
async def test_D8_a_name_that_vanishes_keeps_its_last_address(
    names: NameService, clock: Clock, answer: Answer
) -> None:
    resolver = Resolver("legacy", 80)
    await resolver.addresses()
    names.answer = answer
    for _ in range(5):
        clock.now += 11
        assert await resolver.addresses() == ("10.0.0.1", "10.0.0.2")
        await settle()
    assert names.questions == 6


async def test_D8_a_failing_name_service_is_not_asked_for_every_connection(
    names: NameService, clock: Clock
) -> None:
    resolver = Resolver("legacy", 80)
    await resolver.addresses()
    names.answer = NXDOMAIN
    clock.now += 11
    for _ in range(100):
        await resolver.addresses()
        await settle()
    assert names.questions == 2
    clock.now += 1.5
    names.answer = ("10.0.0.9",)
    await resolver.addresses()
    await settle()
    assert await resolver.addresses() == ("10.0.0.9",)


async def test_D8_a_hanging_name_service_holds_nobody_up_who_knows_an_address(
    names: NameService, clock: Clock
) -> None:
    resolver = Resolver("legacy", 80)
    await resolver.addresses()
    names.reachable.clear()
    clock.now += 11
    async with asyncio.timeout(5):
        for _ in range(100):
            assert await resolver.addresses() == ("10.0.0.1", "10.0.0.2")
            await asyncio.sleep(0)
    assert names.questions == 2
    names.reachable.set()
    await settle()


async def test_many_first_connections_ask_once(names: NameService, clock: Clock) -> None:
    resolver = Resolver("legacy", 80)
    names.reachable.clear()
    waiting = [asyncio.ensure_future(resolver.addresses()) for _ in range(50)]
    await settle()
    waiting[0].cancel()  # the one that asked gives up
    await settle()
    names.reachable.set()
    answers = await asyncio.gather(*waiting[1:])
    assert set(answers) == {("10.0.0.1", "10.0.0.2")}
    assert names.questions == 1


async def test_a_name_that_never_had_an_address_is_an_error_every_time(
    names: NameService, clock: Clock
) -> None:
    names.answer = NXDOMAIN
    resolver = Resolver("no-such-host.invalid", 80)
    for _ in range(2):
        with pytest.raises(OSError, match=r"no-such-host\.invalid"):
            await resolver.addresses()
    names.answer = ("10.0.0.1",)
    assert await resolver.addresses() == ("10.0.0.1",)
