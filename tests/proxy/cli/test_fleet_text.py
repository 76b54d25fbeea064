"""The fleet and the provider in `figway status`: who is behind, stale, gone or different shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from proxy.cli import fleet_text
from proxy.fleet.view import FleetView, ProviderView, ReplicaStatus


def replica(name: str, **said: Any) -> dict[str, Any]:
    usual = {
        "replica": name,
        "boot": name,
        "live": True,
        "state": "live",
        "this": False,
        "seen_seconds": 0.2,
        "phase": "serving",
        "config": "c1",
        "applied": 7,
        "version": "1.0",
        "workers": 2,
        "workers_ready": 2,
        "flags_from": "file",
    }
    return asdict(ReplicaStatus(**{**usual, **said}))


def status(*replicas: dict[str, Any], **fleet: Any) -> dict[str, Any]:
    usual = {
        "environment": "production",
        "store": "redis://redis:6379",
        "state": "ok",
        "detail": "",
        "subscribed": True,
        "revision": 7,
        "applied": 7,
        "unproven_seconds": 0.1,
        "stale": False,
        "fresh_peer": "",
        "peers": (),
    }
    view = asdict(FleetView(**{**usual, **fleet}))
    return {"fleet": view, "replicas": list(replicas), "differences": []}


def rows(text: str) -> dict[str, list[str]]:
    return {line.split("  ")[0]: line.split() for line in text.splitlines()}


def test_every_replica_has_its_line_and_the_one_that_was_asked_is_marked() -> None:
    text = fleet_text.fleet(status(replica("a", this=True), replica("b")))
    assert "fleet: production at redis://redis:6379, ok" in text
    tail = ["serving", "2/2", "c1", "current", "file", "1.0", "-"]
    assert rows(text)["a (this)"] == ["a", "(this)", *tail]
    assert rows(text)["b"] == ["b", *tail]


def test_one_that_is_behind_stale_gone_or_rolled_back_is_seen() -> None:
    text = fleet_text.fleet(
        status(
            replica("a", holds=("all by signal",)),
            replica("b", applied=6),
            replica("c", stale=9.0),
            replica("d", live=False, state="gone", seen_seconds=42.0, applied=3),
        )
    )
    lines = text.splitlines()
    assert "all by signal" in lines[2]
    assert "BEHIND: 6" in lines[3]
    assert "STALE 9 s" in lines[4]
    assert "gone, last heard 42 s ago" in lines[5]


@pytest.mark.parametrize("state", ["unknown", "gone"])
def test_one_that_is_not_heard_shows_nothing_as_if_it_were_current(state: str) -> None:
    silent = replica(
        "b", live=False, state=state, seen_seconds=22.4, applied=3, flags_age=1.0, holds=("all",)
    )
    text = fleet_text.fleet(status(replica("a", this=True, holds=("all by command",)), silent))
    assert "all by command" in text.splitlines()[2]
    heard = [f"{state},", "last", "heard", "22", "s", "ago"]
    assert rows(text)["b"] == ["b", *heard, "-", "-", "-", "-", "-", "?"]
    # As a figway of before tells it.
    del silent["state"]
    assert "gone, last heard 22 s ago" in fleet_text.fleet(status(silent))


def test_a_store_that_fails_and_what_differs_are_told() -> None:
    said = status(
        replica("a"),
        state="down",
        detail="Redis is down",
        subscribed=False,
        stale=True,
        unproven_seconds=12.0,
    )
    said["differences"] = [{"kind": "config", "detail": "routes: 2 have c1, b has c2"}]
    text = fleet_text.fleet(said)
    assert "down, changes come by polling only" in text
    assert "  Redis is down" in text
    assert "STALE: the newest shared state was not proven for 12 s" in text
    assert "DIFFER: routes: 2 have c1, b has c2" in text


def view(**said: Any) -> dict[str, Any]:
    usual = {
        "name": "unleash",
        "where": "http://unleash:4242/api",
        "state": "fresh",
        "connection": "ok",
        "detail": "",
        "revision": 1042,
        "confirmed": True,
        "age_seconds": 1.26,
        "from_disk": False,
        "held": (),
        "problems": (),
        "to_legacy": (),
    }
    return asdict(ProviderView(**{**usual, **said}))


def test_a_provider_is_one_line_while_all_is_well() -> None:
    assert fleet_text.provider(view()) == (
        "provider: unleash at http://unleash:4242/api, revision 1042, confirmed 1.3 s ago"
    )
    file = view(name="file", where="flags.yaml", age_seconds=None)
    assert fleet_text.provider(file) == "provider: file"


def test_a_provider_that_never_answered_has_confirmed_nothing() -> None:
    silent = view(connection="starting", revision=0, confirmed=False, age_seconds=4.9)
    assert fleet_text.provider(silent) == (
        "provider: unleash at http://unleash:4242/api, revision 0,"
        " not heard of since the start 4.9 s ago"
    )


def test_what_is_wrong_with_a_provider_is_told_below() -> None:
    text = fleet_text.provider(
        view(
            state="stale",
            connection="down",
            detail="it does not answer",
            from_disk=True,
            held=("route:a",),
            problems=("figway-b: unknown strategy",),
            to_legacy=("a", "b"),
        )
    )
    assert text.splitlines()[1:] == [
        "  flags are stale",
        "  down: it does not answer",
        "  what is used was kept on disk before the start",
        "  missing, and held: route:a",
        "  figway-b: unknown strategy",
        "  on legacy for that: a, b",
    ]
