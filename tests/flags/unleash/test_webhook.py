"""The webhook: whose word it is, what it is taken for, and what comes of it."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from flags.unleash.events import Event
from flags.unleash.webhook import Webhook
from tests.flags.unleash.conftest import Connect
from tests.flags.unleash.listening import Listening
from tests.rigs.fake_unleash import FakeUnleash

BODY = json.dumps(
    {
        "id": 19,
        "type": "feature-environment-disabled",
        "createdBy": "ada@example.com",
        "featureName": "figway-catalog",
        "environment": "production",
        "project": "default",
        "data": None,
    }
).encode()


class Heard:
    def __init__(self) -> None:
        self.events: list[Event | None] = []

    def heard(self, event: Event | None) -> None:
        self.events.append(event)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param("Bearer hook-secret", 202, id="bearer"),
        pytest.param("bearer  hook-secret ", 202, id="however it was typed"),
        pytest.param("hook-secret", 202, id="as it is"),
        pytest.param("", 401, id="none"),
        pytest.param("Bearer", 401, id="no token"),
        pytest.param("Bearer hook-secret2", 401, id="longer"),
        pytest.param("Bearer hook-secre", 401, id="shorter"),
        pytest.param("Bearer HOOK-SECRET", 401, id="other case"),
        pytest.param("Basic aG9vay1zZWNyZXQ=", 401, id="another scheme"),
        pytest.param("Bearer \udcff", 401, id="not text"),
    ],
)
def test_only_who_has_the_webhook_token_is_heard(authorization: str, status: int) -> None:
    heard = Heard()
    webhook = Webhook(heard, token="Bearer hook-secret")
    assert webhook.received(authorization, BODY) == status
    assert len(heard.events) == (status == 202)
    assert webhook.counts == {"accepted": int(status == 202), "refused": int(status != 202)}


@pytest.mark.parametrize("authorization", ["", "Bearer ", "anything"])
def test_without_a_token_it_is_closed(authorization: str) -> None:
    heard = Heard()
    assert Webhook(heard, token="").received(authorization, BODY) == 404
    assert heard.events == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"deployed figway-catalog :tada:", id="a template of the user's own"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b'{"type": "feature-archived"}', id="no id"),
        pytest.param(b'{"id": true}', id="a boolean for an id"),
        pytest.param(b'{"id": -4}', id="a negative id"),
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'\xff{"id": 3}', id="not UTF-8"),
    ],
)
def test_a_call_without_a_readable_event_is_still_a_call(body: bytes) -> None:
    heard = Heard()
    assert Webhook(heard, token="t").received("t", body) == 202
    assert heard.events == [None]


def test_an_event_is_read_with_who_did_it() -> None:
    heard = Heard()
    Webhook(heard, token="t").received("t", BODY)
    assert heard.events == [
        Event(
            id=19,
            kind="feature-environment-disabled",
            who="ada@example.com",
            flag="figway-catalog",
            environment="production",
        )
    ]


async def test_an_event_is_fetched_for_until_its_revision_is_served(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    """Unleash may call before it serves the change itself."""
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect(poll=600.0)
    await listening.until(lambda: listening.health.state == "ok")
    before = fake_unleash.answer()
    fake_unleash.flag("figway-catalog", percent=25, group="catalog", enabled=False)
    late = [web.json_response(before, headers={"ETag": '"old"'}) for _ in range(3)]
    fake_unleash.fault = lambda _: late.pop() if late else None

    feed.heard(
        Event(
            id=fake_unleash.revision,
            kind="feature-environment-disabled",
            who="ada@example.com",
            flag="figway-catalog",
            environment="production",
        )
    )
    assert listening.elsewhere == 1
    await listening.until(lambda: listening.percent("catalog") == 0)
    assert listening.news[-1].who == "ada@example.com"
    assert listening.news[-1].event == str(fake_unleash.revision)
    # The others were told by the call itself.
    assert listening.elsewhere == 1


async def test_a_change_that_a_poll_finds_is_told_to_the_others_once(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    connect()
    await listening.until(lambda: listening.health.state == "ok")
    assert listening.elsewhere == 0
    fake_unleash.flag("figway-catalog", percent=30, group="catalog")
    await listening.until(lambda: listening.percent("catalog") == 30)
    await listening.another_look()
    assert listening.elsewhere == 1


async def test_a_change_that_another_replica_told_of_is_not_told_back(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect(poll=600.0)
    await listening.until(lambda: listening.health.state == "ok")
    fake_unleash.flag("figway-catalog", percent=30, group="catalog")
    feed.refetch()
    await listening.until(lambda: listening.percent("catalog") == 30)
    assert listening.elsewhere == 0
