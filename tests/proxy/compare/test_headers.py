"""Header fields are compared by what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.comparison import Comparison, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, HeaderPolicy, Op, Rule, Severity
from proxy.exchange import Answer, Header
from tests.proxy.compare.pairs import rule

EVERYTHING = ComparePolicy(headers=HeaderPolicy(compare=("*",), presence=("etag",)))


def answer(*fields: str, status: int = 200) -> Answer:
    headers: list[Header] = []
    for field in fields:
        name, _, value = field.partition(": ")
        headers.append((name.encode(), value.encode()))
    return Answer(status=status, headers=tuple(headers), body=b"x")


def compared(
    legacy: str | tuple[str, ...],
    new: str | tuple[str, ...],
    policy: ComparePolicy | None = None,
    host: str = "",
) -> Comparison:
    one = (legacy,) if isinstance(legacy, str) else legacy
    other = (new,) if isinstance(new, str) else new
    compiled = CompiledPolicy.compile(policy or ComparePolicy())
    return compare(answer(*one), answer(*other), compiled, host=host)


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param(
            "Content-Type: text/html; charset=utf-8",
            "content-type: text/html;charset=UTF-8",
            id="charset in another case",
        ),
        pytest.param(
            "Content-Type: text/html; charset=utf8",
            'Content-Type: text/html; charset="utf-8"',
            id="charset quoted, alias",
        ),
        pytest.param(
            "Content-Type: application/json",
            "Content-Type: application/json; charset=utf-8",
            id="JSON has no charset",
        ),
        pytest.param(
            "Link: </a>; rel=next, </b>; rel=prev",
            "Link: </b>; rel=prev,</a>; rel=next",
            id="links in another order",
        ),
        pytest.param("Refresh: 5;url=/x", "Refresh: 5; URL=/x", id="refresh in another case"),
        pytest.param("X-Frame-Options: DENY", "X-Frame-Options: deny", id="case of a word"),
        pytest.param(
            "X-Robots-Tag: noindex, nofollow", "X-Robots-Tag: nofollow,noindex", id="robots"
        ),
        pytest.param(
            "Strict-Transport-Security: max-age=60; includeSubDomains",
            'Strict-Transport-Security: includesubdomains;max-age="60";',
            id="transport security",
        ),
        pytest.param(
            "Content-Security-Policy: default-src 'self'; script-src 'nonce-YQ==' a.example",
            "Content-Security-Policy: script-src a.example 'nonce-Yg=='; default-src 'self';",
            id="sources in another order, another nonce",
        ),
        pytest.param(
            "Content-Type: application/javascript",
            "Content-Type: text/javascript",
            id="names of JavaScript",
        ),
        pytest.param(
            "Cache-Control: max-age=60, public",
            "Cache-Control: public,max-age=60",
            id="directives in another order",
        ),
        pytest.param(
            "Vary: Accept-Encoding, Cookie", "Vary: cookie,accept-encoding", id="vary is a set"
        ),
        pytest.param(("Vary: Cookie", "Vary: Origin"), "Vary: Cookie, Origin", id="lines joined"),
        pytest.param(
            "Location: https://a.example:443/x%7ey",
            "Location: https://A.example/x~y",
            id="one address spelled twice",
        ),
        pytest.param(
            'WWW-Authenticate: Digest realm="a", nonce="1"',
            'WWW-Authenticate: Digest realm="a", nonce="2"',
            id="nonces",
        ),
    ],
)
def test_what_means_the_same_is_equal_and_counted(
    legacy: str | tuple[str, ...], new: str | tuple[str, ...]
) -> None:
    found = compared(legacy, new)
    assert found.result is Result.NORMALISED
    assert all(use.rule.startswith("header:") for use in found.rules_used)


@pytest.mark.parametrize(
    ("legacy", "new", "path", "severity"),
    [
        pytest.param(
            "Content-Type: text/html",
            "Content-Type: text/plain",
            "header:content-type",
            Severity.CRITICAL,
            id="another type",
        ),
        pytest.param(
            "Content-Type: text/html; charset=utf-8",
            "Content-Type: text/html; charset=latin1",
            "header:content-type",
            Severity.MAJOR,
            id="another charset",
        ),
        pytest.param(
            "Content-Type: text/html",
            "Content-Type: text/html; charset=utf-8",
            "header:content-type",
            Severity.MINOR,
            id="a charset added",
        ),
        pytest.param(
            "Content-Type: text/html", (), "header:content-type", Severity.CRITICAL, id="no type"
        ),
        pytest.param(
            "Location: /a", "Location: /b", "header:location", Severity.CRITICAL, id="elsewhere"
        ),
        pytest.param(
            "Location: https://a/x",
            "Location: https://b/x",
            "header:location",
            Severity.CRITICAL,
            id="another host",
        ),
        pytest.param(
            "Location: http://a/x",
            "Location: https://a/x",
            "header:location",
            Severity.CRITICAL,
            id="another scheme",
        ),
        pytest.param(
            "Location: https://a/x",
            "Location: /x",
            "header:location",
            Severity.MINOR,
            id="absolute and relative, host unknown",
        ),
        pytest.param(
            "Location: /x?a=1&b=2",
            "Location: /x?b=2&a=1",
            "header:location",
            Severity.MINOR,
            id="parameters in another order",
        ),
        pytest.param(
            "Cache-Control: max-age=60",
            "Cache-Control: max-age=61",
            "header:cache-control",
            Severity.MAJOR,
            id="another age",
        ),
        pytest.param(
            "Vary: Cookie",
            "Vary: Cookie, Accept-Encoding",
            "header:vary",
            Severity.MINOR,
            id="vary by coding",
        ),
        pytest.param(
            "WWW-Authenticate: Basic realm=a",
            "WWW-Authenticate: Bearer realm=a",
            "header:www-authenticate",
            Severity.CRITICAL,
            id="another scheme of authentication",
        ),
        pytest.param('ETag: "1"', (), "header:etag", Severity.MINOR, id="no validator"),
        pytest.param(
            "Link: </?p=2>; rel=next", (), "header:link", Severity.MAJOR, id="no next page"
        ),
        pytest.param(
            (), "Refresh: 0; url=/login", "header:refresh", Severity.CRITICAL, id="sent elsewhere"
        ),
        pytest.param(
            (), "X-Robots-Tag: noindex", "header:x-robots-tag", Severity.MAJOR, id="hidden"
        ),
        pytest.param(
            "X-Robots-Tag: nofollow",
            "X-Robots-Tag: noindex",
            "header:x-robots-tag",
            Severity.MAJOR,
            id="hidden otherwise",
        ),
        pytest.param(
            "Content-Security-Policy: script-src 'self'",
            "Content-Security-Policy: script-src 'self' 'unsafe-inline'",
            "header:content-security-policy",
            Severity.MAJOR,
            id="scripts of anybody",
        ),
        pytest.param(
            (),
            "Strict-Transport-Security: max-age=60",
            "header:strict-transport-security",
            Severity.MAJOR,
            id="TLS for months",
        ),
        pytest.param(
            "X-Frame-Options: DENY", (), "header:x-frame-options", Severity.MAJOR, id="in a frame"
        ),
        pytest.param(
            (), "X-Frame-Options: DENY", "header:x-frame-options", Severity.MINOR, id="in no frame"
        ),
        pytest.param(
            (),
            "Access-Control-Allow-Origin: *",
            "header:access-control-allow-origin",
            Severity.MINOR,
            id="a field more",
        ),
        pytest.param(
            "Content-Encoding: gzip",
            (),
            "header:content-encoding",
            Severity.MINOR,
            id="another coding",
        ),
    ],
)
def test_what_means_something_else_is_told_with_its_severity(
    legacy: str | tuple[str, ...], new: str | tuple[str, ...], path: str, severity: Severity
) -> None:
    policy = CompiledPolicy.compile(ComparePolicy())
    one = (legacy,) if isinstance(legacy, str) else legacy
    other = (new,) if isinstance(new, str) else new
    found = compare(answer(*one, status=304), answer(*other, status=304), policy)
    assert [(d.path, d.severity) for d in found.differences] == [(path, severity)]


@pytest.mark.parametrize(
    "field",
    [
        *("Date: now", "Server: nginx", "X-Powered-By: PHP/8.2", "Content-Length: 9", "Age: 1"),
        *("Via: 1.1 x", "Connection: close", "Keep-Alive: timeout=5", "Set-Cookie2: x"),
    ],
)
def test_what_says_nothing_is_not_compared(field: str) -> None:
    policy = ComparePolicy() if field.startswith("Set-Cookie2") else EVERYTHING
    assert compared(field, (), policy).result is Result.EQUAL


def test_a_wildcard_covers_the_rest_and_ids_by_presence() -> None:
    assert compared("X-Total: 1", "X-Total: 2", EVERYTHING).severity is Severity.MAJOR
    assert compared("X-Request-Id: 1", "X-Request-Id: 2", EVERYTHING).result is Result.EQUAL
    assert compared("X-Request-Id: 1", (), EVERYTHING).severity is Severity.MINOR
    assert compared('ETag: "1"', 'ETag: "2"', EVERYTHING).result is Result.EQUAL


def test_a_name_written_out_is_compared_whatever_it_is() -> None:
    policy = ComparePolicy(headers=HeaderPolicy(compare=("server",)))
    assert compared("Server: a", "Server: b", policy).result is Result.DIFFERENT


@pytest.mark.parametrize(
    ("made", "result"),
    [
        pytest.param(rule("header:Location", Op.IGNORE), Result.NORMALISED, id="ignored"),
        pytest.param(rule("header:location", Op.EXPECTED), Result.EXPECTED, id="expected"),
        pytest.param(rule("header:vary", Op.IGNORE), Result.DIFFERENT, id="of another field"),
    ],
)
def test_rules_hold_for_fields(made: Rule, result: Result) -> None:
    policy = ComparePolicy(rules=(made,))
    assert compared("Location: /a", "Location: /b", policy).result is result


SESSION = "Set-Cookie: PHPSESSID=a; Path=/; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param(SESSION, SESSION.replace("=a;", "=b;"), id="another value"),
        pytest.param(
            SESSION, "set-cookie: PHPSESSID=x; samesite=lax; httponly; path=/", id="order and case"
        ),
        pytest.param((SESSION, SESSION), SESSION, id="set twice"),
        pytest.param(
            "Set-Cookie: a=deleted; Max-Age=0",
            "Set-Cookie: a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            id="removed in another way",
        ),
        pytest.param(
            "Set-Cookie: a=1; Max-Age=3600", "Set-Cookie: a=1; Max-Age=3601", id="a second apart"
        ),
        pytest.param(
            (
                "Date: Sun, 22 Nov 2026 10:00:00 GMT",
                "Set-Cookie: a=1; Expires=Sun, 22-Nov-2026 11:00:00 GMT",
            ),
            "Set-Cookie: a=1; Max-Age=3600",
            id="Expires and Max-Age",
        ),
    ],
)
def test_cookies_that_do_the_same_are_equal(
    legacy: str | tuple[str, ...], new: str | tuple[str, ...]
) -> None:
    assert compared(legacy, new).differences == ()


@pytest.mark.parametrize(
    ("legacy", "new", "path", "severity"),
    [
        pytest.param(SESSION, (), "header:set-cookie[phpsessid]", Severity.CRITICAL, id="missing"),
        pytest.param((), SESSION, "header:set-cookie[phpsessid]", Severity.MINOR, id="added"),
        pytest.param(
            SESSION,
            SESSION.replace("; HttpOnly", ""),
            "header:set-cookie[phpsessid].httponly",
            Severity.CRITICAL,
            id="readable by scripts",
        ),
        pytest.param(
            SESSION,
            SESSION + "; Secure",
            "header:set-cookie[phpsessid].secure",
            Severity.MAJOR,
            id="stricter",
        ),
        pytest.param(
            SESSION,
            SESSION.replace("Lax", "None"),
            "header:set-cookie[phpsessid].samesite",
            Severity.CRITICAL,
            id="another SameSite",
        ),
        pytest.param(
            SESSION,
            SESSION.replace("Path=/", "Path=/shop"),
            "header:set-cookie[phpsessid].path",
            Severity.CRITICAL,
            id="another path",
        ),
        pytest.param(
            SESSION,
            SESSION + "; Max-Age=60",
            "header:set-cookie[phpsessid].lifetime",
            Severity.MAJOR,
            id="lasts",
        ),
        pytest.param(
            SESSION,
            SESSION + "; Max-Age=0",
            "header:set-cookie[phpsessid].lifetime",
            Severity.CRITICAL,
            id="removed",
        ),
        pytest.param(
            "Set-Cookie: cart_12345=1; Secure",
            "Set-Cookie: cart_67890=1",
            "header:set-cookie[cart_*].secure",
            Severity.CRITICAL,
            id="made-up names",
        ),
    ],
)
def test_cookies_differ_by_name_and_attribute(
    legacy: str | tuple[str, ...], new: str | tuple[str, ...], path: str, severity: Severity
) -> None:
    found = compared(legacy, new)
    assert [(d.path, d.severity) for d in found.differences] == [(path, severity)]


def test_a_session_cookie_of_another_name_is_one_difference() -> None:
    found = compared(SESSION, SESSION.replace("PHPSESSID", "session"))
    [cause] = found.causes
    assert (cause.cause, cause.severity) == ("renamed", Severity.MAJOR)
    assert "session" in cause.explanation


def test_no_value_of_a_cookie_is_ever_shown() -> None:
    found = compared("Set-Cookie: a=canary; Secure", "Set-Cookie: a=canary; Path=/x")
    assert found.differences
    assert "canary" not in repr(found)


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"Content-Type",
                b"Set-Cookie",
                b"Location",
                b"Vary",
                b"WWW-Authenticate",
                b"Cache-Control",
                b"ETag",
                b"Content-Disposition",
                b"Date",
            ]
        ),
        st.binary(max_size=40)
        | st.sampled_from([b"http://[", b"a=b; Max-Age=x", b"//a:99999999/"]),
    ),
    max_size=5,
).map(tuple)


@given(FIELDS, FIELDS)
def test_comparing_fields_never_raises_and_equal_ones_are_equal(
    legacy: tuple[Header, ...], new: tuple[Header, ...]
) -> None:
    policy = CompiledPolicy.compile(ComparePolicy())
    compare(Answer(status=304, headers=legacy), Answer(status=304, headers=new), policy)
    same = Answer(status=304, headers=legacy)
    again = Answer(status=304, headers=(*legacy, (b"Date", b"x")))
    assert compare(same, again, policy).differences == ()


@pytest.mark.parametrize(
    ("legacy", "new", "host", "severity"),
    [
        pytest.param("http://a.example/x", "/x", "a.example", None, id="relative"),
        pytest.param("/x?a=1", "https://A.example/x?a=1", "a.Example", None, id="absolute"),
        pytest.param("//a.example/x", "/x", "a.example", None, id="no scheme"),
        pytest.param("http://a:8080/x", "/x", "a:8080", None, id="with a port"),
        pytest.param("https://a/x", "/x", "a:443", None, id="the usual port"),
        pytest.param("https://b/x", "/x", "a", Severity.CRITICAL, id="another host"),
        pytest.param("http://a:81/x", "/x", "a", Severity.CRITICAL, id="another port"),
        pytest.param("http://a/x", "/y", "a", Severity.CRITICAL, id="another path"),
        pytest.param("http://a/x", "/x", "a:b", Severity.CRITICAL, id="a Host that is none"),
    ],
)
def test_a_location_with_the_host_that_was_asked_is_one_without(
    legacy: str, new: str, host: str, severity: Severity | None
) -> None:
    found = compared(f"Location: {legacy}", f"Location: {new}", host=host)
    assert found.severity is severity
    assert found.result is (Result.NORMALISED if severity is None else Result.DIFFERENT)
