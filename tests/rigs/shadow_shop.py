"""The shop with everything compared: PHP, a catalog with or without faults, Figway, and a crowd."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.visitors import Assortment, send_visitors, visits
from tests.journeys.figway_process import FigwayProcess
from tests.rigs.child import ROOT, free_ports
from tests.rigs.shop import start_catalog, start_shop

_PATIENCE = 90.0
_LOOK_EVERY = 0.2
# A busy machine may be slow here, without anything being shed for it.
PATIENT = "shadow: {loop_lag_shed: 0s, deadline: 30s, queue: 4096}\n"

Report = dict[str, dict[str, Any]]


def report_of(figway: FigwayProcess) -> Report:
    """What the admin API reports, by route; nothing while the observer starts."""
    answer = figway.api("/api/v1/shadow/report")
    if answer.status == 503:
        return {}
    assert answer.status == 200, answer.body
    return {route["route"]: route for route in answer.json["routes"]}


def settled(figway: FigwayProcess, eligible: int) -> Report:
    """The report once so many requests are eligible and each has its outcome; its books balance."""
    end = time.monotonic() + _PATIENCE
    while True:
        report = report_of(figway)
        found = sum(route["eligible"] for route in report.values())
        if found >= eligible and not any(route["pending"] for route in report.values()):
            break
        assert time.monotonic() < end, f"{found} of {eligible} are settled: {brief(report)}"
        time.sleep(_LOOK_EVERY)
    assert found == eligible
    for route in report.values():
        assert route["eligible"] == sum(route["outcomes"].values()), route["route"]
        assert route["unaccounted"] == 0
    return report


def happened(route: Mapping[str, Any]) -> dict[str, int]:
    """The outcomes of a route that there were."""
    return {outcome: count for outcome, count in route["outcomes"].items() if count}


def brief(report: Report) -> str:
    """Outcomes and causes of every route, for messages."""
    lines = []
    for name, route in report.items():
        lines.append(f"{name}: {route['verdict']} {happened(route)} {route['reasons']}")
        lines += [
            f"  {cause['severity']} {cause['cause']!r} x {cause['count']} {cause['paths']}:"
            f" {cause['explanation']}"
            for cause in route["causes"]
        ]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowShop:
    """A running shop behind a Figway that copies everything."""

    data: Path
    figway: FigwayProcess

    @property
    def port(self) -> int:
        """Figway's data port."""
        return int(self.figway.listen.rpartition(":")[2])

    def crowd(self, requests: int) -> dict[int, int]:
        """Let the demonstration's visitors ask; status -> how often."""
        return send_visitors(
            self.port, visits(Assortment.read(self.data / "shop.sqlite"), requests)
        )


@contextmanager
def shadow_shop(
    data: Path,
    folder: Path,
    *,
    bugs: str = "",
    defect: bool = False,
    routes: Callable[[str], str] = lambda text: text,
) -> Iterator[ShadowShop]:
    """Start all of it on a seeded shop; `routes` changes the repository's routes.yaml."""
    shop, catalog = free_ports(2)
    text = (ROOT / "routes.yaml").read_text()
    for usual, port in ((8081, shop), (8101, catalog)):
        assert f':{usual}"' in text
        text = text.replace(f':{usual}"', f':{port}"')
    (folder / "routes.yaml").write_text(routes(text) + PATIENT)
    (folder / "flags.yaml").write_text((ROOT / "flags" / "flags.yaml").read_text())
    with (
        start_shop(data, shop, log=folder / "shop.log", defect=defect),
        start_catalog(
            folder, catalog, bugs=bugs, follow=data / "shop.sqlite", log="catalog.log"
        ) as service,
    ):
        service.wait_for_output("took over")
        figway = FigwayProcess(folder)
        try:
            yield ShadowShop(data=data, figway=figway.serving())
        finally:
            figway.close()


def at_stage(route: str, stage: str) -> Callable[[str], str]:
    """A change of routes.yaml: one route at another stage."""

    def change(text: str) -> str:
        head, found, rest = text.partition(f"  - id: {route}\n")
        assert found
        before, key, after = rest.partition("    stage: ")
        assert key
        return head + found + before + key + stage + after[after.index("\n") :]

    return change
