"""Who answers, and why: every rule of the order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flags.evaluate import bucket
from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy.routing.decision import Decision, decide
from proxy.routing.facts import PlainFacts
from proxy.routing.route import Route, StickyKind
from proxy.stages import Reason, Side, Stage
from tests.proxy.routing.samples import (
    CATALOG,
    DEVICE,
    LEGACY,
    REWRITING,
    get,
    percent,
    route,
    sticky,
    table,
)


def canary(**fields: object) -> Route:
    return route("r", "^/x", stage=Stage.CANARY, **fields)


def decided(
    one: Route, flags: FlagSnapshot = NOTHING_SET, facts: PlainFacts | None = None
) -> Decision:
    return decide(table(one), flags, facts or get("/x"))


def outcome(
    one: Route, flags: FlagSnapshot, facts: PlainFacts | None = None
) -> tuple[Side, Reason]:
    decision = decided(one, flags, facts)
    assert decision.upstream == (CATALOG if decision.side is Side.NEW else LEGACY)
    return decision.side, decision.reason


def device_with(bucket_below: int, *, scope: str = "r") -> str:
    """A device id whose bucket is the highest one below `bucket_below` within reach."""
    return max(
        (f"{n:032x}" for n in range(2000) if bucket(scope, f"{n:032x}") < bucket_below),
        key=lambda device: bucket(scope, device),
    )


@pytest.mark.parametrize(
    ("stage", "flags", "expected"),
    [
        pytest.param(Stage.LEGACY, percent(r=100), (Side.LEGACY, Reason.STAGE_LEGACY), id="legacy"),
        pytest.param(Stage.SHADOW, percent(r=100), (Side.LEGACY, Reason.STAGE_SHADOW), id="shadow"),
        pytest.param(
            Stage.CANARY, NOTHING_SET, (Side.LEGACY, Reason.BUCKET_OUT), id="canary, no flag is 0"
        ),
        pytest.param(
            Stage.CANARY, percent(r=0), (Side.LEGACY, Reason.BUCKET_OUT), id="canary at 0"
        ),
        pytest.param(
            Stage.CANARY, percent(r=100), (Side.NEW, Reason.BUCKET_IN), id="canary at 100"
        ),
        pytest.param(Stage.LIVE, NOTHING_SET, (Side.NEW, Reason.LIVE), id="live, no flag is all"),
        pytest.param(Stage.LIVE, percent(r=100), (Side.NEW, Reason.LIVE), id="live at 100"),
        pytest.param(Stage.LIVE, percent(r=99.99), (Side.NEW, Reason.BUCKET_IN), id="live lowered"),
        pytest.param(Stage.LIVE, percent(r=0), (Side.LEGACY, Reason.BUCKET_OUT), id="live at 0"),
        pytest.param(Stage.COMPLETE, percent(r=0), (Side.NEW, Reason.COMPLETE), id="complete"),
    ],
)
def test_the_stage_is_the_frame_in_which_flags_move(
    stage: Stage, flags: FlagSnapshot, expected: tuple[Side, Reason]
) -> None:
    assert outcome(route("r", "^/x", stage=stage), flags) == expected


ROLLBACKS = [
    pytest.param(FlagSnapshot(rollback_all=True), Reason.ROLLBACK_ALL, id="all"),
    pytest.param(
        FlagSnapshot(rollback_groups=frozenset({"purchase"})), Reason.ROLLBACK_GROUP, id="group"
    ),
    pytest.param(FlagSnapshot(rollback_routes=frozenset({"r"})), Reason.ROLLBACK_ROUTE, id="route"),
]


@pytest.mark.parametrize(("flags", "reason"), ROLLBACKS)
@pytest.mark.parametrize("stage", [Stage.LEGACY, Stage.SHADOW, Stage.CANARY, Stage.LIVE])
def test_a_rollback_goes_before_every_stage_but_complete(
    flags: FlagSnapshot, reason: Reason, stage: Stage
) -> None:
    flags = replace(flags, group_basis_points={"purchase": 10_000})
    decision = decided(route("r", "^/x", stage=stage, group="purchase"), flags)
    assert (decision.side, decision.reason) == (Side.LEGACY, reason)
    assert decision.shadow is None, "a rollback stops copies toward the new side too"


@pytest.mark.parametrize(("flags", "reason"), ROLLBACKS)
def test_a_complete_route_ignores_rollbacks(flags: FlagSnapshot, reason: Reason) -> None:
    one = route("r", "^/x", stage=Stage.COMPLETE, group="purchase")
    assert outcome(one, flags) == (Side.NEW, Reason.COMPLETE)


def test_the_widest_rollback_is_the_reason() -> None:
    everything = FlagSnapshot(
        rollback_all=True,
        rollback_groups=frozenset({"purchase"}),
        rollback_routes=frozenset({"r"}),
    )
    one = canary(group="purchase")
    assert decided(one, everything).reason is Reason.ROLLBACK_ALL
    assert decided(one, replace(everything, rollback_all=False)).reason is Reason.ROLLBACK_GROUP


def test_the_rollback_of_another_group_or_route_does_nothing() -> None:
    flags = FlagSnapshot(
        rollback_groups=frozenset({"other", ""}),
        rollback_routes=frozenset({"other"}),
        route_basis_points={"r": 10_000},
    )
    assert outcome(canary(), flags) == (Side.NEW, Reason.BUCKET_IN)


def test_a_route_without_a_new_side_is_legacy_at_any_percentage() -> None:
    assert outcome(route("r", "^/x"), percent(r=100)) == (Side.LEGACY, Reason.STAGE_LEGACY)


@pytest.mark.parametrize(
    ("headers", "ip", "expected"),
    [
        pytest.param({"X-Employee": "1"}, "192.0.2.1", Reason.COHORT_ALWAYS, id="always by header"),
        pytest.param({}, "10.1.2.3", Reason.COHORT_ALWAYS, id="always by address"),
        pytest.param(
            {"Cookie": "tier=b2b"}, "192.0.2.1", Reason.COHORT_NEVER, id="never by cookie"
        ),
        pytest.param(
            {"X-Tier": "wholesale"}, "192.0.2.1", Reason.COHORT_NEVER, id="never by regex"
        ),
        pytest.param(
            {"X-Employee": "1"}, "203.0.113.9", Reason.COHORT_NEVER, id="never beats always"
        ),
        pytest.param({"X-Employee": "2"}, "192.0.2.1", Reason.BUCKET_OUT, id="in neither"),
        pytest.param(
            {"Cookie": "tier=b2b; tier=private"},
            "192.0.2.1",
            Reason.COHORT_NEVER,
            id="never in any reading",
        ),
        pytest.param(
            {"X-Employee": "1, 0"}, "192.0.2.1", Reason.BUCKET_OUT, id="always in no doubtful one"
        ),
    ],
)
def test_cohorts(headers: dict[str, str], ip: str, expected: Reason) -> None:
    one = canary(always=("staff",), never=("b2b",))
    decision = decided(one, percent(r=0), get("/x", headers=headers, client_ip=ip))
    assert decision.reason is expected
    assert decision.side is (Side.NEW if expected is Reason.COHORT_ALWAYS else Side.LEGACY)


def test_cohorts_hold_on_a_live_route_too() -> None:
    one = route("r", "^/x", stage=Stage.LIVE, always=("staff",), never=("b2b",))
    b2b = get("/x", headers={"Cookie": "tier=b2b"})
    assert outcome(one, percent(r=100), b2b) == (Side.LEGACY, Reason.COHORT_NEVER)
    staff = get("/x", headers={"X-Employee": "1"})
    assert outcome(one, percent(r=0), staff) == (Side.NEW, Reason.COHORT_ALWAYS)


@pytest.mark.parametrize(
    ("kind", "name", "url", "headers", "key"),
    [
        pytest.param(
            StickyKind.HEADER, "X-User-Id", "/x/7", {"X-User-Id": "u1"}, "u1", id="header"
        ),
        pytest.param(StickyKind.HEADER, "X-User-Id", "/x/7", {}, None, id="no header"),
        pytest.param(
            StickyKind.HEADER, "X-User-Id", "/x/7", {"X-User-Id": ""}, None, id="empty header"
        ),
        pytest.param(
            StickyKind.HEADER,
            "x-u",
            "/x/7",
            {"X-U": "stra\u00c3\u009fe"},
            "straße",
            id="header in UTF-8",
        ),
        pytest.param(StickyKind.COOKIE, "sid", "/x/7", {"Cookie": "sid=abc"}, "abc", id="cookie"),
        pytest.param(
            StickyKind.COOKIE, "sid", "/x/7", {"Cookie": "sid=a; sid=b"}, None, id="cookie twice"
        ),
        pytest.param(StickyKind.COOKIE, "sid", "/x/7", {}, None, id="no cookie"),
        pytest.param(StickyKind.QUERY, "user", "/x/7?user=a%20b", {}, "a b", id="query"),
        pytest.param(StickyKind.QUERY, "user", "/x/7?user=a&user=b", {}, None, id="query twice"),
        pytest.param(StickyKind.QUERY, "user", "/x/7?user=", {}, None, id="empty query value"),
        pytest.param(StickyKind.QUERY, "user", "/x/7?user[]=a", {}, None, id="PHP array"),
        pytest.param(StickyKind.PATH_PARAM, "order", "/x/4%32", {}, "42", id="path parameter"),
        pytest.param(StickyKind.NONE, "", "/x/7", {}, None, id="none"),
        pytest.param(StickyKind.DEVICE, "", "/x/7", {}, DEVICE, id="device"),
    ],
)
def test_the_sticky_key_decides_and_without_one_it_is_legacy(
    kind: StickyKind, name: str, url: str, headers: dict[str, str], key: str | None
) -> None:
    one = route("r", "/x/{order}", stage=Stage.CANARY, stickiness=sticky(kind, name))
    facts = get(url, headers=headers)
    everything = percent(r=100)
    if key is None:
        assert outcome(one, everything, facts) == (Side.LEGACY, Reason.NO_STICKY_KEY)
        return
    own = bucket("r", key)
    just_out = FlagSnapshot(route_basis_points={"r": own})
    just_in = FlagSnapshot(route_basis_points={"r": own + 1})
    assert outcome(one, just_out, facts) == (Side.LEGACY, Reason.BUCKET_OUT)
    assert outcome(one, just_in, facts) == (Side.NEW, Reason.BUCKET_IN)


def test_live_needs_a_key_only_below_100_percent() -> None:
    one = route("r", "^/x", stage=Stage.LIVE, stickiness=sticky(StickyKind.NONE))
    assert outcome(one, NOTHING_SET) == (Side.NEW, Reason.LIVE)
    assert outcome(one, percent(r=100)) == (Side.NEW, Reason.LIVE)
    assert outcome(one, percent(r=99)) == (Side.LEGACY, Reason.NO_STICKY_KEY)


def test_git_is_the_ceiling_of_the_flag() -> None:
    one = canary(max_percent=12.5)
    inside = get("/x", device=device_with(1250))
    outside = get(
        "/x",
        device=next(f"{n:032x}" for n in range(2000) if 1250 <= bucket("r", f"{n:032x}") < 2500),
    )
    assert outcome(one, percent(r=100), inside) == (Side.NEW, Reason.BUCKET_IN)
    assert outcome(one, percent(r=100), outside) == (Side.LEGACY, Reason.BUCKET_OUT)


def test_a_hundredth_of_a_percent_is_a_step() -> None:
    key = next(f"{n:032x}" for n in range(100_000) if bucket("r", f"{n:032x}") == 0)
    assert outcome(canary(), percent(r=0.01), get("/x", device=key))[0] is Side.NEW
    assert outcome(canary(), percent(r=0), get("/x", device=key))[0] is Side.LEGACY


def test_routes_of_a_group_share_flag_bucket_and_fate() -> None:
    routes = table(
        route("cart", "^/cart", stage=Stage.CANARY, group="purchase"),
        route("checkout", "^/checkout", stage=Stage.CANARY, group="purchase"),
    )
    flags = FlagSnapshot(
        group_basis_points={"purchase": 5000},
        # Of no effect: routes that share state move together.
        route_basis_points={"cart": 10_000, "checkout": 0},
    )
    for n in range(200):
        device = f"{n:032x}"
        sides = {
            decide(routes, flags, get(url, device=device)).side for url in ("/cart", "/checkout")
        }
        assert sides == {Side.NEW if bucket("purchase", device) < 5000 else Side.LEGACY}


def test_a_group_without_a_flag_is_0_percent_whatever_its_routes_say() -> None:
    one = canary(group="purchase")
    assert outcome(one, percent(r=100)) == (Side.LEGACY, Reason.BUCKET_OUT)


@pytest.mark.parametrize(
    ("stage", "flags", "headers", "shadow"),
    [
        pytest.param(Stage.LEGACY, NOTHING_SET, {}, None, id="legacy"),
        pytest.param(Stage.SHADOW, NOTHING_SET, {}, Side.NEW, id="shadow"),
        pytest.param(
            Stage.SHADOW, NOTHING_SET, {"Cookie": "tier=b2b"}, None, id="shadow, but never a cohort"
        ),
        pytest.param(Stage.CANARY, percent(r=0), {}, Side.NEW, id="canary served by legacy"),
        pytest.param(Stage.CANARY, percent(r=100), {}, None, id="canary served by new"),
        pytest.param(
            Stage.CANARY,
            percent(r=100),
            {"Cookie": "tier=b2b"},
            None,
            id="never means no copy either",
        ),
        pytest.param(Stage.CANARY, percent(r=0), {"X-Employee": "1"}, None, id="canary, always"),
        pytest.param(Stage.LIVE, NOTHING_SET, {}, Side.LEGACY, id="live"),
        pytest.param(Stage.LIVE, percent(r=99.99), {}, Side.LEGACY, id="live, in the bucket"),
        pytest.param(Stage.LIVE, percent(r=0), {}, None, id="live served by legacy"),
        pytest.param(Stage.COMPLETE, NOTHING_SET, {}, None, id="complete"),
    ],
)
def test_who_may_get_a_copy(
    stage: Stage, flags: FlagSnapshot, headers: dict[str, str], shadow: Side | None
) -> None:
    one = route("r", "^/x", stage=stage, always=("staff",), never=("b2b",))
    assert decided(one, flags, get("/x", headers=headers)).shadow is shadow


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        pytest.param(Stage.CANARY, Reason.REWRITE_VALUE_MISSING, id="canary"),
        pytest.param(Stage.LIVE, Reason.REWRITE_VALUE_MISSING, id="live"),
        pytest.param(Stage.COMPLETE, Reason.REWRITE_VALUE_MISSING, id="complete"),
        pytest.param(Stage.SHADOW, Reason.STAGE_SHADOW, id="shadow"),
        pytest.param(Stage.LEGACY, Reason.STAGE_LEGACY, id="legacy"),
    ],
)
@pytest.mark.parametrize(
    "query", ["", "?id=", "?id=1&id=2", "?id[]=1", "?id=..", "?id=a/b", "?id=%zz"]
)
def test_a_request_without_the_value_of_a_rewrite_stays_on_legacy(
    stage: Stage, reason: Reason, query: str
) -> None:
    one = route("r", "^/x", stage=stage, rewrite=REWRITING, always=("staff",))
    facts = get(f"/x{query}", headers={"X-Employee": "1"})
    decision = decided(one, percent(r=100), facts)
    assert (decision.side, decision.reason) == (Side.LEGACY, reason)
    assert decision.shadow is None


def test_a_request_with_the_value_is_decided_as_any_other() -> None:
    one = canary(rewrite=REWRITING)
    assert outcome(one, percent(r=100), get("/x?id=40")) == (Side.NEW, Reason.BUCKET_IN)
    shadowed = route("r", "^/x", stage=Stage.SHADOW, rewrite=REWRITING)
    assert decided(shadowed, NOTHING_SET, get("/x?id=40")).shadow is Side.NEW


def test_a_rollback_goes_before_a_missing_value() -> None:
    flags = FlagSnapshot(rollback_all=True)
    assert decided(canary(rewrite=REWRITING), flags).reason is Reason.ROLLBACK_ALL


def test_an_ambiguous_target_goes_to_the_catch_all_before_everything_else() -> None:
    routes = table(route("r", "^/x", stage=Stage.COMPLETE))
    decision = decide(routes, FlagSnapshot(rollback_all=True), get("/x/../x"))
    assert decision.route.id == "monolith"
    assert (decision.side, decision.reason) == (Side.LEGACY, Reason.AMBIGUOUS_TARGET)
    assert decision.shadow is None


def test_decisions_are_made_in_advance() -> None:
    routes = table(canary())
    flags = percent(r=100)
    first = decide(routes, flags, get("/x"))
    assert decide(routes, flags, get("/x/other")) is first
    assert any(first is each for each in routes.decisions())


@pytest.mark.parametrize("reason", [Reason.STATE_UNPROVEN, Reason.BREAKER_OPEN, Reason.FALLBACK])
def test_a_decision_can_be_sent_to_legacy_at_dispatch(reason: Reason) -> None:
    routes = table(canary())
    sent = routes.sent_to_legacy(decide(routes, percent(r=100), get("/x")), reason)
    assert (sent.route.id, sent.side, sent.upstream, sent.reason) == (
        "r",
        Side.LEGACY,
        LEGACY,
        reason,
    )
    assert sent.shadow is None
    assert any(sent is each for each in routes.decisions())


def test_no_device_id_is_asked_for_where_none_is_needed() -> None:
    class Shy(PlainFacts):
        def device_id(self) -> str:
            raise AssertionError("asking mints a cookie")

    shy = Shy(method="GET", host="a", path="/x")
    for stage, flags in (
        (Stage.LEGACY, percent(r=50)),
        (Stage.CANARY, percent(r=0)),
        (Stage.CANARY, NOTHING_SET),
        (Stage.LIVE, NOTHING_SET),
        (Stage.COMPLETE, NOTHING_SET),
    ):
        decided(route("r", "^/x", stage=stage), flags, shy)
    decided(canary(), FlagSnapshot(rollback_all=True, route_basis_points={"r": 5000}), shy)
