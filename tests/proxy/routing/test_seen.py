"""What a table remembers must never change what it answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import seen
from proxy.routing.facts import PlainFacts
from proxy.routing.route import (
    Match,
    PathKind,
    PathMatch,
    Route,
    RouteFile,
    Upstream,
    ValueKind,
    ValueMatch,
)
from proxy.routing.table import RouteTable
from proxy.stages import Side, Stage


def _table() -> RouteTable:
    header = ValueMatch(name="x-beta", kind=ValueKind.EXACT, value="1")
    query = ValueMatch(name="page", kind=ValueKind.PRESENT)
    template = PathMatch(kind=PathKind.TEMPLATE, value="/p/{slug}")
    return RouteTable.compile(
        RouteFile(
            upstreams=(
                Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",)),
                Upstream(name="new", side=Side.NEW, urls=("http://127.0.0.1:2",)),
            ),
            routes=(
                _route("beta", Match(path=template, methods=("GET",), headers=(header,))),
                _route("paged", Match(path=template, methods=("GET",), query=(query,))),
                _route("read", Match(path=template, methods=("GET", "HEAD"))),
                _route("shop", Match(path=template, hosts=("shop.example",), methods=("POST",))),
                Route(id="rest", match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/"))),
            ),
        )
    )


def _route(name: str, match: Match) -> Route:
    return Route(id=name, match=match, new="new", stage=Stage.LIVE)


REQUESTS = st.builds(
    PlainFacts,
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    host=st.sampled_from(["", "shop.example", "other.example"]),
    path=st.sampled_from(["/p/a", "/p/b", "/p/%2e%2e", "/", "/p/"]),
    query=st.sampled_from(["", "page=1", "page=1&page=2"]),
    has_query=st.booleans(),
    headers=st.sampled_from([(), (("x-beta", "1"),), (("x-beta", "2"),)]),
)


@given(st.lists(REQUESTS, min_size=2, max_size=30))
def test_a_table_that_has_seen_requests_answers_like_a_new_one(requests: list[PlainFacts]) -> None:
    experienced = _table()
    for request in requests:
        assert experienced.find(request).id == _table().find(request).id


def test_an_answer_that_hung_on_a_header_is_not_remembered() -> None:
    table = _table()
    plain = PlainFacts(method="GET", host="", path="/p/a")
    beta = PlainFacts(method="GET", host="", path="/p/a", headers=(("x-beta", "1"),))
    assert [table.find(each).id for each in (plain, beta, plain)] == ["read", "beta", "read"]


def test_the_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    memory = seen.Seen()
    table = _table()
    route = table.compiled("rest")
    for number in range(20_000):
        witness = seen.Witness(PlainFacts(method="GET", host="", path=f"/{number}"))
        memory.note(witness, route)
        assert memory.get(("GET", "/0")) is route
    assert memory.get(("GET", "/19999")) is route
    assert memory.get(("GET", "/100")) is None


def test_a_path_of_unusual_length_is_not_remembered() -> None:
    memory = seen.Seen()
    path = "/" + "a" * 4000
    memory.note(
        seen.Witness(PlainFacts(method="GET", host="", path=path)), _table().compiled("rest")
    )
    assert memory.get(("GET", path)) is None
