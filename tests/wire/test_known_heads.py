"""A head whose bytes were seen before means what it meant then, and nothing passes for one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.http1.known_heads import KnownHead, KnownHeads
from tests.wire.conftest import SETTINGS, MakeWire, Wire, own_fields
from tests.wire.message_bytes import get
from tests.wire.test_forwarding import STRIPPED

BROWSER = (
    b"Host: a\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n"
    b"Cookie: a=1; figway_id=0123456789abcdef0123456789abcdef\r\nX-Bytes: \xe9\xff\r\n\r\n"
)


def _twice(wire: Wire, head: bytes) -> None:
    with wire.client() as client:
        for _ in range(3):
            client.send(head)
            assert client.read_response().status == 200
    requests = wire.origin.requests[-3:]
    assert len(requests) == 3
    assert own_fields(requests[0]) == own_fields(requests[1]) == own_fields(requests[2])
    added = [
        [n for n, v in request.headers if (n, v) not in own_fields(request)] for request in requests
    ]
    assert added[0] == added[1] == added[2]


@pytest.mark.parametrize("fields", STRIPPED)
def test_a_head_sent_again_is_forwarded_as_the_first_time(wire: Wire, fields: bytes) -> None:
    _twice(wire, get(fields=b"X-Kept: 1\r\n" + fields + b"X-Also: 2\r\n"))


NAMES = st.text("abcXYZ019-", min_size=1, max_size=8).map(str.encode)
VALUES = st.binary(max_size=20).map(
    lambda value: bytes(b for b in value if b >= 0x20 and b != 0x7F).strip()
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_head_sent_again_is_forwarded_as_the_first_time(
    wire: Wire, fields: list[tuple[bytes, bytes]]
) -> None:
    lines = b"".join(b"X-%b: %b\r\n" % field for field in fields)
    _twice(wire, get(fields=lines))


def test_every_request_has_ids_of_its_own(wire: Wire) -> None:
    with wire.client() as client:
        for _ in range(3):
            client.send(b"GET /a HTTP/1.1\r\n" + BROWSER)
            client.read_response()
    ids = [request.values(b"x-request-id")[0] for request in wire.origin.requests]
    assert len(set(ids)) == 3
    traces = [request.values(b"traceparent")[0] for request in wire.origin.requests]
    assert len(set(traces)) == 3


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param(b"GET  /x HTTP/1.1", 400, id="two-spaces"),
        pytest.param(b"GET\t/x HTTP/1.1", 400, id="tab"),
        pytest.param(b"GET /x HTTP/1.1 ", 400, id="space-at-the-end"),
        pytest.param(b"GET /x y HTTP/1.1", 400, id="space-in-target"),
        pytest.param(b"GET /x#y HTTP/1.1", 400, id="fragment"),
        pytest.param(b"GET /\xc3\xa9 HTTP/1.1", 400, id="beyond-ascii"),
        pytest.param(b"GET /\x01 HTTP/1.1", 400, id="control"),
        pytest.param(b"GET x HTTP/1.1", 400, id="no-slash"),
        pytest.param(b"GET http://b/x HTTP/1.1", 400, id="another-host"),
        pytest.param(b"GET /x HTTP/2.0", 505, id="version-2"),
        pytest.param(b"GET /x http/1.1", 400, id="version-in-small-letters"),
        pytest.param(b"TRACE /x HTTP/1.1", 405, id="trace"),
        pytest.param(b"CONNECT a:1 HTTP/1.1", 405, id="connect"),
        pytest.param(b"FOO /x HTTP/1.1", 501, id="unknown-method"),
        pytest.param(b"GET /" + b"x" * 8190 + b" HTTP/1.1", 414, id="too-long"),
    ],
)
def test_a_known_head_does_not_make_up_for_a_bad_request_line(
    wire: Wire, line: bytes, status: int
) -> None:
    with wire.client() as client:
        for _ in range(2):
            client.send(b"GET /x HTTP/1.1\r\n" + BROWSER)
            assert client.read_response().status == 200
        client.send(line + b"\r\n" + BROWSER)
        assert client.read_response().status == status
    assert len(wire.origin.requests) == 2


def test_a_known_head_of_another_version_or_method_is_parsed_anew(wire: Wire) -> None:
    with wire.client() as client:
        for line in (b"GET /1 HTTP/1.1", b"GET /2 HTTP/1.1", b"DELETE /3 HTTP/1.1"):
            client.send(line + b"\r\n" + BROWSER)
            assert client.read_response().status == 200
        client.send(b"HEAD /4 HTTP/1.1\r\n" + BROWSER)
        assert client.read_response("HEAD").status == 200
        client.send(b"GET /5 HTTP/1.0\r\n" + BROWSER)
        assert client.read_response().status == 200
        client.read_nothing_more()
    assert [request.line.split()[0] for request in wire.origin.requests] == [
        b"GET",
        b"GET",
        b"DELETE",
        b"HEAD",
        b"GET",
    ]


def test_requests_behind_a_known_head_are_served_in_order(wire: Wire) -> None:
    head = b"GET /%d HTTP/1.1\r\n" + BROWSER
    with wire.client() as client:
        client.send(head % 0)
        client.read_response()
        client.send(head % 1, head % 2 + head % 3, head % 4)
        for _ in range(4):
            assert client.read_response().status == 200
    targets = [request.line.split()[1] for request in wire.origin.requests]
    assert targets == [b"/0", b"/1", b"/2", b"/3", b"/4"]


def test_a_trusted_proxy_is_heard_every_time(make_wire: MakeWire) -> None:
    wire = make_wire(settings=replace(SETTINGS, trusted_proxies=("127.0.0.0/8",)))
    with wire.client() as client:
        for hop in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.2"):
            client.send(get(fields=b"X-Forwarded-For: " + hop + b"\r\n"))
            client.read_response()
    seen = [b"".join(request.values(b"x-forwarded-for")) for request in wire.origin.requests]
    assert seen == [b"192.0.2.1, 127.0.0.1", b"192.0.2.2, 127.0.0.1", b"192.0.2.2, 127.0.0.1"]


def test_the_memory_of_heads_is_bounded() -> None:
    memory = KnownHeads()
    known = KnownHead([], b"", "a", b"a", b"", None, "", False)
    for number in range(10_000):
        memory.keep(b"%d" % number, known)
        assert memory.get(b"0") is known
    assert memory.get(b"100") is None
    memory.keep(b"x" * 5000, known)
    assert memory.get(b"x" * 5000) is None
