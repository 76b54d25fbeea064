"""What carries the bytes: unix sockets, TLS to upstreams, TLS from clients (http.md H13)."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rigs.certificates import Authority
from tests.rigs.scripted_origin import OK, Conversation, ScriptedOrigin, answer
from tests.rigs.worker_thread import WorkerThread, all_to
from tests.wire.conftest import SETTINGS, TIMEOUTS, MakeWire, Wire
from tests.wire.message_bytes import CANARY, get, ok, sized


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_unix_upstream_is_served_like_any_other(tmp_path: Path) -> None:
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin(unix=tmp_path / "origin.sock"))
        routes = all_to(origin.url, timeouts=TIMEOUTS)
        proxy = stack.enter_context(WorkerThread(routes, SETTINGS))
        wire = Wire(origin, proxy)
        with wire.client() as client:
            client.send(sized(b"hello") + CANARY)
            assert [r.body for r in client.read_responses(["POST", "GET"])] == [b"ok", b"ok"]
        upload, canary = origin.requests
        assert (upload.body, canary.target) == (b"hello", b"/canary")
        assert upload.values(b"host") == [b"a"]
        assert len(origin.conversations) == 1


def test_a_unix_upstream_that_is_gone_is_502(tmp_path: Path, make_wire: MakeWire) -> None:
    wire = make_wire(routes=all_to(f"unix:{tmp_path}/nobody.sock"))
    assert wire.ask(get()).status == 502


class TlsOrigin:
    """Speaks TLS in front of a scripted answer, and notes which name was asked for."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.asked_for: list[str | None] = []
        self._context = context
        context.sni_callback = lambda _socket, name, _context: self.asked_for.append(name)

    def script(self, conversation: Conversation) -> None:
        """Script: a handshake, then 200 to everything."""
        try:
            conversation.start_tls(self._context)
        except (ssl.SSLError, OSError):
            return
        while True:
            conversation.read_request()
            conversation.send(OK)


@pytest.mark.parametrize(
    ("names", "days", "asked", "status"),
    [
        pytest.param(("localhost",), 1, "", 200, id="right"),
        pytest.param(("shop.internal",), 1, "shop.internal", 200, id="right-under-another-name"),
        pytest.param(("shop.internal",), 1, "", 502, id="H13-wrong-name"),
        pytest.param(("localhost",), -1, "", 502, id="H13-expired"),
    ],
)
def test_H13_an_https_upstream_has_to_prove_who_it_is(
    make_wire: MakeWire,
    authority: Authority,
    names: tuple[str, ...],
    days: int,
    asked: str,
    status: int,
) -> None:
    tls = TlsOrigin(authority.sign(*names, days=days).server_context())
    wire = make_wire(
        tls.script,
        routes=lambda origin: all_to(
            f"https://localhost:{origin.port}",
            timeouts=TIMEOUTS,
            tls_ca=str(authority.bundle),
            tls_server_name=asked,
        ),
    )
    with wire.client() as client:
        for _ in range(2):
            client.send(sized(b"hello"))
            response = client.read_response("POST")
            assert response.status == status
            if response.says_close:
                break
    assert set(tls.asked_for) == {asked or "localhost"}
    if status == 200:
        assert [r.body for r in wire.origin.requests] == [b"hello"] * 2
        assert len(wire.origin.conversations) == 1
    else:
        assert wire.origin.requests == []


def test_H13_an_unknown_authority_is_502(make_wire: MakeWire, authority: Authority) -> None:
    tls = TlsOrigin(authority.sign("localhost").server_context())
    wire = make_wire(
        tls.script,
        routes=lambda origin: all_to(f"https://localhost:{origin.port}", timeouts=TIMEOUTS),
    )
    assert wire.ask(get()).status == 502
    assert wire.origin.requests == []


def test_an_https_upstream_that_speaks_plaintext_is_502(
    make_wire: MakeWire, authority: Authority
) -> None:
    wire = make_wire(
        lambda conversation: conversation.send(OK),
        routes=lambda origin: all_to(
            f"https://localhost:{origin.port}", timeouts=TIMEOUTS, tls_ca=str(authority.bundle)
        ),
    )
    assert wire.ask(get()).status == 502


def test_a_tls_handshake_that_stalls_is_504(make_wire: MakeWire, authority: Authority) -> None:
    wire = make_wire(
        lambda conversation: conversation.wait_until_left(),
        routes=lambda origin: all_to(
            f"https://localhost:{origin.port}",
            timeouts=replace(TIMEOUTS, connect=0.3),
            tls_ca=str(authority.bundle),
        ),
    )
    wire.look_at_requests = False  # what arrives is a ClientHello
    assert wire.ask(get()).status == 504


@pytest.fixture
def tls_wire(authority: Authority, make_wire: MakeWire) -> Wire:
    """A proxy whose own listener speaks TLS."""
    shown = authority.sign("localhost")
    settings = replace(SETTINGS, tls_certificate=str(shown.certificate), tls_key=str(shown.key))
    return make_wire(settings=settings)


def test_clients_may_speak_tls(tls_wire: Wire, authority: Authority) -> None:
    context = authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls_wire.client(tls=context) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        client.send(sized(b"hello" * 50_000) + CANARY)
        assert [r.status for r in client.read_responses(["POST", "GET"])] == [200, 200]
    upload, _ = tls_wire.origin.requests
    assert upload.body == b"hello" * 50_000
    assert upload.values(b"x-forwarded-proto") == [b"https"]


def test_an_absolute_target_must_name_the_scheme_of_its_listener(
    tls_wire: Wire, authority: Authority
) -> None:
    for target, status in ((b"https://a/x", 200), (b"http://a/x", 400)):
        with tls_wire.client(tls=authority.client_context()) as client:
            client.send(get(target))
            assert client.read_response().status == status
    assert tls_wire.origin.targets == [b"/x"]


def test_plaintext_on_a_tls_listener_is_no_request(tls_wire: Wire) -> None:
    with tls_wire.client() as client:
        client.send(get())
        assert b" 200 " not in client.read_until_close()
    assert tls_wire.origin.received == b""


def test_a_response_cut_upstream_is_cut_for_a_tls_client(
    make_wire: MakeWire, authority: Authority
) -> None:
    shown = authority.sign("localhost")
    settings = replace(SETTINGS, tls_certificate=str(shown.certificate), tls_key=str(shown.key))

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")

    wire = make_wire(script, settings=settings)
    with wire.client(tls=authority.client_context()) as client:
        client.send(get())
        try:
            received = client.read_until_close()
        except (ssl.SSLError, OSError):
            received = bytes(client.received)
        assert received.startswith((b"HTTP/1.1 502", b"HTTP/1.1 200"))
        if b"502" not in received[:15]:
            assert len(received.partition(b"\r\n\r\n")[2]) < 100


def test_large_responses_pass_through_tls(tls_wire: Wire, authority: Authority) -> None:
    body = bytes(range(256)) * 20_000
    tls_wire.origin.script = answer(ok(body))
    with tls_wire.client(tls=authority.client_context()) as client:
        for _ in range(3):
            client.send(get())
            assert client.read_response().body == body
