"""The planner adds up what replicas tell of their traffic, and says who tells nothing."""

from __future__ import annotations

import pytest

from proxy import tally
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.planner import ALONE, Planner
from proxy.supervision.traffic import RouteRate, Traffic, TrafficView
from proxy.tally import Series, TallySnapshot
from tests.proxy.supervision.test_plan import FILE, loads

ELSEWHERE = TrafficView(
    seconds=60.0,
    rates=(RouteRate(route="product", upstream="catalog", rps=30.0, peak_rps=31.0),),
)


@pytest.fixture
def planner() -> Planner:
    """One that has counted 2 requests per second of one route, and refuses one scope."""
    clock = iter((0.0, 60.0))
    traffic = Traffic(clock=lambda: next(clock))
    labels = ("product", "catalog", "live", "200")
    counted = Series(metric=tally.REQUESTS.name, labels=labels, value=120.0)
    traffic.look(TallySnapshot(series=(counted,)))

    def check(scope: str) -> None:
        if scope == "route:nowhere":
            raise Refused(Refusal.UNKNOWN, "there is no route nowhere")

    return Planner(file=lambda: FILE, check=check, traffic=traffic, failing=tuple)


def test_a_figway_alone_plans_by_its_own_traffic(planner: Planner) -> None:
    planned = planner.plan("all")
    assert planned.replicas == (ALONE,)
    assert loads(planned)["legacy"] == (0, 2)


def test_a_fleet_plans_by_the_traffic_of_all(planner: Planner) -> None:
    planner.name = "b"
    planner.others = lambda: {"a": ELSEWHERE, "c": None}
    planned = planner.plan("all")
    assert planned.replicas == ("a", "b")
    assert loads(planned)["legacy"] == (0, 32)
    assert planned.notes == ("not in the numbers, they tell of no traffic: c",)


def test_a_scope_that_there_is_not_is_refused(planner: Planner) -> None:
    with pytest.raises(Refused):
        planner.plan("route:nowhere")
