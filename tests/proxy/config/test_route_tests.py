"""The tests: block runs through the decision that traffic gets."""

from __future__ import annotations

import pytest

from proxy.config.parse import parse_routes
from proxy.config.route_tests import Outcome, run_tests
from proxy.routing.table import RouteTable

FILE = """\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://a:1"]}
  catalog: {urls: ["http://a:2"]}
groups: {purchase: {}}
segments: {staff: {any: [{header: {name: X-Employee, value: "1"}}, {cidr: 10.0.0.0/8}]}}
routes:
  - id: page
    match: {path: {template: "/product/{slug}"}}
    new: catalog
    stage: canary
    cohorts: {always: [staff]}
    rewrite: {path: "/v2/{slug}"}
  - {id: cart, match: {path: {prefix: /cart}}, new: catalog, stage: canary, group: purchase}
  - {id: gone, match: {path: {prefix: /gone}}, new: catalog, stage: complete}
  - {id: monolith, match: {path: {prefix: /}}}
settings: {cookie_name: device}
tests:
"""


def outcome(test: str) -> Outcome:
    table = RouteTable.compile(parse_routes(f"{FILE}  - {{name: t, {test}}}\n".encode(), "r"))
    (only,) = run_tests(table, "device")
    return only


@pytest.mark.parametrize(
    "test",
    [
        "request: {url: /}, expect: {route: monolith, upstream: legacy, side: legacy, path: /}",
        "request: {url: /product/x}, expect: {route: page, reason: bucket_out, path: /product/x}",
        'request: {url: "http://h/product/x?a=b", headers: {X-Employee: "1"}}, '
        'expect: {reason: cohort_always, upstream: catalog, side: new, path: "/v2/x?a=b"}',
        "request: {url: /product/x, client_ip: 10.1.2.3}, expect: {reason: cohort_always}",
        "request: {url: /product/x}, state: {percent: {page: 100}}, expect: {reason: bucket_in}",
        "request: {url: /cart}, state: {percent: {purchase: 100}}, expect: {reason: bucket_in}",
        "request: {url: /cart}, state: {percent: {purchase: 100}, rollback_groups: [purchase]}, "
        "expect: {reason: rollback_group}",
        "request: {url: /product/x}, state: {percent: {page: 100}, rollback_routes: [page]}, "
        "expect: {reason: rollback_route}",
        "request: {url: /product/x}, state: {percent: {page: 100}, rollback_all: true}, "
        "expect: {reason: rollback_all, side: legacy}",
        "request: {url: /gone}, state: {rollback_all: true}, expect: {reason: complete}",
        "request: {method: POST, url: //product/x}, expect: {reason: ambiguous_target}",
    ],
)
def test_an_expectation_that_is_met_passes(test: str) -> None:
    assert outcome(test).failures == ()


def test_every_expectation_that_is_not_met_is_named() -> None:
    got = outcome(
        "request: {url: /product/x}, expect: {route: cart, upstream: catalog, reason: live, "
        "side: new, path: /x}"
    )
    assert got.failures == (
        "route is page, expected cart",
        "upstream is legacy, expected catalog",
        "reason is bucket_out, expected live",
        "side is legacy, expected new",
        "path is /product/x, expected /x",
    )


def test_the_identity_cookie_of_the_file_chooses_the_bucket() -> None:
    def reason(device: str) -> str:
        return outcome(
            f"request: {{url: /product/x, headers: {{Cookie: device={device}}}}}, "
            "state: {percent: {page: 50}}, expect: {route: page}"
        ).reason

    reasons = {reason(f"{n:032x}") for n in range(20)}
    assert reasons == {"bucket_in", "bucket_out"}
