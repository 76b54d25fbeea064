"""A percentage that replicas share: on all of them once it is in the store, refused without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from proxy.config.parse import parse_routes
from proxy.control_plane import Provider
from proxy.fleet import membership
from proxy.supervision.audit import Actor
from proxy.supervision.change import Change, FileOutcome, Refusal, Refused
from proxy.supervision.crew import Publication
from proxy.supervision.percentages import Percentages
from tests.proxy.fleet.members import ANN, ROUTES, Member, kept, member, until
from tests.proxy.fleet.memory_store import Sea


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "LOOK_SECONDS", 0.05)


@pytest.fixture
def sea() -> Sea:
    return Sea()


@pytest.fixture
async def fleet(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, sea: Sea
) -> AsyncIterator[list[Member]]:
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(member(tmp_path, sea, n)) for n in "ab"]
        for each in members:
            each.switches.provider = Provider.REDIS
            await until(lambda each=each: len(each.fleet.replicas) == 2)
        yield members


async def _never(_: Actor) -> tuple[FileOutcome, Publication | None]:
    raise AssertionError("the file is not where percentages are written")


def set_percent(one: Member, name: str, percent: str) -> asyncio.Task[Change]:
    percentages = Percentages(
        switches=one.switches,
        publisher=one.publisher,
        journal=one.journal,
        file=lambda: parse_routes(ROUTES, "routes.yaml"),
        name="routes.yaml",
        read_flags=_never,
        log=structlog.get_logger(),
    )
    percentages.fleet = one.fleet
    return asyncio.ensure_future(percentages.set(name, Decimal(percent), actor=ANN, reason="try"))


async def test_a_percentage_said_to_one_is_used_by_all_when_the_command_returns(
    fleet: list[Member],
) -> None:
    done = await set_percent(fleet[0], "product", "12.5")
    assert {ack.replica: ack.state for ack in done.replicas} == {"a": "applied", "b": "applied"}
    await set_percent(fleet[1], "purchase", "3")
    for each in fleet:
        flags = each.workers.told[-1].flags
        assert dict(flags.route_basis_points) == {"product": 1250}
        assert dict(flags.group_basis_points) == {"purchase": 300}


async def test_without_the_store_nothing_is_changed_and_the_way_back_is_named(
    fleet: list[Member], sea: Sea
) -> None:
    await set_percent(fleet[0], "product", "10")
    sea.fail("Redis is down")
    with pytest.raises(Refused, match="Redis is down") as refused:
        await set_percent(fleet[0], "product", "20")
    assert refused.value.kind is Refusal.UNAVAILABLE
    assert "`figway rollback` works without" in str(refused.value)
    for each in fleet:
        assert dict(each.workers.told[-1].flags.route_basis_points) == {"product": 1000}


async def test_a_store_that_forgot_the_percentages_is_told_them_again(
    fleet: list[Member], sea: Sea
) -> None:
    await set_percent(fleet[0], "product", "10")
    sea.fail("gone")
    sea.heal(forgets=True)
    assert sea.state.shares["route:product"].basis_points == 1000
    assert dict(fleet[1].workers.told[-1].flags.route_basis_points) == {"product": 1000}


async def test_percentages_survive_a_start_without_the_store(
    fleet: list[Member], sea: Sea, tmp_path: Path
) -> None:
    await set_percent(fleet[0], "product", "10")
    await until(lambda: "route:product" in kept(fleet[1]))
    sea.fail("down")
    (tmp_path / "c").mkdir(mode=0o700)
    (tmp_path / "c" / "rollback-latch.json").write_text(kept(fleet[1]))
    async with member(tmp_path, sea, "c") as late:
        late.switches.provider = Provider.REDIS
        assert dict(late.switches.snapshot(1).route_basis_points) == {"product": 1000}
