"""The publisher: one state under one revision, sent to every worker, and who confirmed it."""

from __future__ import annotations

import time

from structlog.typing import FilteringBoundLogger

from proxy.routing.route import RouteFile
from proxy.supervision.crew import Acknowledgement, Crew, Publication
from proxy.supervision.switches import Switches

# How long workers have for a change that nobody waits for.
PATIENCE_SECONDS = 5.0


class Publisher:
    """Owns the revision of the state that workers use."""

    def __init__(self, *, crew: Crew, switches: Switches, log: FilteringBoundLogger) -> None:
        self._crew = crew
        self._switches = switches
        self._log = log
        self.revision = 0

    def next_revision(self) -> int:
        """Higher than every one before, also over a restart: microseconds, never standing still."""
        self.revision = max(self.revision + 1, time.time_ns() // 1000)
        return self.revision

    def publish(
        self, file: RouteFile | None = None, unhealthy: tuple[str, ...] | None = None
    ) -> Publication:
        """Send the switches as they are now, and routes or health if they are given."""
        revision = self.next_revision()
        return self._crew.publish(
            revision=revision,
            flags=self._switches.snapshot(revision),
            routes=file,
            unhealthy=unhealthy,
        )

    def publish_health(self, unhealthy: tuple[str, ...]) -> None:
        """Tell workers which endpoints fail; nobody waits for it."""
        self._crew.abandon(self.publish(unhealthy=unhealthy))

    async def confirmed(
        self, publication: Publication, patience: float = PATIENCE_SECONDS
    ) -> Acknowledgement:
        """Wait for every worker that lived when it was sent; whoever is missing is logged."""
        confirmed = await self._crew.confirmed(publication, patience)
        for missing in confirmed.missing:
            self._log.error(
                "state_unconfirmed",
                worker=missing.worker,
                pid=missing.pid,
                revision=confirmed.revision,
                waited_seconds=patience,
            )
        return confirmed

    async def current(self, patience: float = PATIENCE_SECONDS) -> Acknowledgement:
        """Wait until every live worker uses what was published last."""
        return await self.confirmed(self._crew.expect(self.revision), patience)
