"""A worker that cannot know whether its state is still true moves nobody to a new side."""

from __future__ import annotations

from dataclasses import replace

from proxy.routing.route import RouteFile
from proxy.stages import Stage
from tests.rigs.scripted_origin import ScriptedOrigin, answer
from tests.wire.conftest import MakeWire, Wire
from tests.wire.message_bytes import get, ok
from tests.wire.test_retries import moved

NEW = answer(ok(b"new"))


def _forget_the_supervisor(wire: Wire) -> None:
    def forget() -> None:
        wire.proxy.worker.wire.proven_at -= 1000.0

    wire.proxy.ask(forget)


def _completed(file: RouteFile) -> RouteFile:
    moved_route, *others = file.routes
    return replace(file, routes=(replace(moved_route, stage=Stage.COMPLETE), *others))


def test_without_a_sign_of_the_supervisor_requests_go_to_legacy(make_wire: MakeWire) -> None:
    with ScriptedOrigin(NEW) as new:
        wire = make_wire(routes=lambda legacy: moved(legacy.url, new.url, None))
        assert wire.ask(get()).body == b"new"
        _forget_the_supervisor(wire)
        assert wire.ask(get()).body == b"ok"
        counted = {
            series.labels[2]: series.value
            for series in wire.proxy.ask(wire.proxy.worker.snapshot).series
            if series.metric == "figway_requests_total"
        }
        assert counted == {"live": 1, "state_unproven": 1}
        wire.proxy.change()
        assert wire.ask(get()).body == b"new"


def test_a_complete_route_has_no_legacy_to_go_to(make_wire: MakeWire) -> None:
    with ScriptedOrigin(NEW) as new:
        wire = make_wire(routes=lambda legacy: _completed(moved(legacy.url, new.url, None)))
        _forget_the_supervisor(wire)
        assert wire.ask(get()).body == b"new"
