"""Which of many logged requests become cases."""

from __future__ import annotations

import pytest

from proxy.config.parse import parse_routes
from proxy.conformance.recording import Recording
from proxy.replay.logged_request import LoggedRequest
from proxy.routing.table import RouteTable
from tests.proxy.conformance.two_sides import ROUTES

TABLE = RouteTable.compile(parse_routes(ROUTES.encode(), "routes.yaml"))


def logged(target: str, **other: object) -> LoggedRequest:
    return LoggedRequest(**{"method": "GET", "target": target, "status": 200, **other})  # type: ignore[arg-type]  # a table of fields


def recorded(*requests: LoggedRequest, **limits: int) -> Recording:
    recording = Recording(table=TABLE, **limits)
    for request in requests:
        recording.add(request)
    return recording


def urls(recording: Recording) -> list[str]:
    return [case.url for case in recording.cases()]


def test_one_shape_gives_few_cases_the_most_frequent_first() -> None:
    requests = [logged(f"/product/p{n}") for n in range(9)] + [logged("/product/saw")] * 3
    assert urls(recorded(*requests)) == ["/product/saw", "/product/p0"]
    assert len(urls(recorded(*requests, per_shape=5))) == 5


def test_query_keys_make_shapes_and_values_do_not() -> None:
    recording = recorded(
        *(logged(f"/search?q=w{n}") for n in range(5)),
        *(logged(f"/search?q=w{n}&page={n}") for n in range(5)),
        logged("/search?page=1&q=x"),
        per_shape=1,
    )
    assert urls(recording) == ["/search?page=1&q=x", "/search?q=w0"]


def test_a_route_gives_its_share_with_one_of_every_shape_first() -> None:
    recording = recorded(
        *(logged(f"/product/p{n}") for n in range(50)),
        *(logged(f"/product/p{n}?v=1") for n in range(10)),
        logged("/product/p1?w=1"),
        per_shape=10,
        per_route=4,
    )
    assert urls(recording) == [
        *("/product/p0", "/product/p1", "/product/p0?v=1", "/product/p1?w=1"),
    ]


def test_ids_in_a_path_are_one_shape_where_the_route_has_no_template() -> None:
    recording = recorded(
        *(logged(f"/search/tag/{n}") for n in range(9)), logged("/search/all"), per_shape=1
    )
    assert urls(recording) == ["/search/tag/0", "/search/all"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (logged("/product/saw", method="POST"), "method POST"),
        (logged("/product/saw", status=500), "status 500"),
        (logged("/product/saw", status=499), "status 499"),
        (logged("/cart"), "no new side"),
        (logged("/product//saw"), "no new side"),
        (logged("*"), "target is no path"),
        (logged("/product/saw#top"), "target holds a fragment"),
        (logged("/product/saw", host="a b"), "host is none"),
        (logged("/product/saw", host="user@shop.example"), "host is none"),
        (logged("/product/saw", host="shop.example/x?y#z"), "host is none"),
        (logged("/index.php?route=product"), "lacks a value for the rewrite"),
        (logged("/search?forget=1"), "may change something (unsafe_get)"),
        (
            logged("/index.php", route="old-product", without_query=True),
            "the log does not hold what chose its route",
        ),
    ],
)
def test_what_becomes_no_case_is_counted_with_its_reason(request_: LoggedRequest, why: str) -> None:
    recording = recorded(request_)
    assert not urls(recording)
    assert recording.left_out == {why: 1}


def test_a_log_that_tells_no_status_gives_cases() -> None:
    assert urls(recorded(logged("/product/saw", status=0))) == ["/product/saw"]


def test_not_found_is_worth_a_case() -> None:
    assert urls(recorded(logged("/product/none", status=404))) == ["/product/none"]


def test_the_host_of_the_log_is_kept() -> None:
    assert urls(recorded(logged("/product/saw", host="shop.example"))) == [
        "http://shop.example/product/saw"
    ]


def test_a_secret_is_taken_out_and_the_case_waits_for_it() -> None:
    (case,) = recorded(logged("/product/saw?token=abc")).cases()
    assert case.url == "/product/saw?token=${QUERY_TOKEN}"
    assert case.skip.startswith("needs a value for QUERY_TOKEN")


def test_the_slug_of_a_product_is_recorded_as_it_is() -> None:
    target = "/product/lindqvist-lc-1001-cordless-drill-18-v-40-nm"
    (case,) = recorded(logged(target)).cases()
    assert (case.url, case.skip) == (target, "")


def test_cases_of_one_file_share_a_placeholder_for_equal_values_only() -> None:
    tokens = ("/product/saw?token=a", "/product/saw?token=b", "/search?q=1&token=a")
    assert urls(recorded(*map(logged, tokens))) == [
        "/product/saw?token=${QUERY_TOKEN}",
        "/product/saw?token=${QUERY_TOKEN_2}",
        "/search?q=1&token=${QUERY_TOKEN}",
    ]


def test_bytes_that_no_url_holds_are_encoded() -> None:
    (case,) = recorded(logged('/search?q="\xc3\xbc')).cases()
    assert case.url == "/search?q=%22%C3%BC"


def test_without_a_table_every_path_is_taken() -> None:
    recording = Recording(table=None, per_shape=1)
    for number in range(5):
        recording.add(logged(f"/anything/{number}"))
    assert urls(recording) == ["/anything/0"]
