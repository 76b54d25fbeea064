"""Replicas that share a store: what one is told all use, whoever is down, late, deaf or dead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from flags.latch import Latch, Source
from flags.scope import ALL
from flags.shared import (
    AckView,
    Mark,
    SharedChange,
    SharedState,
    SharedStoreError,
    StoreHealth,
)
from proxy.fleet import comparison, membership, replica
from proxy.fleet.acks import AckBook
from proxy.fleet.series import replicas as replica_series
from proxy.supervision.audit import Actor
from proxy.supervision.change import Change, Refusal, Refused
from tests.proxy.fleet.members import ANN, Member, kept, member, until
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
        members = [await stack.enter_async_context(member(tmp_path, sea, n)) for n in "abc"]
        for each in members:
            await until(lambda each=each: len(each.fleet.replicas) == 3)
        yield members


async def roll_back(one: Member, scope: str = ALL, patience: float = 5.0) -> Change:
    return await one.rollbacks.begin(
        scope, source=Source.COMMAND, actor=ANN, reason="INC-42", patience=patience
    )


async def resume(one: Member, scope: str = ALL, *, force: bool = False) -> Change:
    return await one.rollbacks.end(scope, actor=ANN, reason="fixed", force=force)


def states(change: Change) -> dict[str, str]:
    return {ack.replica: ack.state for ack in change.replicas}


async def test_a_command_to_one_holds_on_all_when_it_returns(fleet: list[Member]) -> None:
    done = await roll_back(fleet[0])
    assert states(done) == dict.fromkeys("abc", "applied")
    assert done.fleet.state == "shared"
    assert all(each.rolled_back for each in fleet)
    assert {hold.origin for each in fleet for hold in each.switches.latch.holds} == {"a"}
    ended = await resume(fleet[2])
    assert states(ended) == dict.fromkeys("abc", "applied")
    assert not any(each.rolled_back for each in fleet)


async def test_what_was_heard_is_kept_for_a_start_without_the_store(
    fleet: list[Member],
) -> None:
    await roll_back(fleet[0], "route:product")
    for each in fleet:
        await until(lambda each=each: "INC-42" in kept(each))


async def test_a_replica_that_cannot_confirm_is_named_and_confirms_later(
    fleet: list[Member],
) -> None:
    fleet[1].workers.hang = True
    done = await roll_back(fleet[0], patience=0.2)
    assert states(done) == {"a": "applied", "b": "unconfirmed", "c": "applied"}
    assert done.fleet.revision > fleet[1].fleet.applied
    fleet[1].workers.wake()
    await until(lambda: fleet[1].fleet.applied >= done.fleet.revision)


async def test_acks_that_nobody_tells_of_are_asked_for(fleet: list[Member]) -> None:
    for each in fleet:
        each.store.mute = True
    assert states(await roll_back(fleet[0])) == dict.fromkeys("abc", "applied")


async def test_a_replica_whose_lease_ends_meanwhile_is_not_waited_for(
    fleet: list[Member], sea: Sea
) -> None:
    fleet[1].workers.hang = True
    sea.gone.add(fleet[1].store.boot)
    done = await roll_back(fleet[0], patience=5.0)
    assert "unconfirmed" not in states(done).values()


async def test_one_that_left_without_a_word_is_named_so_that_it_can_be_asked_directly(
    fleet: list[Member], sea: Sea
) -> None:
    assert (await roll_back(fleet[0])).fleet.peers == ()
    sea.gone.add(fleet[1].store.boot)
    assert (await roll_back(fleet[0])).fleet.peers == ("http://b:9900",)


async def test_without_the_store_a_rollback_holds_here_and_is_asserted_later(
    fleet: list[Member], sea: Sea
) -> None:
    sea.fail("Redis is down")
    done = await roll_back(fleet[0])
    assert (done.fleet.state, done.fleet.detail) == ("unreachable", "Redis is down")
    assert states(done) == {"a": "applied"}
    assert done.replicas[0].ms == 1.0, "what its workers needed"
    assert any("Redis is down" in warning for warning in done.warnings)
    assert [each.rolled_back for each in fleet] == [True, False, False]
    sea.heal(forgets=True)
    await until(lambda: all(each.rolled_back for each in fleet))


async def test_redis_lost_the_rollback_write_latched_locally_and_re_asserted(
    fleet: list[Member], sea: Sea
) -> None:
    await roll_back(fleet[0])
    sea.heal(forgets=True)
    assert sea.state.marks[ALL].on
    assert all(each.rolled_back for each in fleet)


async def test_rollback_active_and_provider_lost_only_a_newer_resume_clears_it(
    fleet: list[Member], sea: Sea
) -> None:
    await roll_back(fleet[0])
    before = sea.state
    sea.fail("gone")
    assert all(each.rolled_back for each in fleet)
    ended = await resume(fleet[1])
    assert states(ended) == {"b": "applied"}
    assert [each.rolled_back for each in fleet] == [True, False, True]
    # The store comes back with what it had before: the resume is newer.
    sea.state = before
    sea.heal()
    await until(lambda: not any(each.rolled_back for each in fleet))


async def test_an_older_state_of_the_store_changes_nothing(fleet: list[Member], sea: Sea) -> None:
    await roll_back(fleet[0])
    old = sea.state
    await resume(fleet[0])
    fleet[1].fleet.on_state(old)
    assert not fleet[1].rolled_back


async def test_a_replica_that_joins_holds_what_the_others_hold_before_its_first_request(
    fleet: list[Member], sea: Sea, tmp_path: Path
) -> None:
    await roll_back(fleet[0])
    async with member(tmp_path, sea, "d") as late:
        assert late.workers.told[0].flags.rollback_all
        done = await roll_back(late)
        assert states(done) == dict.fromkeys("abcd", "applied")


async def test_a_signal_is_this_host_alone_and_a_resume_anywhere_ends_it(
    fleet: list[Member],
) -> None:
    actor = Actor(who="SIGUSR1", via="signal")
    done = await fleet[1].rollbacks.begin(ALL, source=Source.SIGNAL, actor=actor, reason="x")
    assert done.fleet.state == "local"
    assert [each.rolled_back for each in fleet] == [False, True, False]
    await until(lambda: fleet[0].fleet.held_elsewhere(ALL) == ("signal on b",))
    ended = await resume(fleet[0])
    assert (ended.changed, ended.still_held) == (True, ())
    assert not any(each.rolled_back for each in fleet)


async def test_a_sentinel_that_still_stands_elsewhere_keeps_holding_and_is_named(
    fleet: list[Member],
) -> None:
    fleet[1].rollbacks.sentinel.touch()
    actor = Actor(who="ROLLBACK", via="sentinel")
    await fleet[1].rollbacks.begin(ALL, source=Source.SENTINEL, actor=actor, reason="x")
    await roll_back(fleet[0])
    ended = await resume(fleet[0])
    assert ended.still_held == ("sentinel on b",)
    assert [each.rolled_back for each in fleet] == [False, True, False]
    fleet[1].rollbacks.sentinel.unlink()
    assert (await resume(fleet[2])).still_held == ()
    assert not any(each.rolled_back for each in fleet)


async def test_a_part_of_what_is_rolled_back_is_not_free_after_its_own_resume(
    fleet: list[Member],
) -> None:
    for scope in ("route:cart", "group:purchase", ALL):
        await roll_back(fleet[0], scope)
    ended = await resume(fleet[0], "route:cart")
    assert (ended.changed, ended.still_held) == (
        True,
        ("command of group:purchase", "command of all"),
    )
    again = await resume(fleet[0], "route:cart")
    assert (again.changed, again.still_held) == (False, ended.still_held)
    assert (await resume(fleet[0], ALL)).still_held == ()


async def test_a_resume_of_nothing_tells_nobody(fleet: list[Member], sea: Sea) -> None:
    ended = await resume(fleet[0])
    assert (ended.changed, ended.fleet.state, ended.replicas) == (False, "local", ())
    assert sea.state.marks == {}


async def test_a_young_rollback_is_ended_by_force_only(tmp_path: Path, sea: Sea) -> None:
    async with member(tmp_path, sea, "a", cooldown=900.0) as one:
        await roll_back(one)
        with pytest.raises(Refused, match=r"younger than control.resume_cooldown \(900 s\)") as no:
            await resume(one)
        assert no.value.kind is Refusal.CONFLICT
        assert "--force" in str(no.value)
        assert one.rolled_back
        assert (await resume(one, force=True)).changed
        assert not one.rolled_back
        # Who passed over the cooldown stands in the audit.
        done = json.loads((one.directory.path / "audit.jsonl").read_text().splitlines()[-1])
        assert done["before"] == "rolled back by command, for less than control.resume_cooldown"


async def test_replicas_that_differ_are_told_of_and_that_they_agree_again(
    fleet: list[Member],
) -> None:
    fleet[2].config = "two"
    await until(lambda: fleet[0].fleet.differences)
    [difference] = fleet[0].fleet.differences
    assert difference.kind == "config"
    assert difference.detail == "revision of routes.yaml: 2 have one, c has two"
    fleet[2].config = "one"
    await until(lambda: not fleet[0].fleet.differences)


def shown(one: Member) -> dict[str, str]:
    return {each.facts.replica: each.state for each in one.fleet.shown}


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (replica, comparison):
        monkeypatch.setattr(module, "LEASE_SECONDS", 1.0)


@pytest.mark.usefixtures("short_lease")
async def test_without_the_store_others_are_unknown_and_this_one_is_shown_as_it_is(
    fleet: list[Member], sea: Sea
) -> None:
    one = fleet[0]
    await until(lambda: shown(one) == dict.fromkeys("abc", "live"))
    sea.fail("Redis is down")
    await roll_back(one)
    [own] = [each.facts for each in one.fleet.shown if each.facts.replica == "a"]
    assert own.holds == ("all by command",)
    await until(lambda: shown(one) == {"a": "live", "b": "unknown", "c": "unknown"})
    counted = {series.labels: series.value for series in replica_series(one.fleet)}
    assert counted == {("live",): 1.0, ("unknown",): 2.0, ("gone",): 0.0}
    # Who is to confirm is another question: nobody is passed over for being silent.
    assert all(each.live for each in one.fleet.replicas)
    sea.heal()
    await until(lambda: shown(one) == dict.fromkeys("abc", "live"))


async def test_a_replica_that_was_never_in_the_registry_shows_itself(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, sea: Sea
) -> None:
    sea.fail("Redis is down")
    async with member(tmp_path, sea, "a") as one:
        assert shown(one) == {"a": "live"}


@pytest.mark.usefixtures("short_lease")
async def test_a_difference_is_kept_and_marked_while_nobody_is_heard(
    fleet: list[Member], sea: Sea
) -> None:
    one = fleet[0]
    fleet[2].config = "two"
    await until(lambda: one.fleet.differences)
    [before] = one.fleet.differences
    assert not before.last_known
    sea.fail("Redis is down")
    # Of the two, neither is to be told: it would be of rows that nobody read.
    one.config = "three"
    await until(lambda: one.fleet.differences[0].last_known)
    [marked] = one.fleet.differences
    assert marked.detail.startswith(f"{before.detail} (last known ")
    one.config = fleet[2].config = "one"
    sea.gone.update(each.store.boot for each in fleet[1:])
    sea.heal()
    await until(lambda: shown(one) == {"a": "live", "b": "gone", "c": "gone"})
    await asyncio.sleep(0.2)
    assert one.fleet.differences, "those who differed were not heard again"
    sea.gone.clear()
    await until(lambda: not one.fleet.differences)


async def test_what_is_damaged_elsewhere_in_the_store_hides_nobody(
    fleet: list[Member], sea: Sea
) -> None:
    for each in fleet:
        each.store.tell_health(StoreHealth(state="damaged", detail="nobody can read rollback:x"))
    sea.gone.add(fleet[2].store.boot)
    await until(lambda: shown(fleet[0]) == {"a": "live", "b": "live", "c": "gone"})


async def test_a_nudge_reaches_the_others(fleet: list[Member]) -> None:
    heard: list[str] = []
    fleet[1].fleet.on_nudged = heard.append
    fleet[0].fleet.nudge("unleash")
    assert heard == ["unleash"]


def test_acks_are_timed_by_this_clock_and_an_older_one_says_nothing_new() -> None:
    now = [10.0]
    book = AckBook(clock=lambda: now[0])

    def ack(revision: int) -> None:
        book.hear(AckView(replica="b", boot="x", revision=revision, applied_ms=3.0))

    assert book.of("b", "x", 5, 9.0).state == "unconfirmed"
    ack(5)
    now[0] = 11.0
    ack(4)
    ack(5)
    ack(8)
    first = book.of("b", "x", 5, 9.0)
    assert (first.state, first.ms, first.applied_ms) == ("applied", 1000.0, 3.0)
    assert book.of("b", "x", 6, 9.0).ms == 2000.0, "a later one confirms what came before it"
    assert book.confirmed(8) == {"x": "b"}
    book.forget(set())
    assert book.confirmed(8) == {}


async def test_a_resume_ends_no_rollback_that_another_replica_began_meanwhile(
    fleet: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    await roll_back(fleet[0])
    keep = fleet[0].journal.keep_latch

    async def busy(patience: float, latch: Latch | None = None) -> bool:
        kept_it = await keep(patience, latch)
        if latch is not None:
            await roll_back(fleet[1])
        return kept_it

    monkeypatch.setattr(fleet[0].journal, "keep_latch", busy)
    with pytest.raises(Refused, match="started meanwhile") as refused:
        await resume(fleet[0])
    assert refused.value.kind is Refusal.CONFLICT
    assert all(each.rolled_back for each in fleet)
    assert '"on": true' in kept(fleet[0])


async def test_a_resume_that_the_store_does_not_take_ends_nothing_begun_here_meanwhile(
    fleet: list[Member], sea: Sea, monkeypatch: pytest.MonkeyPatch
) -> None:
    await roll_back(fleet[0])
    write = fleet[0].store.write

    async def slow(change: SharedChange, patience: float) -> SharedState:
        monkeypatch.setattr(fleet[0].store, "write", write)
        sea.fail("gone")
        await roll_back(fleet[0])
        raise SharedStoreError("no answer")

    monkeypatch.setattr(fleet[0].store, "write", slow)
    with pytest.raises(Refused, match="started meanwhile"):
        await resume(fleet[0])
    assert fleet[0].rolled_back


async def test_what_may_lack_an_earlier_word_is_used_and_not_confirmed(
    fleet: list[Member], sea: Sea
) -> None:
    one = fleet[1]
    one.store.deaf = True
    missed = (await roll_back(fleet[0], patience=0.1)).fleet.revision
    later = Mark(scope="route:product", on=True, revision=missed + 1)
    one.fleet.on_part(SharedState(revision=missed + 1, marks={later.scope: later}))
    assert one.switches.latch.rollback_routes == {"product"}
    assert one.workers.told[-1].flags.rollback_routes == {"product"}
    for _ in range(20):
        await asyncio.sleep(0)
    assert one.store.boot not in sea.acks
    one.store.hear(sea.state)
    await until(lambda: one.store.boot in sea.acks)
    assert sea.acks[one.store.boot].revision > missed
    assert one.rolled_back


async def test_a_store_that_was_emptied_makes_nobody_be_passed_over(
    fleet: list[Member], sea: Sea
) -> None:
    sea.facts.clear()
    done = await roll_back(fleet[0])
    assert done.fleet.peers == ("http://b:9900", "http://c:9900")


async def test_one_that_leaves_in_order_is_not_asked_for_any_more(
    fleet: list[Member],
) -> None:
    await fleet[1].fleet.close()
    done = await roll_back(fleet[0])
    assert done.fleet.peers == ()
    assert states(done) == {"a": "applied", "c": "applied"}
