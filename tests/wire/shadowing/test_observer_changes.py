"""Observers and workers come and go, and the books still say where each copy went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.evidence.outcome import Outcome
from proxy.handover import Closed, Ended, Opened, Whole
from proxy.tee import outlet as outlet_module
from tests.rigs.scripted_observer import ScriptedObserver
from tests.rigs.scripted_origin import OK, answer
from tests.wire.conftest import MakeWire, Wire
from tests.wire.message_bytes import get, sized
from tests.wire.shadowing.rig import assert_balanced, gate, shadowed, wait_until


def test_an_observer_that_comes_later_is_found_and_told_everything(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    path = tmp_path / "o"
    wire = make_wire(routes=lambda origin: shadowed(origin.url), observer=str(path))
    wire.ask(get(b"/s"))
    wire.ask(sized(b"x").replace(b"/upload", b"/s"), method="POST")
    with ScriptedObserver(path) as observer:
        observer.wait_for(lambda: "shown" in observer.ledger())
        row = observer.ledger()["shown"]
        assert (row.eligible, row.handed) == (1, 0)
        assert row.ended == {(Outcome.SHED, "observer_down"): 1}
        assert row.ineligible == {"method": 1}
        wire.ask(get(b"/s"))
        observer.one_exchange()
        observer.wait_for(lambda: observer.ledger()["shown"].handed == 1)


def test_after_an_observer_was_replaced_the_books_tell_what_was_handed_to_both(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    path = tmp_path / "o"
    with ScriptedObserver(path) as first:
        wire = make_wire(routes=lambda origin: shadowed(origin.url), observer=str(path))
        first.wait_for(lambda: bool(first.hellos))
        wire.ask(get(b"/s/1"))
        first.one_exchange()
    wait_until(wire, lambda: wire.proxy.worker.outlet.connection == 0)
    wire.ask(get(b"/s/2"))
    with ScriptedObserver(path) as second:
        second.wait_for(lambda: "shown" in second.ledger())
        wire.ask(get(b"/s/3"))
        second.one_exchange()
        second.wait_for(lambda: second.ledger()["shown"].handed == 2)
        assert second.hellos[0].boot == first.hellos[0].boot
        row = second.ledger()["shown"]
        assert (row.eligible, row.ended) == (3, {(Outcome.SHED, "observer_down"): 1})


def test_what_was_opened_before_is_not_closed_for_another_observer(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    script, head, end = gate()
    head.set()
    with ScriptedObserver(tmp_path / "o") as observer:
        wire = make_wire(
            script, routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        observer.wait_for(lambda: bool(observer.hellos))
        with wire.client() as client:
            client.send(get(b"/s"))
            observer.wait_for(lambda: len(observer.of(Opened)) == 1)
            observer.drop_connections()
            observer.wait_for(lambda: len(observer.hellos) == 2)
            end.set()
            assert client.read_response().body == b"abcd"
        assert_balanced(wire, eligible=1, handed=1)
        wire.origin.script = answer(OK)
        wire.ask(get(b"/s/next"))
        observer.wait_for(lambda: len(observer.of(Whole)) == 1)
        assert observer.of(Closed, Ended) == []


def test_the_last_books_are_told_when_a_worker_drains(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    script, head, end = gate()
    head.set()
    wire = make_shadow(script)
    with wire.client() as client:
        client.send(get(b"/s"))
        observer.wait_for(lambda: len(observer.of(Opened)) == 1)
        wire.proxy.do(wire.proxy.worker.drain(0.1))
        end.set()
    observer.wait_for(lambda: bool(observer.ended) and "shown" in observer.ledger())
    assert observer.ended == [("aborted", "client_disconnected")]
    row = observer.ledger()["shown"]
    assert (row.eligible, row.handed) == (1, 1)


def test_a_new_route_table_keeps_the_books(
    make_shadow: Callable[..., Wire], observer: ScriptedObserver
) -> None:
    wire = make_shadow()
    wire.ask(get(b"/s"))
    wire.proxy.with_revision("r2")
    wire.ask(get(b"/s"))
    (first, _), (second, _) = observer.wait_for_exchanges(2)
    assert (first.decided.config_revision, second.decided.config_revision) == ("r1", "r2")
    assert_balanced(wire, eligible=2, handed=2)


def test_more_decisions_than_a_connection_has_numbers_for(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet_module, "_NUMBERS", 3)
    wire = make_shadow()
    for revision in range(8):
        wire.proxy.with_revision(f"r{revision}")
        wire.ask(get(b"/s"))
    exchanges = observer.wait_for_exchanges(8)
    assert [r.decided.config_revision for r, _ in exchanges] == [f"r{n}" for n in range(8)]


def test_the_metrics_tell_the_workers_share(make_wire: MakeWire) -> None:
    wire = make_wire(routes=lambda origin: shadowed(origin.url))
    wire.ask(get(b"/s"))
    wire.ask(get(b"/s", b"Range: bytes=0-1\r\n"))
    series = {
        (s.metric, s.labels): s.value for s in wire.proxy.ask(wire.proxy.worker.snapshot).series
    }
    assert series["figway_shadow_eligible_total", ("shown",)] == 1
    assert series["figway_shadow_outcomes_total", ("shown", "shed", "")] == 1
    assert series["figway_shadow_drops_total", ("shown", "shed", "observer_down")] == 1
    assert series["figway_shadow_ineligible_total", ("shown", "range")] == 1
    assert series["figway_shadow_handed_over_total", ("shown",)] == 0
