"""The feed over a restart: what the disk kept, when it is used, and when not."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from flags.unleash.answers import EPOCH
from tests.flags.unleash.conftest import Connect, prepared
from tests.flags.unleash.listening import Listening
from tests.rigs.child import free_ports
from tests.rigs.fake_unleash import FakeUnleash

KEPT = "last-good-unleash.json"


async def test_provider_down_cold_start_uses_the_last_known_good_file(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect, tmp_path: Path
) -> None:
    prepared(fake_unleash)
    fake_unleash.segments = [
        {
            "id": 1,
            "name": "beta",
            "constraints": [{"contextName": "country", "operator": "IN", "values": ["SE"]}],
        }
    ]
    fake_unleash.features["figway-cart"] = {
        "name": "figway-cart",
        "enabled": True,
        "strategies": [{"name": "default", "parameters": {}, "segments": [1]}],
    }
    feed = connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    fake_unleash.remove("figway-home")
    await listening.until(lambda: listening.health.held == ("route:home",))
    before = listening.state
    await feed.close()
    assert (tmp_path / KEPT).stat().st_mode & 0o777 == 0o600

    later = len(listening.news)
    connect(url=fake_unleash.url, token="default:production.refused-now")
    # At once: nothing was fetched yet.
    assert len(listening.news) == later + 1
    assert listening.state == before
    assert listening.state.routes["cart"].rule is not None
    assert listening.health.from_disk
    assert listening.health.held == ("route:home",)
    await listening.until(lambda: listening.health.state == "refused")
    assert listening.percent("catalog") == 25
    assert listening.health.from_disk


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[:-20], id="torn"),
        pytest.param(lambda content: content.replace(b"25", b"99"), id="another percentage"),
        pytest.param(lambda content: b"\x00" * len(content), id="zeros"),
        pytest.param(lambda content: content.replace(b'"version": 1', b'"version": 7'), id="newer"),
        pytest.param(lambda content: b"[" * 200_000, id="nested"),
    ],
)
async def test_a_damaged_last_known_good_file_is_told_of_and_not_used(
    fake_unleash: FakeUnleash,
    listening: Listening,
    connect: Connect,
    tmp_path: Path,
    damage: object,
) -> None:
    prepared(fake_unleash)
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    await feed.close()
    kept = tmp_path / KEPT
    kept.write_bytes(damage(kept.read_bytes()))  # type: ignore[operator] # what the table holds
    told = len(listening.news)

    connect(url=f"http://127.0.0.1:{free_ports(1)[0]}")
    await listening.until(lambda: listening.health.state == "down")

    assert len(listening.news) == told
    assert any(str(kept) in problem for problem in listening.health.problems)


async def test_a_disk_that_cannot_be_written_is_told_of_and_flags_work(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / KEPT).mkdir()
    prepared(fake_unleash)
    connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    await listening.until(lambda: any(KEPT in p for p in listening.health.problems))


async def test_what_was_kept_of_another_environment_is_not_used_and_does_not_stand_in_the_way(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    prepared(fake_unleash)
    fake_unleash.revision = 900
    feed = connect()
    await listening.until(lambda: listening.percent("catalog") == 25)
    await feed.close()
    told = len(listening.news)

    fake_unleash.revision = 7
    fake_unleash.fault = lambda request: (
        web.json_response(fake_unleash.answer(), headers={"ETag": '"dev"'})
        if "development" in request.headers["Authorization"]
        else None
    )
    connect(token="default:development.secret")
    assert len(listening.news) == told
    await listening.until(lambda: len(listening.news) > told)
    assert listening.state.revision == EPOCH + 7


async def test_a_lost_last_known_good_file_does_not_make_old_answers_new(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    prepared(fake_unleash)
    connect(newest=2 * EPOCH + 1)
    await listening.until(lambda: bool(listening.news))
    assert listening.state.revision == 2 * EPOCH + fake_unleash.revision
