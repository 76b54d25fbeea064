"""Shadow exemplars become cases that say what they lack."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.conformance.exemplar_case import case_of
from proxy.conformance.secret import Placeholders

EXEMPLAR: dict[str, Any] = {
    "id": "e1",
    "route": "product",
    "method": "GET",
    "target": "/product/saw?page=1",
    "request_headers": [["Host", "shop.example"], ["Accept", "text/html"]],
    "request_body": "",
}


def exemplar(**changes: object) -> dict[str, Any]:
    return {**EXEMPLAR, **changes}


def test_a_request_without_secrets_can_be_run() -> None:
    case = case_of(EXEMPLAR, Placeholders())
    assert case is not None
    assert case.url == "http://shop.example/product/saw?page=1"
    assert case.headers == (("accept", "text/html"),)
    assert case.skip == ""
    assert case.comment == "route product"


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"target": "/product/saw?token=%5Bredacted%5D"}, "QUERY_TOKEN"),
        ({"target": "/product/saw?x=[redacted]"}, "QUERY_X"),
        ({"target": "/product/[redacted]"}, "PATH_TOKEN"),
        ({"request_headers": [["Authorization", "[redacted]"]]}, "HEADER_AUTHORIZATION"),
        ({"request_headers": [["Authorization", "Bearer abc"]]}, "HEADER_AUTHORIZATION"),
        (
            {"request_headers": [["Cookie", "PHPSESSID=[redacted]; a=1"]]},
            "COOKIE_PHPSESSID, COOKIE_A",
        ),
        ({"request_headers": [["Cookie", "[redacted]"]]}, "COOKIE"),
        ({"method": "POST", "request_body": '{"email": "[redacted]"}'}, "REQUEST_BODY"),
    ],
)
def test_a_case_says_which_values_it_needs(changes: dict[str, Any], needs: str) -> None:
    case = case_of(exemplar(**changes), Placeholders())
    assert case is not None
    assert case.skip.startswith(f"needs a value for {needs}:")
    assert "redacted" not in f"{case.url} {case.headers} {case.body}"
    for name in needs.split(", "):
        assert f"${{{name}}}" in f"{case.url} {case.headers} {case.body}"


def test_values_that_were_taken_out_are_not_taken_for_equal() -> None:
    """Save a visitor's own: one visitor can ask everything."""
    placeholders = Placeholders()
    for number in ("", "_2"):
        asked = exemplar(
            target="/product/[redacted]?token=[redacted]",
            request_headers=[["Cookie", "PHPSESSID=[redacted]"], ["Authorization", "[redacted]"]],
        )
        case = case_of(asked, placeholders)
        assert case is not None
        assert case.url == f"/product/${{PATH_TOKEN{number}}}?token=${{QUERY_TOKEN{number}}}"
        assert dict(case.headers) == {
            "cookie": "PHPSESSID=${COOKIE_PHPSESSID}",
            "authorization": "${HEADER_AUTHORIZATION}",
        }


def test_what_belongs_to_the_connection_is_left_out() -> None:
    headers = [["X-Request-Id", "1"], ["traceparent", "00"], ["X-Forwarded-For", "192.0.2.1"]]
    case = case_of(exemplar(request_headers=headers), Placeholders())
    assert case is not None
    assert case.headers == ()


def test_a_visitor_without_cookies_needs_none() -> None:
    asked = exemplar(request_headers=[["Cookie", "[redacted]"], ["Accept", "text/html"]])
    case = case_of(asked, Placeholders(), drop_cookies=True)
    assert case is not None
    assert case.headers == (("accept", "text/html"),)
    assert case.skip == ""


@pytest.mark.parametrize(("method", "needs"), [("GET", ""), ("POST", "REQUEST_BODY")])
def test_a_body_that_was_taken_out_is_missing_where_there_can_be_one(
    method: str, needs: str
) -> None:
    case = case_of(exemplar(method=method, redacted=["body"]), Placeholders())
    assert case is not None
    assert needs in case.skip
    assert bool(case.skip) is bool(needs)


@pytest.mark.parametrize("broken", [{}, {"method": "GET"}, {"method": "GET", "target": 7}])
def test_what_holds_no_request_is_no_case(broken: dict[str, Any]) -> None:
    assert case_of(broken, Placeholders()) is None
