"""What tests of the Unleash feed share: a scripted server, a listener, feeds that are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flags.unleash.connection import UnleashConnection
from flags.unleash.feed import Names, UnleashFeed
from tests.flags.unleash.listening import Listening
from tests.rigs.fake_unleash import ADMIN_TOKEN, TOKEN, FakeUnleash, fake_unleash

__all__ = ["fake_unleash"]

NAMES = Names(groups=("purchase",), routes=("catalog", "home", "cart"))
Connect = Callable[..., UnleashFeed]


def prepared(server: FakeUnleash) -> None:
    """Three flags of ours, and one of somebody else."""
    server.flag("figway-catalog", percent=25, group="catalog")
    server.flag("figway-home", percent=5, group="home")
    server.flag("figway-rollback", enabled=False)
    server.flag("newsletter")


@pytest.fixture
def listening() -> Listening:
    return Listening()


@pytest.fixture
async def connect(
    loop: asyncio.AbstractEventLoop,
    fake_unleash: FakeUnleash,
    listening: Listening,
    tmp_path: Path,
) -> AsyncIterator[Connect]:
    """Start a feed on the scripted server; everything about it can be told otherwise."""
    feeds: list[UnleashFeed] = []

    def started(
        *,
        names: Callable[[], Names] = lambda: NAMES,
        newest: int = 0,
        usage: Any = None,
        **other: Any,
    ) -> UnleashFeed:
        settings = {"url": fake_unleash.url, "token": TOKEN, "admin_token": ADMIN_TOKEN}
        connection = UnleashConnection(**{**settings, "poll": 0.02, "patience": 5.0, **other})
        feed = UnleashFeed(
            connection,
            names=names,
            last_good=tmp_path / "last-good-unleash.json",
            newest=newest,
            usage=usage,
        )
        feeds.append(feed)
        feed.start(listening)
        return feed

    yield started
    for feed in feeds:
        await feed.close()
