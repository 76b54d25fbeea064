"""A server that answers as Unleash does, or exactly as badly as a test wants.

async def test_something(fake_unleash: FakeUnleash) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")   # the revision rises
    fake_unleash.fault = lambda request: web.Response(status=503)      # from now on
    fake_unleash.asked                                                 # every request, in order
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "default:production.secret"
ADMIN_TOKEN = "*:*.admin-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class FakeUnleash:
    """The server. What it serves is in `features`; `revision` is its own count."""

    def __init__(self) -> None:
        self.features: dict[str, dict[str, Any]] = {}
        self.segments: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.revision = 1
        self.has_revisions = True
        # Instead of any answer to a fetch of features.
        self.fault: Callable[[web.Request], web.StreamResponse | None] | None = None
        # Status by method and path, instead of the usual one.
        self.refusals: dict[tuple[str, str], int] = {}
        # What a call of the admin API is answered with: JSON, or a response.
        self.answers: dict[tuple[str, str], Any] = {}
        self.asked: list[Asked] = []
        self._server: TestServer | None = None

    def flag(
        self, name: str, *, percent: int | None = None, group: str = "", enabled: bool = True
    ) -> None:
        """Create or change a flag; without a percentage it is for everybody."""
        strategies = []
        if percent is not None:
            parameters = {"rollout": str(percent), "groupId": group or name}
            parameters["stickiness"] = "default"
            strategies = [{"name": "flexibleRollout", "constraints": [], "parameters": parameters}]
        self.features[name] = {
            "name": name,
            "type": "release",
            "enabled": enabled,
            "project": "default",
            "strategies": strategies,
            "variants": [],
        }
        self.revision += 1

    def remove(self, name: str) -> None:
        """Archive a flag."""
        del self.features[name]
        self.revision += 1

    def answer(self) -> dict[str, Any]:
        """What a fetch is answered with."""
        said: dict[str, Any] = {
            "version": 2,
            "features": list(self.features.values()),
            "segments": self.segments,
            "query": {"environment": "production"},
        }
        if self.has_revisions:
            said["meta"] = {"revisionId": self.revision}
        return copy.deepcopy(said)

    def fetches(self) -> list[Asked]:
        """Every fetch of features."""
        return [each for each in self.asked if each.path == "/api/client/features"]

    def to(self, path: str) -> list[Asked]:
        """Every request to this path."""
        return [each for each in self.asked if each.path == path]

    @property
    def url(self) -> str:
        """Its address."""
        assert self._server is not None
        return str(self._server.make_url("")).rstrip("/")

    async def start(self) -> None:
        """Begin to listen."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{rest:.*}", self._any)
        self._server = TestServer(app, host="127.0.0.1")
        await self._server.start_server()

    async def close(self) -> None:
        """Stop listening."""
        assert self._server is not None
        await self._server.close()

    async def _any(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append(
            Asked(
                method=request.method,
                path=request.path,
                headers=dict(request.headers),
                body=body,
            )
        )
        refusal = self.refusals.get((request.method, request.path))
        if refusal is not None:
            return web.json_response({"message": "as the test wants it"}, status=refusal)
        if request.path == "/api/client/features":
            return self._serve(request)
        if request.path in ("/api/client/register", "/api/client/metrics"):
            return web.Response(status=202)
        if request.headers.get("Authorization") != ADMIN_TOKEN:
            return web.json_response({"message": "no"}, status=401)
        if (request.method, request.path) in self.answers:
            said = self.answers[request.method, request.path]
            return said if isinstance(said, web.Response) else web.json_response(said)
        if request.path == "/api/admin/search/events":
            return web.json_response({"events": self.events[::-1], "total": len(self.events)})
        return web.json_response({"message": "there is no such thing"}, status=404)

    def _serve(self, request: web.Request) -> web.StreamResponse:
        fault = self.fault and self.fault(request)
        if fault is not None:
            return fault
        if request.headers.get("Authorization") != TOKEN:
            return web.Response(status=401)
        text = json.dumps(self.answer())
        etag = f'"{abs(hash(text)):x}:{self.revision}:v1"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(text=text, content_type="application/json", headers={"ETag": etag})


@pytest.fixture
async def fake_unleash(loop: asyncio.AbstractEventLoop) -> AsyncIterator[FakeUnleash]:
    """A fresh one, without any flag."""
    server = FakeUnleash()
    await server.start()
    yield server
    await server.close()
