"""The rigs themselves: each must be able to fail, or what they prove is nothing."""

from __future__ import annotations

import threading

import pytest

from tests.rigs.diff import Disagreement, requests_in, responses_in
from tests.rigs.fault import Bandwidth, FaultProxy, LimitData, ResetPeer, Slicer, Timeout
from tests.rigs.ledger import Ledger
from tests.rigs.raw_client import NotHttp, RawClient, Truncated
from tests.rigs.scripted_origin import (
    OK,
    Conversation,
    ScriptedOrigin,
    answer,
    answer_then_close,
    answer_then_reset,
    closed_port,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("cut", "clean"), [(answer_then_close, True), (answer_then_reset, False)], ids=["fin", "rst"]
)
@pytest.mark.parametrize(
    "partial",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", id="sized"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", id="chunked"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="head"),
    ],
)
def test_a_cut_response_is_not_mistaken_for_a_whole_one(cut, clean, partial) -> None:  # type: ignore[no-untyped-def]  # parametrised twice
    with ScriptedOrigin(cut(partial)) as origin, RawClient(("127.0.0.1", origin.port)) as client:
        client.send(GET)
        with pytest.raises(Truncated) as caught:
            client.read_response()
        assert caught.value.clean or not clean


def test_a_close_delimited_response_cut_by_rst_is_not_whole() -> None:
    script = answer_then_reset(b"HTTP/1.1 200 OK\r\n\r\npartial")
    with ScriptedOrigin(script) as origin, RawClient(("127.0.0.1", origin.port)) as client:
        client.send(GET)
        with pytest.raises(Truncated):
            client.read_response()


def test_what_is_not_http_is_named_so() -> None:
    with (
        ScriptedOrigin(answer_then_close(b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n")) as origin,
        RawClient(("127.0.0.1", origin.port)) as client,
    ):
        client.send(GET)
        with pytest.raises(NotHttp):
            client.read_response()


def test_the_origin_records_requests_and_exact_bytes() -> None:
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    post += b"2\r\nok\r\n0\r\nX: y\r\n\r\n"
    with ScriptedOrigin(answer(OK)) as origin, RawClient(("127.0.0.1", origin.port)) as client:
        client.send(post + GET)
        assert [r.body for r in client.read_responses(["POST", "GET"])] == [b"ok", b"ok"]
        first, second = origin.wait_for_requests(2)
        assert (first.target, first.body, first.trailers) == (b"/x", b"ok", ((b"X", b"y"),))
        assert second.raw == GET
        assert origin.received == post + GET


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\n",
            id="cl-and-te",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", id="obs-fold"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5;\nx\r\nhello\r\n0\r\n\r\n",
            id="chunk-line",
        ),
        pytest.param(b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", id="target-byte"),
    ],
)
def test_diff_sees_requests_that_parsers_dispute(stream: bytes) -> None:
    with pytest.raises(Disagreement):
        requests_in(stream)


def test_diff_sees_responses_that_parsers_dispute() -> None:
    with pytest.raises(Disagreement):
        responses_in(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ["GET"],
        )


def test_diff_agrees_on_what_is_clear() -> None:
    found = requests_in(
        b"POST /x?a HTTP/1.1\r\nHost: a\r\nX: caf\xe9 \r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n" + GET
    )
    assert [(m.start[0], m.body) for m in found] == [(b"POST", b"abc"), (b"GET", b"")]
    answers = responses_in(
        b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 204 N\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
        ["GET"] * 3,
    )
    assert [m.body for m in answers] == [b"", b"", b"ok", b"to the end"]


def test_diff_takes_no_interrupted_message_for_a_whole_one() -> None:
    assert requests_in(GET + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc") == (
        requests_in(GET)
    )


@pytest.mark.parametrize(
    "toxics",
    [
        pytest.param((Slicer(size=7, variation=3),), id="slicer"),
        pytest.param((Bandwidth(bytes_per_second=1 << 20),), id="bandwidth"),
        pytest.param((), id="none"),
    ],
)
def test_a_harmless_fault_proxy_changes_no_byte(toxics) -> None:  # type: ignore[no-untyped-def]  # a tuple of toxics
    with (
        ScriptedOrigin(answer(OK)) as origin,
        FaultProxy(("127.0.0.1", origin.port), upward=toxics, downward=toxics) as fault,
        RawClient(("127.0.0.1", fault.port)) as client,
    ):
        client.send(GET)
        assert client.read_response().raw == OK
        assert origin.received == GET


def test_limit_data_cuts_with_fin_and_reset_peer_with_rst() -> None:
    with ScriptedOrigin(answer(OK)) as origin:
        for toxic, ended in ((LimitData(size=10), "closed"), (ResetPeer(after_bytes=10), "reset")):
            with (
                FaultProxy(("127.0.0.1", origin.port), downward=(toxic,)) as fault,
                RawClient(("127.0.0.1", fault.port)) as client,
            ):
                client.send(GET)
                assert OK.startswith(client.read_until_close())
                assert client.ended == ended


def test_timeout_lets_nothing_through() -> None:
    with (
        ScriptedOrigin(answer(OK)) as origin,
        FaultProxy(("127.0.0.1", origin.port), downward=(Timeout(),)) as fault,
        RawClient(("127.0.0.1", fault.port)) as client,
    ):
        client.send(GET)
        origin.wait_for_requests(1)
        client.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)


def test_down_refuses_connections() -> None:
    with ScriptedOrigin(answer(OK)) as origin:
        with FaultProxy(("127.0.0.1", origin.port)) as fault:
            fault.down()
            with pytest.raises(ConnectionRefusedError):
                RawClient(("127.0.0.1", fault.port))
        with pytest.raises(ConnectionRefusedError):
            RawClient(("127.0.0.1", closed_port()))


def test_the_ledger_balances_when_nothing_goes_wrong() -> None:
    ledger = Ledger()
    with ScriptedOrigin(ledger.serve) as origin, RawClient(("127.0.0.1", origin.port)) as client:
        for method in ("GET", "POST", "HEAD"):
            assert ledger.exchange(client, ledger.next_number(method), 100)
    verdict = ledger.close()
    assert verdict.succeeded == 3
    assert (verdict.lost, verdict.duplicated, verdict.torn, verdict.failed) == ((), (), (), ())


def test_the_ledger_sees_what_is_lost_duplicated_and_torn() -> None:
    ledger = Ledger()

    def lies(conversation: Conversation) -> None:
        first = conversation.read_request()
        ledger.execute(first)
        conversation.send(ledger.execute(first))  # runs it twice
        other = Ledger().execute(conversation.read_request())  # answers without running it
        conversation.send(other)
        torn = ledger.execute(conversation.read_request())
        conversation.send(torn[:-1] + b"?")

    with ScriptedOrigin(lies) as origin, RawClient(("127.0.0.1", origin.port)) as client:
        for _ in range(3):
            ledger.exchange(client, ledger.next_number("POST"))
    verdict = ledger.close()
    assert verdict.duplicated == (1,)
    assert verdict.lost == (2,)
    assert verdict.torn == (3,)


def test_waiting_for_requests_needs_no_sleep() -> None:
    with ScriptedOrigin(answer(OK)) as origin:
        client = RawClient(("127.0.0.1", origin.port))
        sender = threading.Thread(target=client.send, args=(GET,))
        sender.start()
        assert origin.one_request().raw == GET
        sender.join()
        client.close()
