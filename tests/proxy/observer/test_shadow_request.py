"""What of a client's request the other side gets to see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.evidence.outcome import Outcome
from proxy.exchange import AskedRequest, Header
from proxy.headers import HOP_BY_HOP
from proxy.observer.shadow_request import (
    NotSent,
    ShadowRequest,
    replay_request,
    reprobe_request,
    session_of,
    shadow_request,
    without_cookies,
)
from proxy.routing.route import Match, PathKind, PathMatch, Rewrite, Route
from proxy.shadow_policy import ReprobePolicy, SessionUse, ShadowPolicy, WriteMode
from proxy.stages import Side, Stage
from tests.rigs.scripted_origin import read_head

SPAN = b"1" * 16
SESSION: Header = (b"Cookie", b"theme=dark; PHPSESSID=abc; x=1")


def route(rewrite: Rewrite | None = None, **shadow: Any) -> Route:
    return Route(
        id="a",
        match=Match(path=PathMatch(kind=PathKind.TEMPLATE, value="/item/{sku}")),
        new="catalog",
        stage=Stage.SHADOW,
        rewrite=rewrite,
        shadow=ShadowPolicy(sample=1.0, **shadow),
    )


def asked(
    *headers: Header, method: str = "GET", target: bytes = b"/item/7?q=1", body: bytes = b""
) -> AskedRequest:
    return AskedRequest(
        method=method, target=target, headers=((b"Host", b"shop.example"), *headers), body=body
    )


def sent(request: AskedRequest, of: Route | None = None, side: Side = Side.NEW) -> ShadowRequest:
    made = shadow_request(request, of or route(), side=side, legacy="php", span_id=SPAN)
    assert isinstance(made, ShadowRequest)
    return made


def fields(made: ShadowRequest) -> list[Header]:
    return list(read_head(made.head).headers)


def test_host_target_and_the_rest_stay_as_they_came() -> None:
    same = ((b"X-Forwarded-For", b"1.2.3.4"), (b"x-request-id", b"r"), (b"Accept", b"*/*"))
    made = sent(asked(*same, (b"Accept-Encoding", b"br"), SESSION))
    assert made.head.startswith(b"GET /item/7?q=1 HTTP/1.1\r\nHost: shop.example\r\n")
    assert made.upstream == "catalog"
    for field in (*same, (b"Accept-Encoding", b"br"), SESSION):
        assert field in fields(made)
    assert (b"X-Figway-Shadow", b"1") in fields(made)
    assert (b"baggage", b"shadow=1") in fields(made)


@pytest.mark.parametrize(
    "name",
    [
        *(b"Connection", b"Keep-Alive", b"TE", b"Trailer", b"Transfer-Encoding", b"Upgrade"),
        *(b"Expect", b"Proxy-Authorization", b"If-None-Match", b"If-Modified-Since"),
        *(b"If-Match", b"If-Unmodified-Since", b"If-Range", b"x-figway-shadow"),
    ],
)
def test_what_belongs_to_one_hop_or_one_side_is_left_out(name: bytes) -> None:
    made = sent(asked((name, b"x")))
    assert (name, b"x") not in fields(made)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-" + SPAN + b"-01",
            id="another_span_of_the_same_trace",
        ),
        pytest.param(
            b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later",
            b"01-0af7651916cd43dd8448eb211c80319c-" + SPAN + b"-01-what-comes-later",
            id="a_later_version",
        ),
        pytest.param(b"nonsense", b"nonsense", id="what_is_no_trace"),
    ],
)
def test_the_trace_goes_on_with_a_span_of_its_own(value: bytes, expected: bytes) -> None:
    assert (b"traceparent", expected) in fields(sent(asked((b"Traceparent", value))))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], b"shadow=1", id="none"),
        pytest.param([b"a=1,b=2;p"], b"a=1,b=2;p,shadow=1", id="appended"),
        pytest.param([b"a=1", b"b=2"], b"a=1,b=2,shadow=1", id="several_lines"),
        pytest.param([b"shadow=0, a=1"], b"a=1,shadow=1", id="a_clients_own_word_is_replaced"),
        pytest.param([b" , "], b"shadow=1", id="empty_members"),
    ],
)
def test_baggage_is_merged(lines: list[bytes], expected: bytes) -> None:
    made = sent(asked(*((b"baggage", line) for line in lines)))
    assert [value for name, value in fields(made) if name == b"baggage"] == [expected]


@pytest.mark.parametrize(
    ("rewrite", "side", "target"),
    [
        pytest.param(None, Side.NEW, b"/item/7?q=1", id="no_rewrite"),
        pytest.param(Rewrite(path="/products/{sku}"), Side.NEW, b"/products/7?q=1", id="new"),
        pytest.param(Rewrite(path="/products/{sku}"), Side.LEGACY, b"/item/7?q=1", id="legacy"),
    ],
)
def test_only_the_new_side_gets_a_rewritten_target(
    rewrite: Rewrite | None, side: Side, target: bytes
) -> None:
    assert sent(asked(), route(rewrite), side).head.split(b" ")[1] == target


def test_a_rewrite_that_lacks_its_value_sends_nothing() -> None:
    lacking = route(Rewrite(path="/p/{query.id}"))
    made = shadow_request(asked(), lacking, side=Side.NEW, legacy="php", span_id=SPAN)
    assert made == NotSent(outcome=Outcome.INCOMPARABLE, detail="rewrite")


@pytest.mark.parametrize(
    ("method", "body", "headers", "length"),
    [
        pytest.param("GET", b"", (), None, id="a_get_has_none"),
        pytest.param("POST", b"abc", ((b"Transfer-Encoding", b"chunked"),), b"3", id="chunked"),
        pytest.param("POST", b"", (), b"0", id="an_empty_post"),
        pytest.param("GET", b"", ((b"Content-Length", b"0"),), b"0", id="a_get_that_said_0"),
        pytest.param("GET", b"xy", ((b"Content-Length", b"2"),), b"2", id="a_get_with_content"),
    ],
)
def test_the_body_is_framed_anew(
    method: str, body: bytes, headers: tuple[Header, ...], length: bytes | None
) -> None:
    made = sent(asked(*headers, method=method, body=body), route(writes=WriteMode.DRY_RUN))
    found = [value for name, value in fields(made) if name.lower() == b"content-length"]
    assert found == ([] if length is None else [length])
    assert made.body == body


WRITES = [
    pytest.param(WriteMode.NEVER, Side.NEW, "write", id="never"),
    pytest.param(WriteMode.RECORD, Side.NEW, "recorded", id="record"),
    pytest.param(WriteMode.RECORD, Side.LEGACY, "recorded", id="record_in_reverse"),
    pytest.param(WriteMode.DRY_RUN, Side.NEW, "catalog", id="dry_run"),
    pytest.param(WriteMode.DRY_RUN, Side.LEGACY, "write", id="legacy_promises_no_dry_run"),
    pytest.param(WriteMode.SANDBOX, Side.NEW, "box", id="sandbox"),
    pytest.param(WriteMode.SANDBOX, Side.LEGACY, "write", id="a_sandbox_is_no_legacy"),
]


@pytest.mark.parametrize(("writes", "side", "expected"), WRITES)
def test_a_write_goes_where_its_mode_says(writes: WriteMode, side: Side, expected: str) -> None:
    made = shadow_request(
        asked(method="POST"),
        route(writes=writes, sandbox="box"),
        side=side,
        legacy="php",
        span_id=SPAN,
    )
    if isinstance(made, NotSent):
        assert (made.detail, made.recorded) == (expected, writes is WriteMode.RECORD)
    else:
        assert made.upstream == expected
        assert not made.is_safe
        assert (b"X-Figway-Dry-Run: 1" in made.head) == (writes is WriteMode.DRY_RUN)


@pytest.mark.parametrize("writes", list(WriteMode))
def test_a_read_is_sent_whatever_the_mode_of_writes(writes: WriteMode) -> None:
    made = sent(asked(), route(writes=writes, sandbox="box"))
    assert made.upstream == "catalog"
    assert b"Dry-Run" not in made.head


SESSIONS = [
    pytest.param(SessionUse.DROP, [b"theme=dark; x=1"], id="drop"),
    pytest.param(SessionUse.KEEP, [b"theme=dark; PHPSESSID=abc; x=1"], id="keep"),
    pytest.param(SessionUse.SKIP, None, id="skip"),
]


@pytest.mark.parametrize(("use", "cookies"), SESSIONS)
def test_the_visitors_session_reaches_legacy_only_where_the_route_says(
    use: SessionUse, cookies: list[bytes] | None
) -> None:
    of = route(sessions=use, aa=ReprobePolicy(sessions=use))
    shadow = shadow_request(asked(SESSION), of, side=Side.LEGACY, legacy="php", span_id=SPAN)
    again = reprobe_request(asked(SESSION), of, legacy="php", span_id=SPAN)
    if cookies is None:
        assert shadow == NotSent(outcome=Outcome.INCOMPARABLE, detail="session")
        assert again is None
        return
    assert isinstance(shadow, ShadowRequest)
    assert again is not None
    for made in (shadow, again):
        assert made.upstream == "php"
        assert [value for name, value in fields(made) if name == b"Cookie"] == cookies


def test_without_a_session_every_use_is_the_same() -> None:
    for use in SessionUse:
        of = route(sessions=use, aa=ReprobePolicy(sessions=use))
        assert sent(asked((b"Cookie", b"a=1")), of, Side.LEGACY).upstream == "php"
        assert reprobe_request(asked(), of, legacy="php", span_id=SPAN) is not None


def test_legacy_is_never_asked_once_more_for_a_write() -> None:
    of = route(writes=WriteMode.DRY_RUN)
    assert reprobe_request(asked(method="POST"), of, legacy="php", span_id=SPAN) is None
    for side in Side:
        made = replay_request(asked(method="POST"), of, side=side, upstream="u", span_id=SPAN)
        assert made is None


@pytest.mark.parametrize(
    ("target", "replayed"),
    [
        pytest.param(b"/account/logout", False, id="path"),
        pytest.param(b"/cart?id=1&action=delete", False, id="query"),
        pytest.param(b"/cart?id=1", True, id="harmless"),
    ],
)
def test_a_get_that_may_change_something_is_not_replayed(target: bytes, replayed: bool) -> None:
    request = replace(asked(), target=target)
    for side in Side:
        made = replay_request(request, route(), side=side, upstream="u", span_id=SPAN)
        assert (made is not None) is replayed


def test_a_cookie_field_with_nothing_left_goes() -> None:
    headers = ((b"Cookie", b"PHPSESSID=1"), (b"cookie", b" PHPSESSID = 2 ;a=1;; "), (b"A", b"b"))
    assert without_cookies(headers, ("PHPSESSID",)) == ((b"cookie", b"a=1"), (b"A", b"b"))


def test_the_session_is_all_session_cookies_together() -> None:
    request = asked((b"Cookie", b"a=1; sid=x"), (b"Cookie", b"PHPSESSID=y"))
    assert session_of(request, ("PHPSESSID", "sid")) == "y\x00x"
    assert session_of(asked(), ("PHPSESSID",)) == ""


NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.from_regex(rb"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=10), st.sampled_from(list(Side)))
def test_every_copy_is_one_well_formed_request_without_hop_by_hop_fields(
    headers: list[Header], side: Side
) -> None:
    made = shadow_request(asked(*headers), route(), side=side, legacy="php", span_id=SPAN)
    assert isinstance(made, ShadowRequest)
    head = read_head(made.head)
    assert made.head.endswith(b"\r\n\r\n")
    assert made.head.count(b"\r\n\r\n") == 1
    assert not {name.lower() for name, _ in head.headers} & HOP_BY_HOP
    assert [v for n, v in head.headers if n == b"X-Figway-Shadow"] == [b"1"]
