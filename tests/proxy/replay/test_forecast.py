"""What the books of a replay come to: flows, loads, and how far they can be trusted."""

from __future__ import annotations

import pytest

from flags.snapshot import FlagSnapshot
from proxy.replay.books import NO_PATH, UNKNOWN_ROUTE, Books
from proxy.replay.forecast import Forecast, UpstreamLoad, forecast
from proxy.replay.load import Rate
from proxy.replay.log_file import AccessLogs
from proxy.replay.logged_request import LoggedRequest
from proxy.replay.version import Version
from proxy.stages import Side
from tests.proxy.replay.two_versions import PRODUCT, logged, version

LEGACY = version(PRODUCT + "legacy")
LIVE = version(PRODUCT + "live")
TEN = 1795341600.0


def foretold(
    before: Version, after: Version, *requests: LoggedRequest, scale: float = 1.0, host: str = ""
) -> Forecast:
    books = Books(before=before, after=after, host=host)
    logs = AccessLogs(())
    for request in requests:
        books.add(request, logs)
    return forecast(books, scale=scale)


def load_of(found: Forecast, upstream: str) -> UpstreamLoad:
    return next(load for load in found.upstreams if load.upstream == upstream)


def test_flows_say_how_many_from_where_to_where_and_why() -> None:
    found = foretold(
        LEGACY, LIVE, logged("/product/1?q=secret"), logged("/product/2"), logged("/cart")
    )
    (flow,) = found.flows
    assert (flow.route_before, flow.upstream_before, flow.upstream_after) == (
        "product",
        "legacy",
        "catalog",
    )
    assert (flow.reasons_before, flow.reasons_after) == (("stage_legacy",), ("live",))
    assert (flow.requests, flow.example) == (2.0, "GET /product/1")
    assert (found.requests, found.changed, found.to_new, found.to_legacy) == (3, 2.0, 2.0, 0)


def test_requests_with_unknown_keys_are_shares_of_both_sides() -> None:
    found = foretold(LEGACY, version(PRODUCT + "canary", product=2500), *[logged()] * 8)
    assert found.shared == 8
    assert found.changed == pytest.approx(2.0)
    assert load_of(found, "catalog").requests_after == pytest.approx(2.0)
    assert load_of(found, "legacy").requests_after == pytest.approx(6.0)


def test_rates_are_the_average_and_the_busiest_minute() -> None:
    # 60 in the first minute, 540 in the last of ten.
    moments = [TEN + i for i in range(60)] + [TEN + 540 + i / 9 for i in range(540)]
    found = foretold(LEGACY, LIVE, *[logged(time=moment) for moment in moments])
    seconds = moments[-1] - moments[0]
    expected = Rate(average=pytest.approx(600 / seconds), peak=9.0)
    assert load_of(found, "legacy").before == expected
    assert load_of(found, "legacy").after == Rate()
    assert load_of(found, "catalog").after == expected
    assert load_of(found, "catalog").overloaded
    assert load_of(found, "catalog").is_to_blame


def test_logs_of_several_replicas_are_added_whatever_their_order() -> None:
    moments = [TEN + i for i in range(120)]
    sorted_ = foretold(LEGACY, LIVE, *[logged(time=m) for m in moments for _ in "12"])
    one_after_the_other = foretold(LEGACY, LIVE, *[logged(time=m) for m in (*moments, *moments)])
    assert sorted_.upstreams == one_after_the_other.upstreams
    assert load_of(sorted_, "catalog").peak_after == pytest.approx(2, abs=0.05)


def test_an_overload_that_was_there_is_not_blamed_on_the_change() -> None:
    requests = [logged(time=TEN + i / 20) for i in range(1200)]
    found = foretold(LIVE, LIVE, *requests)
    assert load_of(found, "catalog").overloaded
    assert not load_of(found, "catalog").is_to_blame
    rolled_back = version(PRODUCT + "live", flags=FlagSnapshot(rollback_all=True))
    assert load_of(foretold(LIVE, rolled_back, *requests), "legacy").is_to_blame


def test_a_log_without_times_has_no_rates() -> None:
    found = foretold(LEGACY, LIVE, logged(), logged())
    assert load_of(found, "catalog").after is None
    assert not load_of(found, "catalog").overloaded
    assert found.untimed == 2


def test_a_sampled_log_is_scaled() -> None:
    found = foretold(LEGACY, LIVE, logged(time=TEN), logged(time=TEN + 10), scale=10)
    assert (found.requests, found.stands_for, found.changed) == (2, 20.0, 20.0)
    assert load_of(found, "catalog").after == Rate(average=2.0, peak=2.0)


def test_copies_are_a_load_too() -> None:
    shadow = version(PRODUCT + "shadow, shadow: {sample: 50%}")
    requests = [logged(time=TEN + i) for i in range(60)] + [logged(time=TEN, method="POST")]
    found = foretold(LEGACY, shadow, *requests)
    assert found.changed == 0
    catalog = load_of(found, "catalog")
    assert (catalog.copies_before, catalog.copies_after) == (
        Rate(),
        Rate(average=pytest.approx(30 / 59), peak=pytest.approx(30 / 59)),
    )
    budget = version(PRODUCT + "shadow, shadow: {sample: 50%, budget: {rps: 0.1}}")
    assert load_of(foretold(LEGACY, budget, *requests), "catalog").copies_after == Rate(
        average=pytest.approx(0.1), peak=pytest.approx(0.1)
    )
    reverse = version(PRODUCT + "live, shadow: {sample: 100%}")
    legacy = load_of(foretold(LIVE, reverse, *requests), "legacy")
    assert legacy.copies_after == Rate(average=pytest.approx(60 / 59), peak=pytest.approx(60 / 59))


def test_what_is_no_request_to_a_route_is_left_out_with_its_reason() -> None:
    found = foretold(
        LEGACY,
        LIVE,
        logged("*", method="OPTIONS"),
        logged("shop.example:443", method="CONNECT"),
        logged("/product/1"),
    )
    assert (found.requests, found.left_out) == (1, ((NO_PATH, 2),))


def test_a_route_that_was_chosen_by_what_the_log_lacks_is_not_guessed() -> None:
    by_query = "id: old, match: {path: {exact: /index.php}, query: {route: p}}, new: catalog"
    before = version(f"{by_query}, stage: legacy")
    after = version(f"{by_query}, stage: live")
    found = foretold(
        before,
        after,
        logged("/index.php", route="old", without_query=True),
        logged("/index.php", route="monolith", without_query=True),
        logged("/cart", route="gone", without_query=True),
    )
    assert found.left_out == ((UNKNOWN_ROUTE, 1),)
    assert (found.requests, found.changed, found.from_figway) == (2, 0, True)
    assert found.missing == (("query", 1),)


def test_requests_without_a_host_get_the_one_that_is_named() -> None:
    hosted = PRODUCT.replace("match: {", "match: {hosts: [shop.example], ") + "live"
    assert foretold(LEGACY, version(hosted), logged()).changed == 0
    assert foretold(LEGACY, version(hosted), logged(), host="shop.example").changed == 1


def test_between_two_new_upstreams_is_neither_side() -> None:
    before = version(PRODUCT + "live")
    after = version(PRODUCT + "live, rewrite: {prefix: /p}")
    found = foretold(before, after, logged())
    assert (found.within_new, found.to_new, found.changed) == (1.0, 0, 1.0)
    assert found.flows[0].other_target
    assert found.flows[0].side_after is Side.NEW
