"""The webhook's call on the admin listener."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.admin.body import MAX_BODY
from proxy.admin.hooks import HookApi
from proxy.admin.problem import AdminError, problem

Client = TestClient[web.Request, web.Application]


class Received:
    def __init__(self, status: int) -> None:
        self.status = status
        self.calls: list[tuple[str, bytes]] = []

    def received(self, authorization: str, body: bytes) -> int:
        self.calls.append((authorization, body))
        return self.status


@web.middleware
async def told(request: web.Request, handler: object) -> web.StreamResponse:
    try:
        return await handler(request)  # type: ignore[operator, no-any-return] # aiohttp's handler
    except AdminError as error:
        return problem(error)


async def client_of(webhook: Received | None) -> Client:
    app = web.Application(middlewares=[told], client_max_size=MAX_BODY)
    app.add_routes(HookApi(webhook).routes())
    client: Client = TestClient(TestServer(app))
    await client.start_server()
    return client


@pytest.fixture
async def accepting(loop: asyncio.AbstractEventLoop) -> AsyncIterator[tuple[Client, Received]]:
    received = Received(HTTPStatus.ACCEPTED)
    client = await client_of(received)
    yield client, received
    await client.close()


async def test_a_call_is_handed_on_with_its_authorization(
    accepting: tuple[Client, Received],
) -> None:
    client, received = accepting
    response = await client.post(
        "/api/v1/hooks/unleash", data=b"{}", headers={"Authorization": "Bearer t"}
    )
    assert response.status == HTTPStatus.ACCEPTED
    assert received.calls == [("Bearer t", b"{}")]


async def test_of_a_body_that_is_too_large_only_the_call_counts(
    accepting: tuple[Client, Received],
) -> None:
    client, received = accepting
    response = await client.post("/api/v1/hooks/unleash", data=b"x" * (MAX_BODY + 1))
    assert response.status == HTTPStatus.ACCEPTED
    assert received.calls == [("", b"")]


@pytest.mark.parametrize(
    ("webhook", "status", "words"),
    [
        pytest.param(Received(401), 401, "webhook token", id="wrong token"),
        pytest.param(Received(404), 404, "FIGWAY_UNLEASH_WEBHOOK_TOKEN", id="no token is set"),
        pytest.param(None, 404, "flags do not come from Unleash", id="no Unleash"),
    ],
)
async def test_a_refusal_is_a_problem_that_names_the_mend(
    loop: asyncio.AbstractEventLoop, webhook: Received | None, status: int, words: str
) -> None:
    client = await client_of(webhook)
    response = await client.post("/api/v1/hooks/unleash", data=b"{}")
    assert response.status == status
    assert words in (await response.json(content_type="application/problem+json"))["detail"]
    await client.close()
