"""docs/diff.md shows what the commands really print."""

from __future__ import annotations

import argparse
import gzip
import re
import shlex
from pathlib import Path

import pytest

from deploy.shop_log import lines
from proxy.cli.diff.diff import FAIL_ON
from proxy.cli.main import main, parser
from proxy.cli.plan_text import render
from proxy.config.parse import parse_routes
from proxy.replay.log_line import read_log_line
from proxy.replay.logged_request import LoggedRequest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "diff.md").read_text()
(ROUTES,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for line in re.findall(r"^(?:\$ )?(figway .*)$", PAGE, re.MULTILINE)
]


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_every_command_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    assert isinstance(parser(words[0]).parse_args(words), argparse.Namespace)


def test_the_example_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live.yaml").write_text(ROUTES)
    (tmp_path / "routes.yaml").write_text(ROUTES.replace("max_percent: 5", "max_percent: 25"))
    (flags,) = re.findall(r"a flag `(routes: .*?)`,", PAGE)
    (tmp_path / "flags.yaml").write_text(flags)
    log = "".join(f"{line}\n" for line in lines())
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(log.encode()))
    (example,) = re.findall(r"\$ (figway diff .* --scale 100)\n(.*?)```", PAGE, re.DOTALL)
    assert main(shlex.split(example[0])[1:]) == 1
    assert capsys.readouterr().out == example[1]


def test_every_way_to_fail_is_told() -> None:
    table = PAGE.partition("| `--fail-on` |")[2].partition("\n\n")[0]
    assert set(FAIL_ON) == set(re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE))


def test_the_log_format_for_nginx_holds_what_routes_ask_for() -> None:
    (pieces,) = re.findall(r"log_format figway escape=json (.*?);\n", PAGE, re.DOTALL)
    template = "".join(re.findall(r"'(.*?)'", pieces))
    values = {
        "time_iso8601": "2026-11-22T10:00:00+00:00",
        "request_method": "GET",
        "request_uri": "/product/saw?x=1",
        "remote_addr": "192.0.2.7",
        "http_host": "shop.example",
        "status": "200",
    }
    line = re.sub(r"\$([a-z0-9_]+)", lambda found: values.get(found[1], ""), template)
    request = read_log_line(line)
    assert isinstance(request, LoggedRequest)
    assert request.target == "/product/saw?x=1"
    assert request.cookies == {"figway_id": None}
    assert request.headers == {"x-employee": None}


def test_the_plan_that_is_shown_is_printed_so() -> None:
    (shown,) = re.findall(r"\$ figway rollback --plan\n(.*?)```", PAGE, re.DOTALL)

    def load(name: str, *rps: float, capacity: float | None = None) -> dict[str, object]:
        keys = ("rps_before", "rps_after", "peak_before", "peak_after")
        return {"upstream": name, "capacity_rps": capacity, **dict(zip(keys, rps, strict=True))}

    def route(name: str, rps: float, peak: float, *, stays: bool = False) -> dict[str, object]:
        return {"route": name, "upstream": "catalog", "rps": rps, "peak_rps": peak, "stays": stays}

    plan = {
        "scope": "all",
        "verdict": "exceeds",
        "summary": "legacy would get 173.7 rps, 194.2 in its busiest moment: 108 % of its"
        " capacity_rps 180",
        "seconds": 60.0,
        "replicas": ["a", "b", "c"],
        "routes": [
            route("category-page", 12.5, 15.2),
            route("product-page", 41.2, 48.0),
            route("search-api", 3.0, 4.0, stays=True),
        ],
        "upstreams": [
            load("legacy", 120, 173.7, 131, 194.2, capacity=180),
            load("catalog", 53.7, 0, 63.2, 0),
        ],
        "notes": [],
    }
    assert f"{render(plan)}\n" == shown


def test_the_routes_can_be_loaded() -> None:
    assert parse_routes(ROUTES.encode(), "docs/diff.md").routes
