"""Writing a percentage through: every way in which Unleash may refuse, told in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from flags.provider import FlagSourceError
from flags.unleash.admin_api import AdminApi
from flags.unleash.connection import UnleashConnection
from flags.unleash.pace import HURRY_STEPS
from tests.flags.unleash.conftest import Connect
from tests.flags.unleash.listening import Listening
from tests.rigs.child import free_ports
from tests.rigs.fake_unleash import ADMIN_TOKEN, TOKEN, FakeUnleash

SEARCH = "/api/admin/search/features"
FOUND = {"features": [{"name": "figway-catalog", "project": "shop"}]}
PLACE = "/api/admin/projects/shop/features/figway-catalog/environments/production"
ROLLOUT = {"id": "1", "name": "flexibleRollout", "parameters": {"rollout": "5"}}

Api = Callable[..., AdminApi]


@pytest.fixture
def api(fake_unleash: FakeUnleash) -> Api:
    def made(**other: Any) -> AdminApi:
        settings = {"url": fake_unleash.url, "token": TOKEN, "admin_token": ADMIN_TOKEN}
        return AdminApi(UnleashConnection(**{**settings, "patience": 5.0, **other}))

    return made


async def test_the_one_rollout_is_changed_where_it_is_and_an_off_flag_is_switched_on(
    fake_unleash: FakeUnleash, api: Api
) -> None:
    fake_unleash.answers = {
        ("GET", SEARCH): FOUND,
        ("GET", PLACE): {
            "enabled": False,
            "strategies": [{"id": "0", "name": "default", "disabled": True}, ROLLOUT],
        },
        ("PATCH", f"{PLACE}/strategies/1"): {},
        ("POST", f"{PLACE}/on"): {},
    }
    await api().set_percent("route:catalog", 2500, "production")
    assert [(each.method, each.path) for each in fake_unleash.asked] == list(fake_unleash.answers)
    assert fake_unleash.asked[2].body == [
        {"op": "replace", "path": "/parameters/rollout", "value": "25"}
    ]


async def test_zero_percent_switches_nothing_on(fake_unleash: FakeUnleash, api: Api) -> None:
    fake_unleash.answers = {
        ("GET", SEARCH): FOUND,
        ("GET", PLACE): {"enabled": False, "strategies": [ROLLOUT]},
        ("PATCH", f"{PLACE}/strategies/1"): {},
    }
    await api().set_percent("route:catalog", 0, "production")
    assert [each.method for each in fake_unleash.asked] == ["GET", "GET", "PATCH"]


@pytest.mark.parametrize(
    ("refusals", "words"),
    [
        pytest.param({("GET", SEARCH): 401}, "refuses the admin token (401)", id="wrong token"),
        pytest.param(
            {("PATCH", f"{PLACE}/strategies/1"): 403}, "needs the right to change flags", id="right"
        ),
        pytest.param(
            {("PATCH", f"{PLACE}/strategies/1"): 409},
            "answers 409: as the test wants it",
            id="refused by a rule of Unleash",
        ),
        pytest.param({("GET", PLACE): 500}, "answers 500", id="broken"),
    ],
)
async def test_a_refusal_of_unleash_is_passed_on(
    fake_unleash: FakeUnleash, api: Api, refusals: dict[tuple[str, str], int], words: str
) -> None:
    fake_unleash.answers = {
        ("GET", SEARCH): FOUND,
        ("GET", PLACE): {"enabled": True, "strategies": [ROLLOUT]},
    }
    fake_unleash.refusals = refusals
    with pytest.raises(FlagSourceError) as refused:
        await api().set_percent("route:catalog", 2500, "production")
    assert words in str(refused.value)
    assert "admin-secret" not in str(refused.value)


async def test_a_percentage_that_is_written_and_not_served_is_not_called_done(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flags.unleash.feed.SERVED_SECONDS", 0.2)
    fake_unleash.answers = {
        ("GET", SEARCH): FOUND,
        ("GET", PLACE): {"enabled": True, "strategies": [ROLLOUT]},
        ("PATCH", f"{PLACE}/strategies/1"): {},
    }
    fake_unleash.flag("figway-catalog", percent=5, group="catalog")
    feed = connect()
    await listening.until(lambda: listening.percent("catalog") == 5)
    with pytest.raises(FlagSourceError, match="is written to Unleash, which has not served it"):
        await feed.set_percent("route:catalog", 2500)
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    await feed.set_percent("route:catalog", 2500)
    assert listening.percent("catalog") == 25


async def test_a_percentage_is_asked_for_until_it_is_served(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.answers = {
        ("GET", SEARCH): FOUND,
        ("GET", PLACE): {"enabled": True, "strategies": [ROLLOUT]},
        ("PATCH", f"{PLACE}/strategies/1"): {},
    }
    fake_unleash.flag("figway-catalog", percent=5, group="catalog")
    # Nothing but the hurry can find it.
    feed = connect(poll=3600.0)
    await listening.until(lambda: listening.percent("catalog") == 5)
    setting = asyncio.create_task(feed.set_percent("route:catalog", 2500))
    fetches = len(fake_unleash.fetches())
    # More looks than one hurry has.
    await listening.until(lambda: len(fake_unleash.fetches()) >= fetches + len(HURRY_STEPS) + 3)
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    await setting
    assert listening.percent("catalog") == 25


async def test_without_an_admin_token_it_says_where_to_click(
    fake_unleash: FakeUnleash, api: Api
) -> None:
    with pytest.raises(FlagSourceError) as refused:
        await api(admin_token="").set_percent("group:purchase", 2500, "production")
    place = f"{fake_unleash.url}/projects/default/features/figway-purchase"
    assert place in str(refused.value)
    assert "FIGWAY_UNLEASH_ADMIN_TOKEN" in str(refused.value)
    assert fake_unleash.asked == []


async def test_an_environment_that_nobody_names_is_asked_for(api: Api) -> None:
    with pytest.raises(FlagSourceError, match=r"project:environment\.secret"):
        await api().set_percent("route:catalog", 2500, "")


async def test_a_server_that_is_gone_or_talks_nonsense_is_told_of(
    fake_unleash: FakeUnleash, api: Api
) -> None:
    gone = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(FlagSourceError, match="cannot be asked"):
        await api(url=gone).set_percent("route:catalog", 2500, "production")
    fake_unleash.answers = {("GET", SEARCH): web.Response(text="<html>")}
    with pytest.raises(FlagSourceError, match="cannot be asked"):
        await api().set_percent("route:catalog", 2500, "production")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"events": None}, id="null"),
        pytest.param({"events": [1, {"id": "x"}, None]}, id="no events"),
        pytest.param([], id="a list"),
    ],
)
async def test_an_event_log_that_cannot_be_read_is_an_empty_one(
    fake_unleash: FakeUnleash, api: Api, said: Any
) -> None:
    fake_unleash.answers = {("GET", "/api/admin/search/events"): said}
    assert await api().events() == ()
