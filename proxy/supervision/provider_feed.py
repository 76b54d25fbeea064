"""The provider that tells by itself (Unleash): its news on the way to workers, latch and audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from flags.feed import FeedHealth, FeedNews, FlagFeed
from proxy.supervision.audit import Actor
from proxy.supervision.background import Background
from proxy.supervision.crew import Publication
from proxy.supervision.flag_moves import Move, moves, position
from proxy.supervision.journal import Journal
from proxy.supervision.publisher import PATIENCE_SECONDS, Publisher
from proxy.supervision.switches import Switches


class ProviderFeed:
    """One feed in use. It is a FeedListener."""

    def __init__(
        self,
        feed: FlagFeed,
        *,
        where: str,
        switches: Switches,
        publisher: Publisher,
        journal: Journal,
        log: FilteringBoundLogger,
    ) -> None:
        """`where` is what people call the source, such as its address."""
        self.feed = feed
        self.where = where
        self.health = FeedHealth(state="starting")
        # Called when other replicas should fetch too.
        self.on_changed: Callable[[str], None] = _nobody
        self._switches = switches
        self._publisher = publisher
        self._journal = journal
        self._log = log
        self._began = time.monotonic()
        # Before the workers run there is nobody to tell, and nothing to wait for.
        self._serving = False
        # Told before then: workers may have been started with what was known before that.
        self._unpublished = False
        # Set once the source has answered, or that it cannot is known.
        self.answered = asyncio.Event()
        self._background = Background(log)

    def start(self) -> None:
        """Take what the disk kept, then begin to fetch."""
        self.feed.start(self)

    def serve(self) -> None:
        """The workers run: from now on news are published, and what came while they started."""
        self._serving = True
        if self._unpublished:
            self._publisher.tell()

    async def close(self) -> None:
        """Let go."""
        await self._background.close()
        await self.feed.close()

    @property
    def age(self) -> float:
        """Seconds since the source confirmed what is held; since the start, if it never did."""
        return time.monotonic() - (self.health.confirmed_at or self._began)

    # What the feed tells.

    def on_flags(self, news: FeedNews) -> None:
        """Use it at once; who did it is found out afterwards."""
        before = position(self._switches)
        if not self._switches.use_feed(news.state, self.feed.name, self.where):
            return
        if not self._serving:
            self._unpublished = True
            return
        publication = self._publisher.publish()
        moved = moves(before, position(self._switches))
        self._background.begin(self._used(news, publication, moved), "flags")

    async def _used(
        self, news: FeedNews, publication: Publication, moved: tuple[Move, ...]
    ) -> None:
        confirmed = await self._publisher.confirmed(publication)
        news = await self.feed.attribute(news)
        self._log.info(
            "flags_applied",
            path=self.where,
            revision=confirmed.revision,
            source_revision=news.state.revision,
            applied_ms=confirmed.ms,
            actor=news.who or self.feed.name,
            event_id=news.event,
        )
        actor = Actor(who=news.who or self.feed.name, via="unleash", event=news.event)
        for move in moved:
            if "rolled back" in move.before + move.after:
                self._log.warning(
                    "rollback_flag_changed", scope=move.scope, before=move.before, after=move.after
                )
        reason = f"{self.where}, revision {news.state.revision}"
        await self._journal.write_moves(moved, "flag", actor, reason, confirmed)
        await self._journal.keep_latch(PATIENCE_SECONDS)

    def on_health(self, health: FeedHealth) -> None:
        """Tell when it gets better or worse, and every problem once."""
        before, self.health = self.health, health
        if health.state != "starting":
            self.answered.set()
        if before.state != health.state or before.detail != health.detail:
            if health.state == "ok":
                self._log.info("provider_connected", provider=self.feed.name, where=self.where)
            elif health.state != "starting":
                self._log.error(
                    "provider_failing",
                    provider=self.feed.name,
                    state=health.state,
                    detail=health.detail,
                )
        for problem in health.problems:
            if problem not in before.problems:
                self._log.warning("flag_without_effect", detail=problem)
        for name in health.held:
            if name not in before.held:
                self._log.error("flag_missing", flag=name, provider=self.feed.name)

    def on_changed_elsewhere(self) -> None:
        """Pass it on."""
        self.on_changed(self.feed.name)


def _nobody(_: str) -> None:
    """Take the place of a listener that is not there."""
