"""Rules of flags on connections that send the same head again and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flags.rule import Constraint, Rule, Strategy
from flags.snapshot import FlagSnapshot
from proxy.routing.route import (
    ContextField,
    ContextKind,
    Match,
    PathKind,
    PathMatch,
    Route,
    RouteFile,
    Upstream,
)
from proxy.stages import Side, Stage
from tests.rigs.scripted_origin import ScriptedOrigin, answer
from tests.rigs.worker_thread import CATCH_ALL
from tests.wire.conftest import MakeWire, Wire
from tests.wire.message_bytes import get, ok

KNOWN = b"Cookie: figway_id=0123456789abcdef0123456789abcdef\r\n"
GERMAN = KNOWN + b"X-Country: DE\r\n"
BEFORE = Constraint(field="currentTime", operator="DATE_BEFORE", value="2026-11-22T18:00:00Z")
AT = 1795370400.0


def canary(legacy: str, new: str) -> RouteFile:
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=(legacy,)),
            Upstream(name="catalog", side=Side.NEW, urls=(new,)),
        ),
        routes=(
            Route(
                id="r",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/x")),
                new="catalog",
                stage=Stage.CANARY,
            ),
            CATCH_ALL,
        ),
        context=(
            ContextField(field="country", kind=ContextKind.HEADER, name="x-country"),
            ContextField(field="plan", kind=ContextKind.QUERY, name="plan"),
        ),
    )


def saying(*strategies: Strategy) -> FlagSnapshot:
    return FlagSnapshot(rules={"route:r": Rule(flag="figway-r", strategies=strategies)})


def to(field: str, operator: str, *values: str) -> FlagSnapshot:
    constraint = Constraint(field=field, operator=operator, values=values)
    return saying(Strategy(name="default", constraints=(constraint,)))


@pytest.fixture
def wire(make_wire: MakeWire) -> Iterator[Wire]:
    with ScriptedOrigin(answer(ok(b"new"))) as new:
        yield make_wire(routes=lambda legacy: canary(legacy.url, new.url))


def use(wire: Wire, flags: FlagSnapshot) -> None:
    """Apply flags as the supervisor does: the table stays, and what it remembers."""

    def apply() -> None:
        generation = wire.proxy.worker.generation
        assert generation is not None
        wire.proxy.worker.apply(generation.revision + 1, generation.table, flags)

    wire.proxy.ask(apply)


def clock(wire: Wire, moment: float) -> None:
    """Set the wall clock that requests are told; the sweep would set it back."""
    data_plane = wire.proxy.worker.wire

    def change() -> None:
        data_plane.stop()
        data_plane.moment = moment

    wire.proxy.ask(change)


def sides(wire: Wire, *heads: bytes, target: bytes = b"/x") -> list[bytes]:
    """Who answers these heads, each sent three times on one connection."""
    answers = []
    with wire.client() as client:
        for head in heads:
            bodies = set()
            for _ in range(3):
                client.send(get(target, head))
                bodies.add(client.read_response().body)
            assert len(bodies) == 1
            answers.append(bodies.pop())
    return answers


def test_a_head_that_is_known_is_asked_by_every_new_rule(wire: Wire) -> None:
    use(wire, to("country", "IN", "DE"))
    assert sides(wire, GERMAN, KNOWN) == [b"new", b"ok"]
    use(wire, to("country", "NOT_IN", "DE"))
    assert sides(wire, GERMAN, KNOWN) == [b"ok", b"new"]
    use(wire, to("country", "IN", "DE"))
    assert sides(wire, GERMAN, KNOWN) == [b"new", b"ok"]
    use(wire, FlagSnapshot(rollback_all=True, rules=to("country", "IN", "DE").rules))
    assert sides(wire, GERMAN, KNOWN) == [b"ok", b"ok"]


def test_a_header_counts_however_it_is_spelled_and_each_value_for_itself(wire: Wire) -> None:
    use(wire, to("country", "IN", "DE", "DE, AT"))
    assert sides(
        wire,
        *(KNOWN + field for field in (b"x-country: DE\r\n", b"X-COUNTRY: DE\r\n")),
        KNOWN + b"X-Country: DE\r\nx-country: AT\r\n",
        KNOWN + b"X-Country: DE\r\nX-Country: FR\r\n",
        KNOWN + b"X_Country: DE\r\n",
    ) == [b"new", b"new", b"new", b"ok", b"ok"]


def test_what_stands_in_the_request_line_is_read_anew(wire: Wire) -> None:
    use(wire, to("plan", "IN", "gold"))
    assert sides(wire, KNOWN, target=b"/x?plan=gold") == [b"new"]
    assert sides(wire, KNOWN, target=b"/x?plan=iron") == [b"ok"]
    assert sides(wire, KNOWN, target=b"/x?plan=gold&plan=iron") == [b"ok"]


def test_a_time_that_passes_changes_the_answer_to_a_head_that_is_known(wire: Wire) -> None:
    clock(wire, AT - 1)
    use(wire, saying(Strategy(name="default", constraints=(BEFORE,))))
    assert sides(wire, GERMAN) == [b"new"]
    clock(wire, AT)
    assert sides(wire, GERMAN) == [b"ok"]
    clock(wire, AT - 1)
    assert sides(wire, GERMAN) == [b"new"]


def test_each_client_without_an_identity_gets_one_and_its_own_bucket(wire: Wire) -> None:
    half = Strategy(name="flexibleRollout", basis_points=5000, hash_group="figway-r")
    use(wire, saying(half))
    answers = set()
    with wire.client() as client:
        for _ in range(60):
            client.send(get(b"/x", b"X-Country: DE\r\n"))
            response = client.read_response()
            answers.add(response.body)
            assert response.values(b"set-cookie")
    assert answers == {b"new", b"ok"}
