"""The admin API of shadow traffic over HTTP: what reaches the desk, and what is refused before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.admin.app import build
from proxy.admin.audit_api import AuditApi
from proxy.admin.flags_api import FlagsApi
from proxy.admin.guard import OPEN_PATHS, OWN_SECRET_PATHS, Guard
from proxy.admin.hooks import HookApi
from proxy.admin.openapi import document
from proxy.admin.plan_api import PlanApi
from proxy.admin.roles import NEEDS
from proxy.admin.token_api import TokenApi
from proxy.supervision.audit import Actor
from proxy.supervision.change import Change, Refusal, Refused

TOKEN = "t" * 32
DONE = Change(revision=5, applied_ms=1.0, workers=(), unconfirmed=(), holds=())


@dataclass
class Fake:
    """Desk and switch in one: keeps each call, and refuses when told to."""

    calls: list[tuple[str, tuple[object, ...], dict[str, object]]] = field(default_factory=list)
    refuses: Refused | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: object, **named: object) -> object:
            self.calls.append((name, args, named))
            if self.refuses is not None:
                raise self.refuses
            return DONE if name in ("pause", "resume") else {"answered": name}

        return call


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
async def client(
    loop: asyncio.AbstractEventLoop, fake: Fake
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    control = cast(Any, SimpleNamespace(shadow=fake))
    guard = Guard(token=TOKEN, admin_host="localhost")
    app = build(control, cast(Any, None), cast(Any, fake), guard, structlog.get_logger())
    client = TestClient(TestServer(app), headers={"Authorization": f"Bearer {TOKEN}"})
    async with client:
        yield client


@pytest.mark.parametrize(
    ("path", "call", "args"),
    [
        pytest.param("report", "report", ("",), id="all routes"),
        pytest.param("report?route=page", "report", ("page",), id="one route"),
        pytest.param("exemplars?route=page", "exemplars", ("page", ""), id="exemplars"),
        pytest.param(
            "exemplars?route=page&fingerprint=ab", "exemplars", ("page", "ab"), id="of a cause"
        ),
        pytest.param("exemplars/a1b2", "show", ("a1b2",), id="one exemplar"),
        pytest.param("rules?route=page", "rules", ("page",), id="rules"),
    ],
)
async def test_a_question_reaches_the_desk(
    client: TestClient[web.Request, web.Application],
    fake: Fake,
    path: str,
    call: str,
    args: tuple[object, ...],
) -> None:
    response = await client.get(f"/api/v1/shadow/{path}")
    assert response.status == 200, await response.text()
    assert await response.json() == {"answered": call}
    assert fake.calls == [(call, args, {})]


@pytest.mark.parametrize(
    ("path", "body", "call", "args"),
    [
        pytest.param(
            "what-if",
            {"route": "page", "draft": [{"path": "$.a", "op": "shape"}]},
            "rules",
            ("page", [{"path": "$.a", "op": "shape"}]),
            id="what if",
        ),
        pytest.param("replay", {"id": "ab"}, "replay", ("ab",), id="replay"),
        pytest.param(
            "accept", {"route": "page", "path": "$.a"}, "accept", ("page", "$.a"), id="accept"
        ),
        pytest.param(
            "triage",
            {"route": "page", "fingerprint": "ab", "ticket": "T-1", "actor": "ann"},
            "triage",
            ("page", "ab"),
            id="triage",
        ),
    ],
)
async def test_a_request_with_a_body_reaches_the_desk(
    client: TestClient[web.Request, web.Application],
    fake: Fake,
    path: str,
    body: dict[str, object],
    call: str,
    args: tuple[object, ...],
) -> None:
    response = await client.post(f"/api/v1/shadow/{path}", json=body)
    assert response.status == 200, await response.text()
    assert [(name, given) for name, given, _ in fake.calls] == [(call, args)]


@pytest.mark.parametrize("call", ["pause", "resume"])
async def test_pause_and_resume_say_who_and_why(
    client: TestClient[web.Request, web.Application], fake: Fake, call: str
) -> None:
    body = {"reason": "load test", "actor": "ann", "wait_seconds": 2}
    headers = {"If-Match": '"5"'}
    response = await client.post(f"/api/v1/shadow/{call}", json=body, headers=headers)
    assert response.status == 200
    assert (await response.json())["revision"] == 5
    actor = Actor(who="ann", via="api", credential="admin-token")
    said = {"actor": actor, "reason": "load test", "patience": 2.0, "seen": 5}
    assert fake.calls == [(call, (), said)]


async def test_a_pause_needs_no_reason(
    client: TestClient[web.Request, web.Application], fake: Fake
) -> None:
    response = await client.post("/api/v1/shadow/pause", json={})
    assert response.status == 200
    assert [told["reason"] for _, _, told in fake.calls] == ["none given"]


@pytest.mark.parametrize(
    ("method", "path", "body", "detail"),
    [
        pytest.param("GET", "rules", None, "the parameter route is missing", id="no route"),
        pytest.param("GET", "exemplars?route=", None, "route is missing", id="empty route"),
        pytest.param(
            "GET", "report?routes=a", None, "unknown parameter 'routes'; this call takes route",
            id="misspelt",
        ),
        pytest.param("GET", "report?route=a&route=b", None, "given twice", id="twice"),
        pytest.param("GET", "exemplars/a?raw=1", None, "this call takes none", id="none taken"),
        pytest.param("POST", "pause", {"reason": " "}, "the body is not what", id="blank reason"),
        pytest.param(
            "POST", "what-if", {"route": "a", "draft": []}, "the body is not what", id="empty draft"
        ),
        pytest.param(
            "POST", "what-if", {"route": "a", "draft": ["$.a"]}, "the body is not what",
            id="no rules",
        ),
        pytest.param(
            "POST", "triage", {"route": "a", "fingerprint": "b"}, "ticket or note", id="no word"
        ),
        pytest.param("POST", "replay", {"id": ""}, "the body is not what", id="no exemplar"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_never_reaches_it(
    client: TestClient[web.Request, web.Application],
    fake: Fake,
    method: str,
    path: str,
    body: object,
    detail: str,
) -> None:
    response = await client.request(method, f"/api/v1/shadow/{path}", json=body)
    assert response.status == 400
    assert response.content_type == "application/problem+json"
    assert detail in (await response.json())["detail"]
    assert fake.calls == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        pytest.param(Refusal.INVALID, 400, id="invalid"),
        pytest.param(Refusal.UNKNOWN, 404, id="unknown"),
        pytest.param(Refusal.CONFLICT, 409, id="conflict"),
        pytest.param(Refusal.UNAVAILABLE, 503, id="unavailable"),
    ],
)
async def test_a_refusal_is_a_problem_with_its_words(
    client: TestClient[web.Request, web.Application], fake: Fake, kind: Refusal, status: int
) -> None:
    fake.refuses = Refused(kind, "the observer is starting")
    response = await client.get("/api/v1/shadow/report")
    assert response.status == status
    assert (await response.json())["detail"] == "the observer is starting"


async def test_nothing_is_told_without_the_token(
    client: TestClient[web.Request, web.Application], fake: Fake
) -> None:
    for path in ("report", "exemplars/a1"):
        response = await client.get(
            f"/api/v1/shadow/{path}", headers={"Authorization": "Bearer no"}
        )
        assert response.status == 401
    assert fake.calls == []


def test_every_call_is_described_has_a_role_and_every_description_is_a_call() -> None:
    nobody = cast(Any, None)
    app = build(
        cast(Any, SimpleNamespace(shadow=None)),
        nobody,
        nobody,
        Guard(token=TOKEN, admin_host="localhost"),
        structlog.get_logger(),
        calls=(
            *TokenApi(nobody).routes(),
            *AuditApi(Path("audit.jsonl"), nobody).routes(),
            *PlanApi(nobody).routes(),
            *FlagsApi(nobody, nobody).routes(),
            *HookApi(None).routes(),
        ),
    )
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    told = {(method, path) for path, methods in document()["paths"].items() for method in methods}
    assert served == told
    with_a_role = {(method.lower(), path) for method, path in NEEDS}
    assert with_a_role == {
        (method, path) for method, path in told if path not in OPEN_PATHS | OWN_SECRET_PATHS
    }


def test_the_description_names_every_operation_once_and_every_schema_it_uses() -> None:
    page = document()
    operations = [operation for methods in page["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z_]+", name) for name in names)
    used = set(re.findall(r"#/components/schemas/(\w+)", str(page)))
    assert used <= set(page["components"]["schemas"])
    report = page["components"]["schemas"]["RouteReport"]["properties"]
    assert {"verdict", "reasons", "eligible", "outcomes", "causes", "to_go", "epoch"} <= set(report)
