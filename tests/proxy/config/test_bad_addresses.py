"""Upstream addresses: origins are taken, everything else is refused with its mend."""

from __future__ import annotations

import pytest

from proxy.config.parse import parse_routes
from tests.proxy.config.example import changed, line_of
from tests.proxy.config.mistakes import problems_of

ADDRESSES = [
    pytest.param(url, message, id=url)
    for url, message in (
        ("file:///etc/passwd", "must be http://host:port, https://host:port or unix:/path"),
        ("ftp://a", "must be http://host:port"),
        ("127.0.0.1:80", "must be http://host:port"),
        ("http://a/b", 'write "http://a"'),
        ("http://a/", 'write "http://a"'),
        ("http://a?b", "must not hold a path, query or fragment"),
        ("http://user:hunter2@a", "must not hold a user or password"),
        ("http://", "must name a host"),
        ("http://a:0", "must have a port between 1 and 65535"),
        ("http://a:65536", "must have a port between 1 and 65535"),
        ("http://a b", "does not hold a valid host name"),
        ("http://-a", "does not hold a valid host name"),
        ("http://bücher.example", "must be in its ASCII form"),
        ("http://169.254.169.254", "must not be a link-local or metadata address"),
        ("http://169.254.1.1:8080", "must not be a link-local or metadata address"),
        ("http://[fe80::1]", "must not be a link-local or metadata address"),
        ("http://[::ffff:169.254.169.254]", "must not be a link-local or metadata address"),
        ("http://[fd00:ec2::254]", "must not be a link-local or metadata address"),
        ("http://metadata.google.internal", "must not be the metadata service of a cloud"),
        ("http://2852039166", "does not hold a valid IPv4 address"),
        ("http://0xa9fea9fe", "does not hold a valid IPv4 address"),
        ("http://0251.0376.0251.0376", "does not hold a valid IPv4 address"),
        ("http://127.1", "does not hold a valid IPv4 address"),
        ("http://[::1", "must name a host"),
        ("http://[::zz]", "must name a host"),
        ("http://[1::2::3]", "does not hold a valid IPv6 address"),
        ("http://0.0.0.0", "must be an address that can be connected to"),
        ("http://224.0.0.1", "must be an address that can be connected to"),
        ("unix:run/app.sock", "must be unix: and an absolute path"),
        ("unix:///run/app.sock", "must be unix: and an absolute path"),
        ("unix:/" + "a" * 107, "must have a path of at most 107 bytes"),
    )
]


@pytest.mark.parametrize(("url", "message"), ADDRESSES)
def test_an_upstream_address_that_is_no_origin_is_refused(url: str, message: str) -> None:
    (problem,) = problems_of(changed("http://127.0.0.1:8081", url))
    assert problem.key == "upstreams.legacy.urls[0]"
    assert problem.line == line_of("http://127.0.0.1:8081")
    assert message in problem.message
    assert "hunter2" not in problem.message


@pytest.mark.parametrize(
    "url",
    [
        "http://php-1",
        "http://php_1.internal:8080",
        "http://10.0.0.1:80",
        "http://[::1]:8080",
        "https://shop.example",
        "unix:/run/php/app.sock",
    ],
)
def test_an_origin_is_an_upstream_address(url: str) -> None:
    file = parse_routes(changed("http://127.0.0.1:8081", url), "routes.yaml")
    assert file.legacy.urls == (url,)
