"""What is sent is what was planned, what comes back is every byte, and every failure has a name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.conformance.sender import PlannedRequest, Sender, Sent, Unreachable
from proxy.routing.route import Upstream
from proxy.stages import Side
from tests.rigs.certificates import Authority
from tests.rigs.scripted_origin import (
    Conversation,
    ScriptedOrigin,
    answer,
    answer_then_close,
    answer_then_reset,
    blackhole,
    closed_port,
    hang_up,
    never_answer,
)
from tests.wire.test_transports import TlsOrigin


def planned(
    url: str, method: str = "GET", target: bytes = b"/", body: bytes = b""
) -> PlannedRequest:
    return PlannedRequest(
        side=Side.NEW,
        upstream=Upstream(name="new", side=Side.NEW, urls=(url,)),
        method=method,
        target=target,
        headers=((b"Host", b"shop.example"), (b"X-Raw", b"\xc3\xbc \xff")),
        body=body,
    )


def send(request: PlannedRequest, timeout: float = 20.0) -> Sent:
    async def once() -> Sent:
        async with Sender(timeout) as sender:
            return await sender.send(request)

    return asyncio.run(once())


@pytest.mark.parametrize(
    "target", [b"/", b"/a?", b"/a%2Fb//c/../d?x=%7E&b=2&a=1+2", b"/?a=b?c#".removesuffix(b"#")]
)
def test_the_target_goes_out_byte_for_byte(target: bytes) -> None:
    with ScriptedOrigin() as origin:
        send(planned(origin.url, target=target))
        request = origin.one_request()
    assert request.target == target
    assert request.headers == (
        (b"Host", b"shop.example"),
        (b"X-Raw", b"\xc3\xbc \xff"),
        (b"Connection", b"close"),
    )


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        pytest.param("POST", b"a=1", [b"3"], id="with content"),
        pytest.param("POST", b"", [b"0"], id="without content"),
        pytest.param("DELETE", b"", [], id="method without content"),
    ],
)
def test_a_body_has_its_length(method: str, body: bytes, length: list[bytes]) -> None:
    with ScriptedOrigin() as origin:
        send(planned(origin.url, method, body=body))
        request = origin.one_request()
    assert (request.method, request.body) == (method.encode(), body)
    assert request.values(b"Content-Length") == length


def test_an_answer_keeps_its_fields_and_its_coding() -> None:
    raw = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 201 Made\r\nX-B: 1\r\nset-cookie: a=1\r\nSet-Cookie: b=\xff\r\n"
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nConnection: x\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with ScriptedOrigin(answer(raw)) as origin:
        sent = send(planned(origin.url))
    assert sent.answer is not None
    assert sent.answer.status == 201
    assert sent.answer.headers == (
        *((b"X-B", b"1"), (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=\xff")),
        (b"Content-Encoding", b"gzip"),
    )
    assert sent.answer.body == b"abcde"
    assert sent.seconds > 0


@pytest.mark.parametrize(
    ("method", "raw", "body"),
    [
        pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"", id="head"),
        pytest.param("GET", b"HTTP/1.1 204 No\r\n\r\n", b"", id="no content"),
        pytest.param("GET", b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end", id="close"),
    ],
)
def test_an_answer_ends_where_it_should(method: str, raw: bytes, body: bytes) -> None:
    with ScriptedOrigin(answer_then_close(raw)) as origin:
        sent = send(planned(origin.url, method))
    assert sent.answer is not None
    assert sent.answer.body == body


def half_a_body(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    conversation.wait_until_left()


@pytest.mark.parametrize(
    ("script", "timeout", "error"),
    [
        pytest.param(never_answer, 0.3, "no answer within 0.3s", id="silent"),
        pytest.param(
            half_a_body, 1.0, "the answer is not whole after 1s (4 bytes came)", id="stops"
        ),
        pytest.param(hang_up, 20.0, "the connection ended before the answer was whole", id="fin"),
        pytest.param(
            answer_then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
            *(20.0, "the connection ended before the answer was whole"),
            id="cut",
        ),
        pytest.param(
            answer_then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
            *(20.0, "the connection ended before the answer was whole"),
            id="reset",
        ),
        pytest.param(
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            *(20.0, "the answer is not HTTP/1.1 that a proxy can relay safely"),
            id="two lengths",
        ),
        pytest.param(answer(b"SSH-2.0-x\r\n"), 20.0, "the answer is not HTTP/1.1", id="no http"),
    ],
)
def test_no_answer_has_a_reason(script: object, timeout: float, error: str) -> None:
    with ScriptedOrigin(script) as origin:  # type: ignore[arg-type]  # a table of scripts
        sent = send(planned(origin.url), timeout)
    assert sent.answer is None
    assert error in sent.error


def test_a_closed_port_is_unreachable() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(Unreachable, match=f"cannot connect to the new side at {url}"):
        send(planned(url))


@pytest.mark.parametrize("side", Side)
def test_an_unreachable_side_comes_with_what_mends_it(side: Side) -> None:
    request = replace(planned(f"http://127.0.0.1:{closed_port()}"), side=side)
    mend = rf"\): start it, or name another with --{side} URL or --routes FILE$"
    with pytest.raises(Unreachable, match=mend):
        send(request)


def test_an_address_that_does_not_answer_is_unreachable() -> None:
    with blackhole() as port, pytest.raises(Unreachable, match="no answer in time"):
        send(planned(f"http://127.0.0.1:{port}"), 0.3)


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    origin = TlsOrigin(authority.sign("localhost").server_context())
    with ScriptedOrigin(origin.script) as listening:
        request = planned(f"https://localhost:{listening.port}")
        with pytest.raises(Unreachable, match="a certificate that is not trusted"):
            send(request)
        trusted = replace(request.upstream, tls_ca=str(authority.bundle))
        sent = send(replace(request, upstream=trusted))
    assert sent.answer is not None
    assert origin.asked_for[-1] == "localhost"


def test_an_answer_without_end_ends_in_time() -> None:
    def drip(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not conversation.left.wait(0.01):
            conversation.send(b"1\r\nx\r\n")

    with ScriptedOrigin(drip) as origin:
        sent = send(planned(origin.url), 0.5)
    assert sent.answer is None
    assert "the answer is not whole after 0.5s" in sent.error


def test_a_unix_socket_is_reached(tmp_path: Path) -> None:
    with ScriptedOrigin(unix=tmp_path / "s.sock") as origin:
        assert send(planned(origin.url)).answer is not None


def test_many_requests_at_once_are_told_apart() -> None:
    def echo(conversation: Conversation) -> None:
        request = conversation.read_request()
        conversation.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
            % (len(request.target), request.target)
        )
        conversation.wait_until_left()

    async def many(url: str) -> list[Sent]:
        async with Sender(20.0) as sender:
            requests = [planned(url, target=b"/%d" % n) for n in range(20)]
            return await asyncio.gather(*map(sender.send, requests))

    with ScriptedOrigin(echo) as origin:
        sent = asyncio.run(many(origin.url))
    assert [s.answer.body for s in sent if s.answer] == [b"/%d" % n for n in range(20)]
