"""What is copied: eligible requests, of them a sample, and none while it is paused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flags.snapshot import FlagSnapshot
from proxy.shadow_policy import ObserverPolicy, SampleKey, SampleKeyKind, ShadowPolicy
from proxy.tee import tee as tee_module
from tests.rigs.scripted_observer import ScriptedObserver
from tests.wire.conftest import SETTINGS, MakeWire, Wire
from tests.wire.message_bytes import get, sized
from tests.wire.shadowing.rig import assert_balanced, books, shadowed, wait_until

# What is eligible.


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        pytest.param(sized(b"x"), "method", id="post"),
        pytest.param(sized(b"x", method=b"PUT"), "method", id="put"),
        pytest.param(b"DELETE /upload HTTP/1.1\r\nHost: a\r\n\r\n", "method", id="delete"),
        pytest.param(get(b"/upload/logout"), "unsafe_get", id="logout"),
        pytest.param(get(b"/upload?action=delete"), "unsafe_get", id="action"),
        pytest.param(
            b"HEAD /upload/logout HTTP/1.1\r\nHost: a\r\n\r\n", "unsafe_get", id="head_logout"
        ),
        pytest.param(get(b"/upload", b"Range: bytes=0-1\r\n"), "range", id="range"),
        pytest.param(
            get(b"/upload", b"accept: Text/Event-Stream\r\n"), "event_stream", id="event_stream"
        ),
        pytest.param(
            get(
                b"/upload",
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            "upgrade",
            id="upgrade",
        ),
    ],
)
def test_what_is_not_eligible_is_counted_by_reason(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    request_bytes: bytes,
    reason: str,
) -> None:
    wire = make_shadow(path="/upload")
    method = request_bytes.partition(b" ")[0].decode()
    with wire.client() as client:
        client.send(request_bytes)
        assert client.read_response(method).status == 200
    ineligible = wire.proxy.ask(lambda: dict(wire.proxy.worker.books.of("shown").ineligible))
    assert ineligible == {reason: 1}
    assert_balanced(wire, eligible=0, handed=0)
    assert observer.taken == []


def test_an_ineligible_request_stays_so_when_its_head_is_recalled(
    make_shadow: Callable[..., Wire],
) -> None:
    wire = make_shadow()
    with wire.client() as client:
        for _ in range(3):
            client.send(get(b"/s", b"Range: bytes=0-1\r\n"))
            assert client.read_response().status == 200
    ineligible = wire.proxy.ask(lambda: dict(wire.proxy.worker.books.of("shown").ineligible))
    assert ineligible == {"range": 3}


def test_other_routes_are_neither_copied_nor_counted(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/other"))
    wire.ask(get(b"/s"))
    observer.one_exchange()
    assert [b.route for b in wire.proxy.ask(wire.proxy.worker.books.all)] == ["shown"]


def test_a_client_cannot_mute_the_upstreams(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/s", b"X-Figway-Shadow: 1\r\nx-figway-dry-run: 1\r\nX-Kept: 1\r\n"))
    request, _ = observer.one_exchange()
    received = wire.origin.one_request()
    assert not received.has(b"x-figway-shadow")
    assert not received.has(b"x-figway-dry-run")
    assert received.has(b"x-kept")
    assert request.field(b"x-figway-shadow") is None


@pytest.mark.parametrize("name", [b"X-Figway-Shadow", b"X-Figway-Dry-Run"])
def test_a_shadow_request_of_a_trusted_proxy_is_passed_on_and_not_copied_again(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver, name: bytes
) -> None:
    wire = make_shadow(settings=replace(SETTINGS, trusted_proxies=("127.0.0.1/32",)))
    wire.ask(get(b"/s", name + b": 1\r\n"))
    assert wire.origin.one_request().values(name) == [b"1"]
    ineligible = wire.proxy.ask(lambda: dict(wire.proxy.worker.books.of("shown").ineligible))
    assert ineligible == {"shadow": 1}
    assert observer.taken == []


# Sampling.


SESSIONS = [b"session-%d" % n for n in range(200)]


def sampled(wire: Wire, observer: ScriptedObserver, fields: list[bytes]) -> set[bytes]:
    """Ask twice in each session; give the fields whose requests were handed over, each twice."""
    with wire.client() as client:
        for number, field in enumerate(fields * 2):
            client.send(get(b"/s/%d" % (number % len(fields)), field))
            assert client.read_response().status == 200
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    _, handed, _ = books(wire)
    targets = [request.target for request, _ in observer.wait_for_exchanges(handed)]
    assert all(targets.count(target) == 2 for target in targets)
    return {fields[int(target[3:])] for target in targets}


@pytest.mark.parametrize(
    ("key", "field"),
    [
        pytest.param(SampleKey(), b"Cookie: figway_id=%032x\r\n", id="client"),
        pytest.param(
            SampleKey(kind=SampleKeyKind.COOKIE, name="PHPSESSID"),
            b"Cookie: a=b; PHPSESSID=s%d\r\n",
            id="cookie",
        ),
        pytest.param(
            SampleKey(kind=SampleKeyKind.HEADER, name="X-Customer"),
            b"x-customer: %d\r\n",
            id="header",
        ),
    ],
)
def test_a_session_is_wholly_in_the_sample_or_wholly_out(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver, key: SampleKey, field: bytes
) -> None:
    wire = make_shadow(None, ShadowPolicy(sample=0.3, key=key))
    fields = [field % n for n in range(200)]
    assert 30 <= len(sampled(wire, observer, fields)) <= 90
    found = wire.proxy.ask(lambda: wire.proxy.worker.books.of("shown"))
    assert found.eligible + found.ineligible["unsampled"] == 400


def test_a_larger_sample_holds_the_smaller_one(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow(None, ShadowPolicy(sample=0.1))
    fields = [b"Cookie: figway_id=%032x\r\n" % n for n in range(100)]
    small = sampled(wire, observer, fields)
    observer.frames.clear()
    wire.proxy.change(routes=shadowed(wire.origin.url, ShadowPolicy(sample=0.5)))
    wire.proxy.ask(lambda: setattr(wire.proxy.worker.books.of("shown"), "handed", 0))
    assert small < sampled(wire, observer, fields)


def test_a_client_without_the_key_is_known_by_its_address_and_gets_no_cookie(
    make_shadow: Callable[..., Wire],
) -> None:
    wire = make_shadow(None, ShadowPolicy(sample=0.5))
    for n in range(20):
        with wire.client(source=f"127.0.0.{n + 2}") as client:
            for _ in range(2):
                client.send(get(b"/s"))
                assert not client.read_response().values(b"set-cookie")
    found = wire.proxy.ask(lambda: wire.proxy.worker.books.of("shown"))
    assert found.eligible + found.ineligible["unsampled"] == 40
    assert found.eligible % 2 == 0
    assert 0 < found.eligible < 40


def test_a_whole_sample_needs_no_hash(
    make_shadow: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not(_: str) -> int:
        raise AssertionError

    monkeypatch.setattr(tee_module, "bucket_of", must_not)
    wire = make_shadow()
    assert wire.ask(get(b"/s")).status == 200
    assert_balanced(wire, eligible=1, handed=1)


# The kill switch.


def has_no_tee(wire: Wire) -> bool:
    generation = wire.proxy.worker.generation
    return generation is not None and generation.tee is None


def test_a_pause_stops_copying_with_the_next_request(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    with wire.client() as client:
        client.send(get(b"/s"))
        assert client.read_response().status == 200
        observer.one_exchange()
        wire.proxy.change(flags=FlagSnapshot(revision=8, shadow_paused=True))
        client.send(get(b"/s"))
        assert client.read_response().status == 200
        assert has_no_tee(wire)
        wire.proxy.change(flags=FlagSnapshot(revision=9))
        client.send(get(b"/s/last"))
        assert client.read_response().status == 200
    (_, _), (request, _) = observer.wait_for_exchanges(2)
    assert request.target == b"/s/last"
    assert request.decided.flag_revision == 9
    assert_balanced(wire, eligible=2, handed=2)


def test_the_kill_switch_in_the_file_copies_nothing(make_shadow: Callable[..., Wire]) -> None:
    wire = make_shadow(observer=ObserverPolicy(kill_switch=True))
    assert wire.ask(get(b"/s")).status == 200
    assert has_no_tee(wire)
    assert_balanced(wire, eligible=0, handed=0)


def test_a_table_without_a_sample_has_no_tee(make_wire: MakeWire) -> None:
    wire = make_wire(routes=lambda origin: shadowed(origin.url, ShadowPolicy()))
    assert wire.ask(get(b"/s")).status == 200
    assert has_no_tee(wire)
