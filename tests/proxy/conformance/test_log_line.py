"""Lines of access logs become the requests they tell of."""

from __future__ import annotations

import json

import pytest

from proxy.conformance.log_line import LoggedRequest, OtherLine, read_log_line

SERVED = {
    "event": "request_served",
    "method": "GET",
    "host": "shop.example",
    "path": "/product/saw",
    "status": 200,
    "route": "product",
}


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        pytest.param(
            '192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "x"',
            LoggedRequest(method="GET", target="/a?b=c", status=200),
            id="combined",
        ),
        pytest.param(
            'shop.example:80 ::1 - Ada L [22/Nov/2026:10:00:00 +0000] "HEAD / HTTP/1.0" 304 -',
            LoggedRequest(method="HEAD", target="/", status=304, host="shop.example"),
            id="vhost, user with a space, no agent",
        ),
        pytest.param(
            r'h - - [t] "GET /q?x=\x22\"\\ HTTP/1.1" 200 1 "\"" "-"',
            LoggedRequest(method="GET", target='/q?x=""\\', status=200),
            id="escapes",
        ),
        pytest.param(
            json.dumps(SERVED),
            LoggedRequest(
                method="GET",
                target="/product/saw",
                status=200,
                host="shop.example",
                route="product",
                without_query=True,
            ),
            id="our own",
        ),
        pytest.param('{"event": "reloaded"}', OtherLine(), id="another event"),
        pytest.param('h - - [t] "\\x16\\x03" 400 0 "-" "-"', None, id="no request line"),
        pytest.param('{"event": "request_served", "method": 7}', None, id="no method"),
        pytest.param("{", None, id="half a line"),
        pytest.param("", None, id="empty"),
        pytest.param("PHP Warning: x", None, id="another log"),
    ],
)
def test_a_line_is_a_request_or_none(line: str, request_: object) -> None:
    assert read_log_line(line) == request_
