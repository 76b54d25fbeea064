"""A legacy origin, a new one, and a figway in front of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.figway_process import FigwayProcess
from tests.journeys.origin import Origin

ROUTES = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"]}}
  catalog: {{urls: ["{new}"]}}
groups:
  purchase: {{stickiness: device}}
segments:
  staff: {{any: [{{header: {{name: X-Employee, value: "1"}}}}]}}
routes:
  - id: product-page
    match: {{path: {{prefix: /product}}}}
    new: catalog
    stage: canary
    max_percent: 100
    cohorts: {{always: [staff]}}
  - id: capped
    match: {{path: {{prefix: /capped}}}}
    new: catalog
    stage: canary
    max_percent: 25
  - id: cart
    group: purchase
    match: {{path: {{prefix: /cart}}}}
    new: catalog
    stage: canary
    max_percent: 50
  - id: checkout
    group: purchase
    match: {{path: {{prefix: /checkout}}}}
    new: catalog
    stage: canary
    max_percent: 40
  - id: parked
    match: {{path: {{prefix: /parked}}}}
    new: catalog
    stage: shadow
  - id: account
    match: {{path: {{prefix: /account}}}}
    new: catalog
    stage: live
  - id: done
    match: {{path: {{prefix: /done}}}}
    new: catalog
    stage: complete
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""

FLAGS = """\
# The one flag.
rollback: false
groups: {}
routes:
  product-page: {percent: 100}  # all of it
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """Two origins, a folder with both files, and a way to start figways over them."""

    legacy: Origin
    new: Origin
    folder: Path
    start: Callable[..., FigwayProcess]

    def write_routes(self, text: str = ROUTES) -> None:
        """Write routes.yaml with the origins' addresses."""
        filled = text.format(legacy=self.legacy.url, new=self.new.url)
        (self.folder / "routes.yaml").write_text(filled)

    def write_flags(self, text: str = FLAGS) -> None:
        """Write the flag file."""
        (self.folder / "flags.yaml").write_text(text)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop whose figways end with the test."""
    started: list[FigwayProcess] = []

    def start(**options: Any) -> FigwayProcess:
        figway = FigwayProcess(tmp_path, **options)
        started.append(figway)
        return figway

    with Origin("legacy") as legacy, Origin("new") as new:
        shop = Shop(legacy, new, tmp_path, start)
        shop.write_routes()
        shop.write_flags()
        try:
            yield shop
        finally:
            legacy.release.set()
            new.release.set()
            for figway in started:
                figway.close()
