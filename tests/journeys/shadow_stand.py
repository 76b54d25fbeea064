"""The assembled program between two scripted origins, with one route that is shadowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.figway_process import FigwayProcess
from tests.rigs.raw_client import RawClient, Response
from tests.rigs.scripted_origin import ScriptedOrigin, answer

BODY = b'{"sku": "T-800", "price": 12.5, "tags": ["a", "b"]}'


def response(body: bytes = BODY, *, status: int = 200, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        more,
        len(body),
        body,
    )


ROUTES = """\
version: 1
shadow: {shared}
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"]}}
  catalog: {{urls: ["{new}"], version: "1"}}
routes:
  - id: item
    match: {{path: {{prefix: /item}}}}
    new: catalog
    stage: {stage}
    shadow: {{{shadow}}}
  - id: plain
    match: {{path: {{prefix: /plain}}}}
    new: catalog
    stage: shadow
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""


# A busy machine is no reason to shed in a test, and legacy is asked no more than the test does.
SHARED = "{loop_lag_shed: 0s, deadline: 5s}"


SHADOW = "sample: 100%, aa: {rate: 0%, on_mismatch: false}"


@dataclass
class Stand:
    """Two scripted origins, a folder, and figways over them."""

    legacy: ScriptedOrigin
    new: ScriptedOrigin
    folder: Path
    started: list[FigwayProcess] = field(default_factory=list)

    def write(
        self,
        *,
        stage: str = "shadow",
        shadow: str = SHADOW,
        shared: str = SHARED,
        new: str = "",
        flags: str = "rollback: false\n",
    ) -> None:
        text = ROUTES.format(
            legacy=self.legacy.url,
            new=new or self.new.url,
            stage=stage,
            shadow=shadow,
            shared=shared,
        )
        (self.folder / "routes.yaml").write_text(text)
        (self.folder / "flags.yaml").write_text(flags)

    def start(self, **options: Any) -> FigwayProcess:
        figway = FigwayProcess(self.folder, **options)
        self.started.append(figway)
        figway.serving()
        figway.wait_until(lambda: figway.status()["observer"]["state"] == "ready")
        return figway


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with ExitStack() as stack:
        legacy = stack.enter_context(ScriptedOrigin(answer(response())))
        new = stack.enter_context(ScriptedOrigin(answer(response())))
        made = Stand(legacy, new, tmp_path)
        made.write()
        yield made
        for figway in made.started:
            figway.close()


def client(figway: FigwayProcess) -> RawClient:
    host, _, port = figway.listen.rpartition(":")
    return RawClient((host, int(port)))


def get(target: str, *fields: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in fields)
    return f"GET {target} HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n".encode()


def ask(figway: FigwayProcess, request: bytes) -> Response:
    with client(figway) as connection:
        connection.send(request)
        return connection.read_response(request.partition(b" ")[0].decode())


def report(figway: FigwayProcess) -> dict[str, Any]:
    """The evidence of the route `item`."""
    answered = figway.api("/api/v1/shadow/report?route=item")
    assert answered.status == 200, answered.body
    (found,) = answered.json["routes"]
    return dict(found)


def is_balanced(found: dict[str, Any]) -> bool:
    """Whether every eligible request has its one outcome, or is known to be under way."""
    settled = sum(found["outcomes"].values())
    return bool(found["eligible"] == settled + found["pending"] and not found["unaccounted"])


def settled(figway: FigwayProcess, eligible: int) -> dict[str, int]:
    """Wait until so many requests have ended; return the outcomes that came at all."""

    def whole() -> dict[str, Any] | None:
        found = report(figway)
        return found if found["eligible"] >= eligible and not found["pending"] else None

    found = figway.wait_until(whole)
    assert is_balanced(found), found
    assert found["eligible"] == eligible
    assert figway.metric("figway_shadow_unaccounted") == 0
    return {name: count for name, count in found["outcomes"].items() if count}


def pid_of_observer(figway: FigwayProcess) -> int:
    return int(figway.status()["observer"]["pid"])
