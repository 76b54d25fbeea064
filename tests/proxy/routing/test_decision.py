"""Who answers, and why: every rule of the order, and what must hold for every request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flags.evaluate import bucket
from flags.rule import Rule
from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy.routing.decision import Decision, decide
from proxy.routing.facts import PlainFacts
from proxy.routing.route import Rewrite, Route, StickyKind
from proxy.routing.table import RouteTable
from proxy.stages import Reason, Side, Stage
from tests.flags.unleash.drawn import rules
from tests.proxy.routing.samples import (
    CATALOG,
    DEVICE,
    LEGACY,
    basis_points,
    exact,
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


REWRITING = Rewrite(path="/products/{query.id}")


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


# What must hold for every request, table and flag state.

_IDS = ("a", "b", "c")
_STAGES = st.sampled_from(list(Stage))
_STICKY = st.sampled_from(
    [
        sticky(StickyKind.DEVICE),
        sticky(StickyKind.HEADER, "x-user"),
        sticky(StickyKind.COOKIE, "sid"),
        sticky(StickyKind.QUERY, "id"),
        sticky(StickyKind.NONE),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> RouteTable:
    """Tables over three paths, with every kind of policy."""
    return table(
        *(
            route(
                name,
                draw(
                    st.sampled_from(
                        [f"= /{name}", f"^/{name}", f"/{name}/{{slug}}", f"~ /{name}.*"]
                    )
                ),
                stage=draw(_STAGES),
                group=draw(st.sampled_from(["", "purchase"])),
                max_percent=draw(st.sampled_from([0.0, 0.01, 25.0, 100.0])),
                stickiness=draw(_STICKY),
                always=draw(st.sampled_from([(), ("staff",)])),
                never=draw(st.sampled_from([(), ("b2b",)])),
                rewrite=draw(st.sampled_from([None, None, REWRITING])),
                query=draw(st.sampled_from([(), (exact("id", "1"),)])),
            )
            for name in _IDS
        )
    )


@st.composite
def requests(draw: st.DrawFn) -> PlainFacts:
    """Requests that touch those tables, clear and ambiguous ones."""
    headers = {
        name: draw(st.sampled_from(values))
        for name, values in (
            ("X-Employee", ["1", "0"]),
            ("X-Tier", ["b2b", "private"]),
            ("X-User", ["u1", ""]),
            ("X-Country", ["DE", "AT", ""]),
            ("Cookie", ["tier=b2b", "sid=1", "sid=1; sid=2", "tier=b2b; tier=c"]),
        )
        if draw(st.booleans())
    }
    where = draw(
        st.sampled_from(
            [
                f"/{name}{rest}"
                for name in _IDS
                for rest in ("", "/", "/s", "/%73", "//", "/..", ";", "%2f")
            ]
        )
    )
    query = draw(st.sampled_from(["", "?id=1", "?id=2", "?id=1&id=2", "?id[]=1", "?id=%", "?"]))
    return get(
        where + query,
        headers=headers,
        device=f"{draw(st.integers(0, 2**128 - 1)):032x}",
        client_ip=draw(st.sampled_from(["192.0.2.1", "10.0.0.1", "203.0.113.1", "fd00::1", "x"])),
    )


_BASIS_POINTS = st.integers(0, 10_000)
_NO_RULES: dict[str, Rule] = {}
_RULES = st.one_of(
    st.just(_NO_RULES),
    st.dictionaries(
        st.sampled_from(["group:purchase", *(f"route:{name}" for name in _IDS)]),
        rules(),
        max_size=1,
    ),
)


@st.composite
def snapshots(draw: st.DrawFn, *, rolled_back: bool | None = None) -> FlagSnapshot:
    """Flag states; `rolled_back` fixes the rollback of everything."""
    return FlagSnapshot(
        rollback_all=draw(st.booleans()) if rolled_back is None else rolled_back,
        rollback_groups=frozenset(draw(st.sets(st.just("purchase")))),
        rollback_routes=frozenset(draw(st.sets(st.sampled_from(_IDS)))),
        group_basis_points=draw(st.dictionaries(st.just("purchase"), _BASIS_POINTS)),
        route_basis_points=draw(st.dictionaries(st.sampled_from(_IDS), _BASIS_POINTS)),
        rules=draw(_RULES),
    )


@settings(max_examples=150, deadline=None)
@given(tables(), snapshots(rolled_back=True), requests())
def test_rollback_of_everything_dominates_every_cohort_header_cookie_and_percentage(
    routes: RouteTable, flags: FlagSnapshot, facts: PlainFacts
) -> None:
    decision = decide(routes, flags, facts)
    if decision.side is Side.NEW:
        assert decision.route.stage is Stage.COMPLETE
    if decision.reason is not Reason.COMPLETE:
        assert decision.shadow is None


@settings(max_examples=150, deadline=None)
@given(tables(), snapshots(rolled_back=False), requests())
def test_rollback_of_a_group_or_route_dominates_it_and_touches_nothing_else(
    routes: RouteTable, flags: FlagSnapshot, facts: PlainFacts
) -> None:
    decision = decide(routes, flags, facts)
    one = decision.route
    if one.id in flags.rollback_routes or one.group in flags.rollback_groups:
        assert decision.side is Side.LEGACY or one.stage is Stage.COMPLETE
    without = replace(flags, rollback_groups=frozenset(), rollback_routes=frozenset())
    if not (one.id in flags.rollback_routes or one.group in flags.rollback_groups):
        assert decide(routes, without, facts) is decision


@settings(max_examples=150, deadline=None)
@given(tables(), snapshots(), requests(), st.lists(_BASIS_POINTS, min_size=2, max_size=2))
def test_widening_a_percentage_never_moves_anyone_out(
    routes: RouteTable, flags: FlagSnapshot, facts: PlainFacts, two: list[int]
) -> None:
    def at(value: int) -> Side:
        points = dict.fromkeys((*_IDS, "purchase"), value)
        wide = replace(flags, route_basis_points=points, group_basis_points=points, rules={})
        return decide(routes, wide, facts).side

    narrow, wide = sorted(two)
    assert not (at(narrow) is Side.NEW and at(wide) is Side.LEGACY)


@settings(max_examples=150, deadline=None)
@given(tables(), snapshots(), requests())
def test_an_ambiguous_request_never_reaches_the_new_side(
    routes: RouteTable, flags: FlagSnapshot, facts: PlainFacts
) -> None:
    decision = decide(routes, flags, facts)
    clear = not any(sign in facts.path for sign in ("//", "..", ";", "%2f"))
    if not clear:
        assert decision.reason is Reason.AMBIGUOUS_TARGET
    if decision.side is Side.NEW and decision.route.match.query:
        assert facts.query == "id=1"
    if decision.reason is Reason.AMBIGUOUS_TARGET:
        assert (decision.side, decision.shadow) == (Side.LEGACY, None)
        assert decision.route.id == "monolith"


@settings(max_examples=200, deadline=None)
@given(tables(), snapshots(), requests())
def test_missing_flags_move_nobody_to_a_canary(
    routes: RouteTable, flags: FlagSnapshot, facts: PlainFacts
) -> None:
    silent = replace(flags, route_basis_points={}, group_basis_points={}, rules={})
    decision = decide(routes, silent, facts)
    if decision.route.stage is Stage.CANARY and decision.side is Side.NEW:
        assert decision.reason is Reason.COHORT_ALWAYS


def test_shares_are_what_the_percentage_says() -> None:
    routes = table(canary())
    for share in (1, 25, 50):
        flags = FlagSnapshot(route_basis_points=basis_points({"r": share}))
        inside = sum(
            decide(routes, flags, get("/x", device=f"{n:032x}")).side is Side.NEW
            for n in range(4000)
        )
        assert abs(inside / 4000 - share / 100) < 0.03
