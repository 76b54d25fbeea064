"""The account of a decision: complete, and never another one than traffic gets."""

from __future__ import annotations

from hypothesis import given, settings

from flags.evaluate import bucket
from flags.snapshot import FlagSnapshot
from proxy.routing.decision import decide
from proxy.routing.explain import describe_match, explain
from proxy.routing.explain_text import render
from proxy.routing.facts import PlainFacts
from proxy.routing.rewrite import upstream_target
from proxy.routing.route import Rewrite
from proxy.routing.table import RouteTable
from proxy.stages import Reason, Side, Stage
from tests.proxy.routing.samples import (
    DEVICE,
    exact,
    get,
    percent,
    present,
    regex,
    route,
    table,
)
from tests.proxy.routing.test_decision_properties import requests, snapshots, tables


@settings(max_examples=250, deadline=None)
@given(tables(), snapshots(), requests())
def test_explain_equals_decide(routes: RouteTable, flags: FlagSnapshot, facts: PlainFacts) -> None:
    decision = decide(routes, flags, facts)
    told = explain(routes, flags, facts)
    assert (told.route, told.side, told.reason) == (
        decision.route.id,
        decision.side,
        decision.reason,
    )
    assert (told.upstream, told.shadow) == (decision.upstream.name, decision.shadow)
    # The account itself comes to the same end as the decision.
    assert [step.reason for step in told.steps if step.applies] == [decision.reason]
    assert told.steps[-1].applies
    chosen = [candidate.route for candidate in told.candidates if candidate.chosen]
    assert chosen == ([] if decision.reason is Reason.AMBIGUOUS_TARGET else [decision.route.id])
    if decision.reason in (Reason.BUCKET_IN, Reason.BUCKET_OUT):
        b = told.bucketing
        assert b is not None
        assert b.bucket is not None
        assert (b.bucket < b.threshold) is (decision.side is Side.NEW)
    if decision.side is Side.NEW:
        assert told.target == upstream_target(decision.route, facts)
    else:
        assert told.target == facts.path + ("?" + facts.query if facts.has_query else "")
    assert render(told).endswith("\n")


def test_every_candidate_says_which_criterion_failed_first() -> None:
    routes = table(
        route("host", "^/x", hosts=("other.example",)),
        route("path", "/x/{a}/b"),
        route("slash", "= /x/y"),
        route("method", "^/x", methods=("POST",), headers=(exact("x-a", "1"),)),
        route("header", "^/x", headers=(exact("x-a", "1"),), query=(present("q"),)),
        route("query", "^/x", query=(regex("q", "[0-9]+"),), cookies=(present("c"),)),
        route("cookie", "^/x", cookies=(present("c"),)),
        route("chosen", "^/x"),
    )
    told = explain(routes, FlagSnapshot(), get("http://shop.example/x/y/?q=abc"))
    failed = {candidate.route: candidate.failed for candidate in told.candidates}
    assert failed == {
        "host": "host shop.example is not other.example",
        "path": "path is not template /x/{a}/b (a slash at the end counts)",
        "slash": "path is not exact /x/y (a slash at the end counts)",
        "method": "method GET is not POST",
        "header": "header x-a = 1",
        "query": "query q ~ [0-9]+",
        "cookie": "cookie c present",
        "chosen": "",
        "monolith": "",
    }
    assert [each.route for each in told.candidates if each.chosen] == ["chosen"]
    assert [each.route for each in told.candidates if not each.reached] == ["monolith"]


def test_the_bucket_is_laid_open() -> None:
    routes = table(route("product-page", "/product/{slug}", stage=Stage.CANARY, max_percent=25))
    told = explain(routes, percent(product_page=50), get("/product/red-drill"))
    b = told.bucketing
    assert b is not None
    assert b.hash_input == f"product-page:{DEVICE}"
    assert b.bucket == bucket("product-page", DEVICE)
    assert (b.flag_basis_points, b.ceiling, b.threshold) == (5000, 2500, 2500)
    text = render(told)
    assert f"murmur3_x86_32('product-page:{DEVICE}') = {b.hash}" in text
    assert f"bucket {b.bucket / 100:.2f}" in text
    assert "threshold 25.00" in text


def test_the_chain_ends_with_the_override_that_applies() -> None:
    routes = table(route("r", "^/x", stage=Stage.LIVE, group="purchase"))
    flags = FlagSnapshot(rollback_groups=frozenset({"purchase"}), revision=7)
    told = explain(routes, flags, get("/x"))
    assert [step.reason for step in told.steps] == [
        Reason.AMBIGUOUS_TARGET,
        Reason.COMPLETE,
        Reason.ROLLBACK_ALL,
        Reason.ROLLBACK_GROUP,
    ]
    assert told.steps[-1].detail == "group purchase is rolled back"
    assert told.flags_revision == 7


def test_an_ambiguous_target_says_what_is_ambiguous() -> None:
    routes = table(route("r", "^/x", stage=Stage.LIVE, query=(exact("id", "1"),)))
    by_path = explain(routes, FlagSnapshot(), get("/x/../y"))
    assert "a . or .. segment" in by_path.ambiguous
    assert by_path.matched_path is None
    by_value = explain(routes, FlagSnapshot(), get("/x?id=1&id=2"))
    assert "query id = 1" in by_value.ambiguous
    assert by_value.target == "/x?id=1&id=2"
    assert "answered by monolith (legacy): route monolith, reason ambiguous_target" in render(
        by_value
    )


def test_the_target_of_the_new_side_is_the_rewritten_one() -> None:
    rewrite = Rewrite(path="/products/{query.id}", keep_query=False)
    routes = table(route("r", "= /index.php", stage=Stage.LIVE, rewrite=rewrite))
    told = explain(routes, FlagSnapshot(), get("/index.php?id=40"))
    assert told.target == "/products/40"
    assert told.shadow is Side.LEGACY


def test_a_large_table_lists_only_what_fits_host_and_path() -> None:
    routes = table(
        *(route(f"r{n}", f"^/x{n}") for n in range(200)), route("post", "^/x7", methods=("POST",))
    )
    told = explain(routes, FlagSnapshot(), get("/x7"))
    assert [candidate.route for candidate in told.candidates] == ["post", "r7", "monolith"]
    assert told.omitted == 199
    assert "199 more routes" in render(told)


def test_a_client_without_identity_is_told_that_its_key_is_an_example() -> None:
    routes = table(route("r", "^/x", stage=Stage.CANARY))
    text = render(explain(routes, percent(r=1), PlainFacts.of("GET", "/x")))
    assert "a real client without one gets a random key" in text


def test_a_match_is_described_on_one_line() -> None:
    one = route(
        "r",
        "/product/{slug}",
        hosts=("*.shop.example",),
        methods=("GET", "HEAD"),
        headers=(present("x-a"),),
        query=(exact("tab", "1"),),
        cookies=(regex("c", "x+"),),
    )
    assert describe_match(one.match) == (
        "GET,HEAD *.shop.example template /product/{slug} header x-a present query tab = 1"
        " cookie c ~ x+"
    )
