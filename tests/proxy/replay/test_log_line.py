"""Lines of access logs become the requests they tell of."""

from __future__ import annotations

import json

import pytest

from proxy.replay.log_line import (
    NO_FORMAT,
    NO_JSON,
    NO_REQUEST,
    NO_REQUEST_NAMED,
    OtherLine,
    read_log_line,
)
from proxy.replay.logged_request import LoggedRequest

TEN = 1795341600.0  # 2026-11-22 10:00:00 UTC
SERVED = {
    "timestamp": "2026-11-22T10:00:00.250000+00:00",
    "event": "request_served",
    "client": "192.0.2.7",
    "method": "GET",
    "host": "shop.example",
    "path": "/product/saw",
    "status": 200,
    "route": "product",
}
NGINX = {
    "time_iso8601": "2026-11-22T11:00:00+01:00",
    "remote_addr": "192.0.2.7",
    "http_host": "shop.example",
    "request_method": "GET",
    "request_uri": "/product/saw?x=1",
    "status": "200",
    "http_x_employee": "1",
    "http_referer": "-",
    "cookie_figway_id": "",
}


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        pytest.param(
            '192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "x"',
            LoggedRequest(
                method="GET",
                target="/a?b=c",
                status=200,
                client_ip="192.0.2.7",
                time=TEN,
                headers={"referer": None, "user-agent": "x"},
            ),
            id="combined",
        ),
        pytest.param(
            'shop.example:80 ::1 - Ada L [22/Nov/2026:11:00:00 +0100] "HEAD / HTTP/1.0" 304 -',
            LoggedRequest(
                method="HEAD",
                target="/",
                status=304,
                host="shop.example",
                client_ip="::1",
                time=TEN,
            ),
            id="vhost, user with a space, no agent",
        ),
        pytest.param(
            '192.0.2.7 - Ada L [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5',
            LoggedRequest(method="GET", target="/", status=200, client_ip="192.0.2.7", time=TEN),
            id="no vhost, user with a space",
        ),
        pytest.param(
            'shop.example - - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5',
            LoggedRequest(
                method="GET", target="/", status=200, host="shop.example", client_ip="-", time=TEN
            ),
            id="vhost, client not known",
        ),
        pytest.param(
            '\xef\xbb\xbf192.0.2.7 - - [t] "GET / HTTP/1.1" 200 5',
            LoggedRequest(method="GET", target="/", status=200, client_ip="192.0.2.7"),
            id="a byte order mark in front",
        ),
        pytest.param(
            '\xef\xbb\xbf {"method": "GET", "path": "/\\u20ac", "query": "", "status": 200}',
            LoggedRequest(method="GET", target="/\xe2\x82\xac", status=200),
            id="a character where others log bytes",
        ),
        pytest.param(
            f'{{"request": "GET / HTTP/1.1", "status": 200, "ts": {10**400}}}',
            LoggedRequest(method="GET", target="/", status=200),
            id="a number that is no time",
        ),
        pytest.param(
            '{"request": "GET / HTTP/1.1", "status": 200, "ts": "\xb2"}',
            LoggedRequest(method="GET", target="/", status=200),
            id="a digit that is no number",
        ),
        pytest.param(
            '{"method": "GET", "path": "/a?b", "authority": "x", "response_code": 200,'
            ' "start_time": "2026-11-22T10:00:00.000Z"}',
            LoggedRequest(method="GET", target="/a?b", status=200, host="x", time=TEN),
            id="Envoy",
        ),
        pytest.param(
            r'h - - [t] "GET /q?x=\x22\"\\ HTTP/2.0" 200 1 "\"" "-" "192.0.2.9"',
            LoggedRequest(
                method="GET",
                target='/q?x=""\\',
                status=200,
                client_ip="h",
                headers={"referer": '"', "user-agent": None},
            ),
            id="escapes, no time, one more field",
        ),
        pytest.param(
            json.dumps(SERVED),
            LoggedRequest(
                method="GET",
                target="/product/saw",
                status=200,
                host="shop.example",
                client_ip="192.0.2.7",
                time=TEN + 0.25,
                route="product",
                without_query=True,
            ),
            id="our own",
        ),
        pytest.param(
            json.dumps(NGINX),
            LoggedRequest(
                method="GET",
                target="/product/saw?x=1",
                status=200,
                host="shop.example",
                client_ip="192.0.2.7",
                time=TEN,
                headers={"x-employee": "1", "referer": None},
                cookies={"figway_id": None},
            ),
            id="nginx, by the names of its variables",
        ),
        pytest.param(
            '{"request": "POST /cart HTTP/1.1", "status": 302, "msec": "1795341600.000"}',
            LoggedRequest(method="POST", target="/cart", status=302, time=TEN),
            id="nginx, the request line whole",
        ),
        pytest.param(
            '{"method": "GET", "uri": "/a", "args": "b=c", "status": 200}',
            LoggedRequest(method="GET", target="/a?b=c", status=200),
            id="path and query apart",
        ),
        pytest.param(
            '{"method": "GET", "path": "/a", "query": "", "status": 200}',
            LoggedRequest(method="GET", target="/a", status=200),
            id="known to have no query",
        ),
        pytest.param(
            '{"RequestMethod": "GET", "RequestPath": "/a?b", "RequestHost": "x",'
            ' "ClientHost": "::1", "DownstreamStatus": 200, "StartUTC": "2026-11-22T10:00:00Z"}',
            LoggedRequest(
                method="GET", target="/a?b", status=200, host="x", client_ip="::1", time=TEN
            ),
            id="Traefik",
        ),
        pytest.param(
            '{"ts": 1795341600.0, "status": 200, "request": {"client_ip": "192.0.2.7", "host": "x",'
            ' "method": "GET", "uri": "/a",'
            ' "headers": {"X-Employee": ["1"], "Cookie": ["REDACTED"]}}}',
            LoggedRequest(
                method="GET",
                target="/a",
                status=200,
                host="x",
                client_ip="192.0.2.7",
                time=TEN,
                headers={"x-employee": "1"},
            ),
            id="Caddy, whose redacted cookies are not known",
        ),
        pytest.param('{"event": "reloaded"}', OtherLine(), id="another event"),
        pytest.param('h - - [t] "\\x16\\x03" 400 0 "-" "-"', NO_REQUEST, id="TLS to a plain port"),
        pytest.param('h - - [t] "-" 408 0 "-" "-"', NO_REQUEST, id="no request line"),
        pytest.param('{"event": "request_served", "method": 7}', NO_REQUEST_NAMED, id="no method"),
        pytest.param('{"method": "GET", "status": 200}', NO_REQUEST_NAMED, id="no path"),
        pytest.param("{", NO_JSON, id="half a line"),
        pytest.param("", NO_FORMAT, id="empty"),
        pytest.param("PHP Warning: x", NO_FORMAT, id="another log"),
    ],
)
def test_a_line_is_a_request_or_none(line: str, request_: object) -> None:
    assert read_log_line(line) == request_


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param("22/Nov/2026:10:00:07 +0000", TEN + 7, id="combined"),
        pytest.param("22/Nov/2026:10:00:07 -0130", TEN + 7 + 5400, id="another zone"),
        pytest.param("2026-11-22T10:00:07", TEN + 7, id="ISO without a zone is UTC"),
        pytest.param(1795341607000, TEN + 7, id="milliseconds"),
        pytest.param("1795341607.5", TEN + 7.5, id="seconds as text"),
        pytest.param("22/Nov/2026", None, id="a day alone"),
        pytest.param("31/Feb/2026:10:00:07 +0000", None, id="no day"),
        pytest.param("0001-01-01T00:00:00", None, id="a clock that was never set"),
        pytest.param("22/Nov/1869:10:00:07 +0000", None, id="before there were clocks"),
        pytest.param("soon", None, id="a word"),
        pytest.param(True, None, id="a truth value"),
        pytest.param(float("inf"), None, id="no number"),
    ],
)
def test_times_are_read_as_servers_write_them(said: object, seconds: float | None) -> None:
    line = json.dumps({"method": "GET", "path": "/", "time": said})
    found = read_log_line(line)
    assert isinstance(found, LoggedRequest)
    assert found.time == seconds
