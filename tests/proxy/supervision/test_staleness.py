"""Flags that nobody confirms: warned of, then held, or sent to legacy where that was asked for."""

from __future__ import annotations

import pytest

from proxy.config.parse import parse_routes
from proxy.control_plane import FlagSources, WhenStale
from proxy.supervision.staleness import FRESH, staleness

ROUTES = b"""\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://a:1"]}
  catalog: {urls: ["http://a:2"]}
routes:
  - {id: plain, match: {path: {prefix: /a}}, new: catalog, stage: canary}
  - {id: cautious, match: {path: {prefix: /b}}, new: catalog, stage: live, when_stale: legacy}
  - {id: bold, match: {path: {prefix: /c}}, new: catalog, stage: live, when_stale: hold}
  - {id: parked, match: {path: {prefix: /d}}, new: catalog, stage: shadow, when_stale: legacy}
  - {id: done, match: {path: {prefix: /e}}, new: catalog, stage: complete, when_stale: legacy}
  - {id: monolith, match: {path: {prefix: /}}}
"""
FILE = parse_routes(ROUTES, "routes.yaml")


@pytest.mark.parametrize(
    ("age", "when", "state", "to_legacy"),
    [
        pytest.param(None, WhenStale.LEGACY, "fresh", set(), id="the file has not to confirm"),
        pytest.param(29.9, WhenStale.LEGACY, "fresh", set(), id="soon after"),
        pytest.param(30.0, WhenStale.LEGACY, "late", set(), id="flag provider down: warn 30 s"),
        pytest.param(899.9, WhenStale.LEGACY, "late", set(), id="and no more than warned of"),
        pytest.param(900.0, WhenStale.HOLD, "stale", {"cautious"}, id="after 15 m hold"),
        pytest.param(900.0, WhenStale.LEGACY, "stale", {"plain", "cautious"}, id="or legacy"),
    ],
)
def test_flag_provider_down_keeps_state_unless_a_route_wants_legacy(
    age: float | None, when: WhenStale, state: str, to_legacy: set[str]
) -> None:
    found = staleness(age, FlagSources(when_stale=when), FILE)
    assert (found.state, found.routes) == (state, to_legacy)


def test_nothing_is_left_of_it_once_the_flags_are_confirmed() -> None:
    assert staleness(0.0, FlagSources(when_stale=WhenStale.LEGACY), FILE) is FRESH
