"""What the evidence says beside a change in the audit: quick, worst first, never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from proxy.config.parse import parse_routes
from proxy.supervision import evidence_desk
from proxy.supervision.evidence_desk import MAX_VERDICTS, EvidenceDesk

ROUTES = b"""\
version: 1
upstreams: {legacy: {role: legacy, urls: ["http://a:1"]}, catalog: {urls: ["http://a:2"]}}
groups: {purchase: {stickiness: device}}
routes:
  - {id: page, match: {path: {exact: /page}}, new: catalog, stage: shadow}
  - {id: cart, group: purchase, match: {path: {exact: /cart}}, new: catalog, stage: shadow}
  - {id: pay, group: purchase, match: {path: {exact: /pay}}, new: catalog, stage: shadow}
  - {id: monolith, match: {path: {prefix: /}}}
"""
VERDICTS = {"page": "GO", "cart": "NEED-MORE-DATA", "pay": "NO-GO"}


@dataclass
class Observer:
    """Tells a verdict for each route that is asked about."""

    status: int = 200
    hangs: bool = False
    verdicts: Mapping[str, str] = field(default_factory=lambda: VERDICTS)
    asked: list[Mapping[str, object]] = field(default_factory=list)

    async def ask(self, what: str, params: Mapping[str, object]) -> tuple[int, object]:
        assert what == "report"
        self.asked.append(params)
        if self.hangs:
            await asyncio.Event().wait()
        wanted = params.get("route")
        routes = [
            {"route": route, "verdict": verdict}
            for route, verdict in self.verdicts.items()
            if wanted in (None, route)
        ]
        return self.status, {"routes": routes}

    async def until_started(self) -> None:
        raise AssertionError("a change of traffic does not wait for evidence")


def desk(observer: Observer, routes: bytes = ROUTES) -> EvidenceDesk:
    file = parse_routes(routes, "routes.yaml")
    return EvidenceDesk(
        observer=observer, file=lambda: file, journal=cast(Any, None), revision=lambda: 1
    )


@pytest.mark.parametrize(
    ("scope", "verdicts"),
    [
        pytest.param("all", ["pay", "cart", "page"], id="all"),
        pytest.param("group:purchase", ["pay", "cart"], id="group"),
        pytest.param("route:page", ["page"], id="route"),
        pytest.param("route:monolith", [], id="no new side"),
        pytest.param("route:gone", [], id="unknown"),
        pytest.param("shadow", [], id="no scope of routes"),
        pytest.param("token:ann", [], id="token"),
    ],
)
async def test_the_routes_in_scope_are_told_the_worst_first(
    scope: str, verdicts: list[str]
) -> None:
    observer = Observer()
    assert list((await desk(observer).verdicts(scope)).items()) == [
        (route, VERDICTS[route]) for route in verdicts
    ]
    # Where no route is concerned nobody is asked.
    assert bool(observer.asked) is bool(verdicts)


async def test_one_route_is_asked_for_alone() -> None:
    observer = Observer()
    await desk(observer).verdicts("route:page")
    assert observer.asked == [{"route": "page"}]


async def test_an_observer_that_refuses_or_hangs_is_no_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence_desk, "VERDICT_SECONDS", 0.01)
    assert await desk(Observer(status=503)).verdicts("all") == {}
    hanging = Observer(hangs=True)
    there = desk(hanging)
    assert await there.verdicts("all") == await there.verdicts("all") == {}
    assert len(hanging.asked) == 1


async def test_a_storm_of_flips_asks_once() -> None:
    observer = Observer()
    there = desk(observer)
    for _ in range(50):
        assert list(await there.verdicts("all")) == ["pay", "cart", "page"]
    assert len(observer.asked) == 1
    await there.verdicts("route:page")
    assert len(observer.asked) == 2


async def test_of_very_many_routes_the_worst_are_told() -> None:
    ids = [f"r{number}" for number in range(MAX_VERDICTS + 10)]
    extra = "".join(
        f"  - {{id: {each}, match: {{path: {{exact: /{each}}}}}, new: catalog, stage: shadow}}\n"
        for each in ids
    )
    verdicts = dict.fromkeys(ids, "GO") | {"pay": "NO-GO"}
    found = await desk(Observer(verdicts=verdicts), ROUTES + extra.encode()).verdicts("all")
    assert len(found) == MAX_VERDICTS
    assert next(iter(found)) == "pay"
