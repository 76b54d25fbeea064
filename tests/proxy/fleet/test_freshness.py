"""A stale replica steps back only for a peer that says of itself that it is fresh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.fleet.freshness import fresh_peer
from proxy.fleet.spread import PROVEN
from tests.rigs.child import free_ports


@pytest.fixture
async def peer(loop: asyncio.AbstractEventLoop) -> AsyncIterator[TestServer]:
    said = {"status": 200, "text": f"{PROVEN} 0.1 s ago\nok\n"}

    async def readyz(request: web.Request) -> web.Response:
        assert "verbose" in request.query
        return web.Response(status=int(said["status"]), text=str(said["text"]))

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    server = TestServer(app)
    server.said = said  # type: ignore[attr-defined] # what the tests change
    async with server:
        yield server


def address(server: TestServer) -> str:
    return f"http://127.0.0.1:{server.port}"


async def test_replica_cannot_confirm_while_a_peer_is_fresh(peer: TestServer) -> None:
    [closed] = free_ports(1)
    assert await fresh_peer([f"http://127.0.0.1:{closed}", address(peer)]) == address(peer)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param(200, "[!] control plane stale: not proven for 9 s\nok\n", id="stale too"),
        pytest.param(503, f"{PROVEN} 0.1 s ago\nnot ready\n", id="not ready"),
        pytest.param(200, "", id="another program"),
    ],
)
async def test_replica_cannot_confirm_and_nobody_is_fresher_so_it_stays(
    peer: TestServer, status: int, text: str
) -> None:
    peer.said.update(status=status, text=text)  # type: ignore[attr-defined] # set by the fixture
    assert await fresh_peer([address(peer)]) == ""


async def test_without_peers_there_is_nobody_to_step_back_for(
    loop: asyncio.AbstractEventLoop,
) -> None:
    assert await fresh_peer([]) == ""
