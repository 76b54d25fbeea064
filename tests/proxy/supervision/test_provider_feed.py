"""The way of a provider's news to the workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from flags.feed import FeedNews
from flags.provider import FlagState
from proxy.supervision.provider_feed import ProviderFeed


class Publisher:
    def __init__(self) -> None:
        self.told = 0

    def tell(self) -> None:
        self.told += 1


class Switches:
    def __init__(self) -> None:
        self.used: list[FlagState] = []

    def use_feed(self, state: FlagState, origin: str, where: str) -> bool:
        self.used.append(state)
        return True

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(holds=())


class Feed:
    name = "unleash"

    def start(self, listener: ProviderFeed) -> None:
        """Tell nothing."""


@pytest.mark.parametrize("news", [0, 1, 3])
def test_a_rollback_that_comes_while_the_workers_start_reaches_them_once_they_serve(
    news: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were started with a snapshot of before it, and nothing else may happen for long."""
    monkeypatch.setattr("proxy.supervision.provider_feed.position", lambda _: None)
    publisher, switches = Publisher(), Switches()
    provided = ProviderFeed(
        Feed(),  # type: ignore[arg-type] # what is used of it here
        where="http://unleash",
        switches=switches,  # type: ignore[arg-type] # the same
        publisher=publisher,  # type: ignore[arg-type] # the same
        journal=None,  # type: ignore[arg-type] # the same
        log=structlog.get_logger(),
    )
    provided.start()
    for revision in range(news):
        provided.on_flags(FeedNews(state=FlagState(revision=revision, rollback=True)))
    assert len(switches.used) == news
    assert publisher.told == 0
    provided.serve()
    assert publisher.told == bool(news)
