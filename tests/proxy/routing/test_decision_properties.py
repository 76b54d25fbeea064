"""What must hold of a decision for every request, table and flag state."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flags.rule import Rule
from flags.snapshot import FlagSnapshot
from proxy.routing.decision import decide
from proxy.routing.facts import PlainFacts
from proxy.routing.route import StickyKind
from proxy.routing.table import RouteTable
from proxy.stages import Reason, Side, Stage
from tests.flags.unleash.drawn import rules
from tests.proxy.routing.samples import REWRITING, basis_points, exact, get, route, sticky, table

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
    routes = table(route("r", "^/x", stage=Stage.CANARY))
    for share in (1, 25, 50):
        flags = FlagSnapshot(route_basis_points=basis_points({"r": share}))
        inside = sum(
            decide(routes, flags, get("/x", device=f"{n:032x}")).side is Side.NEW
            for n in range(4000)
        )
        assert abs(inside / 4000 - share / 100) < 0.03
