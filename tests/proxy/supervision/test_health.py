"""Active health checks against real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from proxy.routing.route import HealthCheck, RouteFile, Upstream
from proxy.stages import Side
from proxy.supervision.health import HealthChecks


@dataclass
class Patient:
    """An endpoint whose answer can be chosen."""

    status: int = 200
    asked: int = 0
    hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    urls: list[str] = field(default_factory=list)
    # Set when it was asked and has answered.
    visited: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, request: web.Request) -> web.Response:
        async with self.visited:
            self.asked += 1
            self.visited.notify_all()
        if self.hangs:
            await self.released.wait()
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)

    async def visits(self, count: int) -> None:
        async with asyncio.timeout(20), self.visited:
            target = self.asked + count
            await self.visited.wait_for(lambda: self.asked >= target)


@pytest.fixture
async def patient(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> AsyncIterator[Patient]:
    patient = Patient()
    app = web.Application()
    app.router.add_get("/healthz", patient.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    await web.UnixSite(runner, str(tmp_path / "socket")).start()
    host, port = runner.addresses[0][:2]
    patient.urls = [f"http://{host}:{port}", f"unix:{tmp_path / 'socket'}"]
    yield patient
    patient.released.set()
    await runner.cleanup()


def route_file(*urls: str, interval: float = 0.02, timeout: float = 10.0) -> RouteFile:
    check = HealthCheck(path="/healthz", interval=interval, timeout=timeout)
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",)),
            Upstream(name="catalog", side=Side.NEW, urls=urls, health=check),
        ),
        routes=(),
    )


class Checks:
    """Health checks and what they said."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.health = HealthChecks(
            on_change=lambda: self.changes.put_nowait(self.health.unhealthy),
            log=structlog.wrap_logger(None, processors=[_drop]),
        )

    async def change(self) -> tuple[str, ...]:
        return await asyncio.wait_for(self.changes.get(), 20)


def _drop(*_: object) -> str:
    raise structlog.DropEvent


@pytest.mark.parametrize("status", [500, 503, 404, 302])
async def test_an_endpoint_that_does_not_say_2xx_fails_until_it_does(
    patient: Patient, status: int
) -> None:
    checks = Checks()
    for url in patient.urls:
        patient.status = status
        checks.health.watch(route_file(url))
        assert await checks.change() == (f"catalog|{url}",)
        assert checks.health.endpoints[0].last_error == f"status {status}"
        patient.status = 204
        assert await checks.change() == ()
    await checks.health.close()


async def test_one_failure_alone_is_none(patient: Patient) -> None:
    checks = Checks()
    patient.status = 500
    checks.health.watch(route_file(patient.urls[0]))
    await patient.visits(1)
    patient.status = 200
    await patient.visits(3)
    assert checks.changes.empty()
    await checks.health.close()


async def test_an_endpoint_that_does_not_answer_fails(patient: Patient) -> None:
    checks = Checks()
    patient.hangs = True
    checks.health.watch(route_file(patient.urls[0], timeout=0.05))
    assert await checks.change() == (f"catalog|{patient.urls[0]}",)
    assert "no answer within" in checks.health.endpoints[0].last_error
    await checks.health.close()


async def test_an_endpoint_that_is_not_there_fails(tmp_path: Path) -> None:
    checks = Checks()
    nowhere = f"unix:{tmp_path / 'nowhere'}"
    checks.health.watch(route_file(nowhere))
    assert await checks.change() == (f"catalog|{nowhere}",)
    await checks.health.close()


async def test_what_is_known_survives_a_reload_and_leaves_with_its_endpoint(
    patient: Patient,
) -> None:
    checks = Checks()
    patient.status = 500
    first, second = patient.urls
    checks.health.watch(route_file(first))
    assert await checks.change() == (f"catalog|{first}",)
    checks.health.watch(route_file(first, second))
    assert checks.health.unhealthy == (f"catalog|{first}",)
    checks.health.watch(route_file(second))
    assert await checks.change() == ()
    assert [endpoint.url for endpoint in checks.health.endpoints] == [second]
    await checks.health.close()
