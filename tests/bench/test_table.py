"""The generated tables fit each other and the limits of routes.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.table import write_table
from bench.visitors import visitors, write_visitors
from proxy.config.load import load_routes
from proxy.stages import Stage

MIB = 1024 * 1024


def test_a_table_of_twenty_is_a_valid_one(tmp_path: Path) -> None:
    files = write_table(tmp_path, routes=20, legacy_port=81, new_port=101)

    routes = load_routes(files.routes).routes

    assert len(routes) == 20
    assert routes[-1].new == ""
    assert files.canaries == 19
    flags = yaml.safe_load(files.flags.read_text())
    assert flags["routes"]["s18"] == {"percent": 50}


def test_a_shadowed_table_copies_everything_and_moves_nothing(tmp_path: Path) -> None:
    files = write_table(tmp_path, routes=20, legacy_port=81, new_port=101, shadowed=True)

    routes = load_routes(files.routes).routes

    assert {(route.stage, route.shadow.sample) for route in routes[:-1]} == {(Stage.SHADOW, 1.0)}


def test_ten_thousand_routes_stay_below_one_mebibyte(tmp_path: Path) -> None:
    files = write_table(tmp_path, routes=10_000, grouped=True)

    assert files.routes.stat().st_size < MIB
    assert files.routes.read_text().count("stage: canary") == 9_999


@pytest.mark.parametrize("routes", [19, 9_999])
def test_visitors_are_distinct_and_reach_every_route(routes: int) -> None:
    everyone = list(visitors(routes, 10_000))

    assert len({one.path for one in everyone}) == 10_000
    assert len({one.device for one in everyone}) == 10_000
    assert {one.path.split("/")[1] for one in everyone} == {f"s{n}" for n in range(routes)}
    assert all(len(one.device) == 32 and int(one.device, 16) >= 0 for one in everyone)


def test_visitors_are_written_one_a_line(tmp_path: Path) -> None:
    file = write_visitors(tmp_path / "visitors", 3, 2)

    first, second = file.read_text().splitlines()
    assert first.startswith("/s0/item-0\t")
    assert second.startswith("/s1/item-1\t")
