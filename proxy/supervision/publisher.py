"""The publisher: one state under one revision, sent to every worker, and who confirmed it."""

from __future__ import annotations

import time
from dataclasses import replace

from structlog.typing import FilteringBoundLogger

from flags.snapshot import FlagSnapshot
from proxy.routing.route import RouteFile
from proxy.supervision.change import Refusal, Refused
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
        # The first revision with the routes, flags, rollbacks and pause that are in use now.
        self.changed_revision = 0
        self._flags: FlagSnapshot | None = None

    def next_revision(self) -> int:
        """Higher than every one before, also over a restart: microseconds, never standing still."""
        self.revision = max(self.revision + 1, time.time_ns() // 1000)
        if not self.changed_revision:
            # What stood before this process began may have been changed without it.
            self.changed_revision = self.revision
            self._flags = replace(self._switches.snapshot(0), revision=0)
        return self.revision

    def check_seen(self, revision: int | None) -> None:
        """Pass if all that somebody saw at a revision is in use still. Raises Refused.

        None: no revision was named. Health checks and repeated commands change nothing.
        """
        if revision is None or self.changed_revision <= revision <= self.revision:
            return
        raise Refused(
            Refusal.STALE,
            f"something was changed since revision {revision}: it is {self.revision} now; look at"
            " `figway status`, then repeat with that revision",
        )

    def publish(
        self, file: RouteFile | None = None, unhealthy: tuple[str, ...] | None = None
    ) -> Publication:
        """Send the switches as they are now, and routes or health if they are given."""
        revision = self.next_revision()
        flags = self._switches.snapshot(revision)
        decisive = replace(flags, revision=0)
        if file is not None or decisive != self._flags:
            self.changed_revision = revision
        self._flags = decisive
        return self._crew.publish(
            revision=revision,
            flags=flags,
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

    def tell(self) -> None:
        """Send the switches as they are now; nobody waits for this publication itself."""
        self._crew.abandon(self.publish())

    async def used(self, revision: int, patience: float = PATIENCE_SECONDS) -> Acknowledgement:
        """Wait until every live worker uses this revision or a later one."""
        return await self.confirmed(self._crew.expect(revision), patience)
