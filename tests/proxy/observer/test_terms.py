"""The terms: what the observer obeys of a publication, and which epoch evidence belongs to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flags.snapshot import FlagSnapshot
from proxy.compare_policy import ComparePolicy, Op, Rule
from proxy.exchange import Answer
from proxy.link import Apply
from proxy.observer.terms import Terms
from proxy.routing.route import Match, PathKind, PathMatch, Route, RouteFile, Upstream
from proxy.shadow_policy import ObserverPolicy, ShadowPolicy
from proxy.stages import Side, Stage

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
ROUTE = Route(
    id="a",
    match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/a")),
    new="new",
    stage=Stage.SHADOW,
    shadow=ShadowPolicy(sample=1.0),
)
FILE = RouteFile(
    upstreams=(
        Upstream(name="php", side=Side.LEGACY, urls=("http://127.0.0.1:1",), version="4.2"),
        Upstream(
            name="new", side=Side.NEW, urls=("http://127.0.0.1:2",), version_header="x-app-version"
        ),
    ),
    routes=(ROUTE,),
    revision="r1",
)


def terms(file: RouteFile | None = FILE, *, paused: bool = False, now: float = NOW) -> Terms:
    made = Terms(lambda: now)
    made.apply(Apply(revision=1, flags=FlagSnapshot(shadow_paused=paused), routes=file))
    return made


def with_route(**changes: Any) -> RouteFile:
    return replace(FILE, routes=(replace(ROUTE, **changes),))


def said(version: bytes) -> Answer:
    return Answer(status=200, headers=((b"X-App-Version", version),))


@pytest.mark.parametrize(
    ("stage", "sides"),
    [
        pytest.param(Stage.LEGACY, set(), id="legacy"),
        pytest.param(Stage.SHADOW, {Side.NEW}, id="shadow"),
        pytest.param(Stage.CANARY, {Side.NEW}, id="canary"),
        pytest.param(Stage.LIVE, {Side.LEGACY}, id="live"),
        pytest.param(Stage.COMPLETE, set(), id="complete"),
    ],
)
def test_a_stage_says_which_side_may_be_asked(stage: Stage, sides: set[Side]) -> None:
    made = terms(with_route(stage=stage))
    assert {side for side in Side if made.shadowed("a", side) is not None} == sides


def test_flags_and_file_can_both_pause() -> None:
    assert not terms().paused
    assert terms(paused=True).paused
    assert terms(replace(FILE, shadow=ObserverPolicy(kill_switch=True))).paused


def test_flags_without_routes_leave_the_routes() -> None:
    made = terms()
    made.apply(Apply(revision=2, flags=FlagSnapshot(shadow_paused=True)))
    assert made.paused
    assert made.route("a") is not None
    assert made.revision == "r1"


async def test_a_revision_is_waited_for_no_longer_than_told() -> None:
    made = terms()
    await made.until_known("r1", 20.0)
    await made.until_known("r2", 0.01)
    waiting = asyncio.create_task(made.until_known("r2", 20.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    made.apply(Apply(revision=2, flags=FlagSnapshot(), routes=replace(FILE, revision="r2")))
    await waiting
    await made.until_known("r1", 20.0)


def test_an_epoch_follows_versions_and_rules_and_nothing_else() -> None:
    made = terms()
    first = made.epoch(ROUTE, {Side.LEGACY: said(b"ignored"), Side.NEW: said(b"1.0")})
    assert (first.legacy_version, first.new_version) == ("4.2", "1.0")
    assert made.epoch(ROUTE, {Side.NEW: said(b"1.0")}) == first
    # An answer that does not say keeps the last word.
    assert made.epoch(ROUTE, {Side.NEW: Answer(status=500)}) == first
    assert made.epoch(ROUTE, {}) == first
    deployed = made.epoch(ROUTE, {Side.NEW: said(b"1.1")})
    assert deployed.id != first.id
    assert made.epoch(ROUTE, {Side.NEW: said(b"1.0")}) == first
    ruled = replace(ROUTE, compare=ComparePolicy(rules=(Rule(path="$.a", op=Op.SHAPE),)))
    made.apply(Apply(revision=2, flags=FlagSnapshot(), routes=replace(FILE, routes=(ruled,))))
    assert made.epoch(ruled, {Side.NEW: said(b"1.0")}).id != first.id
    made.apply(Apply(revision=3, flags=FlagSnapshot(), routes=FILE))
    assert made.epoch(ROUTE, {Side.NEW: said(b"1.0")}) == first


def test_a_new_epoch_is_news_once() -> None:
    made = terms()
    assert not made.take_news()
    made.epoch(ROUTE, {Side.NEW: said(b"1.0")})
    assert made.take_news()
    made.epoch(ROUTE, {Side.NEW: said(b"1.0")})
    assert not made.take_news()


def test_the_store_learns_the_epoch_when_it_can_be_known() -> None:
    made = terms()
    assert made.for_store()["a"].epoch is None
    known = made.epoch(ROUTE, {Side.NEW: said(b"1.0")})
    assert made.for_store()["a"].epoch == known
    settled = replace(FILE, upstreams=(FILE.upstreams[0], replace(FILE.upstreams[1], version="7")))
    epoch = terms(settled).for_store()["a"].epoch
    assert epoch is not None
    assert epoch.new_version == "7"


def test_a_version_of_any_length_and_bytes_is_told() -> None:
    made = terms()
    epoch = made.epoch(ROUTE, {Side.NEW: said(b"\xff" * 1000)})
    assert epoch.new_version == "\xff" * 200


def test_a_rule_ends_with_its_day_and_the_store_is_told() -> None:
    rule = Rule(path="$.a", op=Op.IGNORE, reason="T-1", expires="2026-11-22")
    file = with_route(compare=ComparePolicy(rules=(rule,)))
    assert terms(file).for_store()["a"].expired_rules == ()
    tomorrow = terms(file, now=NOW + 86_400)
    assert tomorrow.for_store()["a"].expired_rules == ("rule:0 ($.a, 2026-11-22)",)
    route = tomorrow.route("a")
    assert route is not None
    assert tomorrow.compiled(route).expired == (rule,)


def test_evidence_of_an_ended_rule_is_evidence_of_its_own_until_it_is_renewed() -> None:
    rule = Rule(path="$.a", op=Op.IGNORE, reason="T-1", expires="2026-11-22")
    day = [NOW]
    made = Terms(lambda: day[0])

    def use(expires: str) -> None:
        compare = ComparePolicy(rules=(replace(rule, expires=expires),))
        routes = with_route(compare=compare)
        made.apply(Apply(revision=1, flags=FlagSnapshot(), routes=routes))

    def epoch() -> str:
        route = made.route("a")
        assert route is not None
        return made.epoch(route, {Side.NEW: said(b"1.0")}).id

    use("2026-11-22")
    excused = epoch()
    day[0] += 86_400
    counted = made.for_store()["a"].epoch
    assert counted is not None
    assert counted.id == epoch() != excused
    use("2099-01-01")
    assert epoch() == excused


def test_what_is_under_way_brings_former_rules_back_for_nobody() -> None:
    made = terms()
    asked = {Side.NEW: said(b"1.0")}
    former = made.epoch(ROUTE, asked)
    ruled = replace(ROUTE, compare=ComparePolicy(rules=(Rule(path="$.a", op=Op.SHAPE),)))
    upstreams = (FILE.upstreams[0], replace(FILE.upstreams[1], name="newer"))
    moved = replace(ruled, new="newer")
    for route, file in (
        (ruled, replace(FILE, routes=(ruled,), revision="r2")),
        (moved, replace(FILE, routes=(moved,), upstreams=upstreams, revision="r3")),
    ):
        made.apply(Apply(revision=2, flags=FlagSnapshot(), routes=file))
        # It was decided before, and its answers come now.
        assert made.compiled(ROUTE).policy == ComparePolicy()
        assert made.epoch(ROUTE, asked).rules_hash == former.rules_hash
        assert made.compiled(route).policy == route.compare
        assert made.epoch(route, asked).rules_hash != former.rules_hash
        known = made.for_store()["a"].epoch
        made.epoch(ROUTE, asked)
        assert made.for_store()["a"].epoch == known


def test_a_policy_is_compiled_once_a_day() -> None:
    day = [NOW]
    made = Terms(lambda: day[0])
    made.apply(Apply(revision=1, flags=FlagSnapshot(), routes=FILE))
    first = made.compiled(ROUTE)
    assert made.compiled(ROUTE) is first
    assert not made.take_news()
    day[0] += 86_400
    assert made.compiled(ROUTE) is not first
    # Rules may have ended: the store has to be told.
    assert made.take_news()


def test_a_version_that_is_another_in_every_answer_is_as_good_as_none() -> None:
    known = terms()
    epochs = [known.epoch(ROUTE, {Side.NEW: said(b"request-%d" % number)}) for number in range(50)]
    assert len({epoch.id for epoch in epochs}) == 9
    assert epochs[-1].new_version == ""


def test_a_release_after_many_others_counts_once_they_are_an_hour_old() -> None:
    clock = [NOW]
    known = Terms(lambda: clock[0])
    known.apply(Apply(revision=1, flags=FlagSnapshot(), routes=FILE))
    for number in range(20):
        known.epoch(ROUTE, {Side.NEW: said(b"%d" % number)})
    clock[0] += 3700
    assert known.epoch(ROUTE, {Side.NEW: said(b"next")}).new_version == "next"
