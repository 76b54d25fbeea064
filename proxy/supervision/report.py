"""What is running, told: the status, the workers' sum and the supervisor's own numbers."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flags.scope import ALL
from proxy.fleet.outside import Outside
from proxy.fleet.replica import Facts
from proxy.fleet.series import series as outside_series
from proxy.supervision import catalogue
from proxy.supervision.control import Control
from proxy.supervision.crew import Crew
from proxy.supervision.health import HealthChecks
from proxy.supervision.listener import Address
from proxy.supervision.log import LogWriter
from proxy.supervision.observer_process import Observer
from proxy.supervision.status import EndpointView, FileView, Phase, Status, WorkerView
from proxy.supervision.traffic import Traffic
from proxy.supervision.worker_process import WorkerState
from proxy.tally import Metric, Series, TallySnapshot, add

try:
    VERSION = version("figway")
except PackageNotFoundError:  # an unpacked source tree
    VERSION = "0"


class Report:
    """Reads what others own. `phase` is set by the supervisor."""

    def __init__(
        self,
        *,
        control: Control,
        crew: Crew,
        observer: Observer,
        health: HealthChecks,
        writer: LogWriter,
        listen: Address,
        admin: Address,
        state_directory: Path,
        traffic: Traffic,
    ) -> None:
        self.phase = Phase.STARTING
        # Set once it is there.
        self.outside: Outside | None = None
        # Why the file of tokens is not used; empty when it is.
        self.tokens_problem: Callable[[], str] = str
        # Calls of the admin listener that were not carried out, by status.
        self.admin_refusals: Callable[[], Mapping[int, int]] = dict
        self._control = control
        self._crew = crew
        self._observer = observer
        self._health = health
        self._writer = writer
        self._listen = listen
        self._admin = admin
        self._state_directory = state_directory
        self._traffic = traffic

    def status(self) -> Status:
        """What is running now."""
        control = self._control
        fleet = None if self.outside is None else self.outside.fleet
        return Status(
            version=VERSION,
            pid=os.getpid(),
            phase=self.phase,
            listen=str(self._listen),
            admin=str(self._admin),
            revision=self._crew.revision,
            routes=FileView(
                path=str(control.files.path),
                revision=control.file.revision,
                source="file",
                problems=control.files.route_problems,
            ),
            flags=FileView(
                path=str(control.switches.file.path),
                revision=str(control.switches.state.revision),
                source=control.switches.file.origin,
                problems=control.switches.file.problems,
            ),
            holds=control.holds,
            workers=tuple(
                WorkerView(
                    worker=worker.number,
                    pid=worker.pid,
                    state=worker.state.value,
                    uptime_seconds=round(worker.uptime, 3),
                    revision=worker.applied_revision,
                    config_revision=worker.config_revision,
                )
                for worker in self._crew.workers
            ),
            worker_restarts=self._crew.restarts,
            observer=self._observer.view(),
            shadow_pauses=control.shadow.pauses,
            endpoints=tuple(
                EndpointView(
                    upstream=endpoint.upstream,
                    endpoint=endpoint.url,
                    healthy=endpoint.healthy,
                    error=endpoint.last_error,
                )
                for endpoint in self._health.endpoints
            ),
            state_directory=str(self._state_directory),
            sentinel=str(control.rollbacks.sentinel),
            replica=control.switches.replica,
            provider=None if self.outside is None else self.outside.provider_view(),
            fleet=None if self.outside is None else self.outside.fleet_view(),
            replicas=() if self.outside is None else self.outside.replica_views(),
            differences=() if fleet is None else fleet.differences,
            audit_owed=control.journal.owed,
            tokens_problem=self.tokens_problem(),
        )

    async def fresh_status(self) -> Status:
        """What is running now, with what the other replicas say at this moment."""
        if self.outside is not None:
            await self.outside.look()
        return self.status()

    @property
    def flags_from(self) -> str:
        """What says the flags now."""
        if self.outside is None:
            return self._control.switches.file.origin
        return self.outside.flags_from

    def facts(self) -> Facts:
        """What this replica tells the others of itself."""
        outside, control = self.outside, self._control
        assert outside is not None
        age, fleet = outside.flags_age, outside.fleet
        unproven = 0.0 if fleet is None else fleet.unproven_seconds
        workers = self._crew.workers
        return Facts(
            replica=outside.replica,
            boot=outside.boot,
            version=VERSION,
            admin=outside.admin,
            phase=self.phase.value,
            config=control.file.revision,
            applied=0 if fleet is None else fleet.applied,
            provider=control.switches.provider.value,
            flags_from=outside.flags_from,
            flags_revision=outside.flags_revision,
            # Rounded, so that what has not changed is not told again.
            flags_age=None if age is None else float(round(age)),
            workers=len(workers),
            workers_ready=sum(worker.state is WorkerState.READY for worker in workers),
            stale=float(round(unproven)) if unproven > outside.plane.control.stale_after else 0.0,
            traffic=self._traffic.now(),
            holds=tuple(f"{hold.scope} by {hold.source}" for hold in control.holds),
        )

    async def tally(self) -> TallySnapshot:
        """The sum over all workers and the observer, dead ones included."""
        return add(tuple(await asyncio.gather(self._crew.collect(), self._observer.collect())))

    def series(self) -> tuple[Series, ...]:
        """What only the supervisor counts."""
        control = self._control
        status = self.status()
        states = dict.fromkeys(("starting", "ready", "draining"), 0.0)
        for worker in status.workers:
            states[worker.state] += 1
        sound = not control.files.route_problems and not control.switches.file.problems
        scopes = {ALL: 0.0} | {hold.scope: 1.0 for hold in status.holds}
        return (
            *(_row(catalogue.WORKERS, count, state) for state, count in states.items()),
            _row(catalogue.WORKER_RESTARTS, self._crew.restarts),
            _row(catalogue.OBSERVER_UP, status.observer.state == "ready"),
            _row(catalogue.OBSERVER_RESTARTS, status.observer.restarts),
            _row(catalogue.SHADOW_PAUSED, bool(status.shadow_pauses)),
            *(
                _row(catalogue.WORKER_REVISION, worker.revision, str(worker.worker))
                for worker in status.workers
            ),
            *(_row(catalogue.ROLLBACK_ACTIVE, value, scope) for scope, value in scopes.items()),
            _row(catalogue.FLAGS_REVISION, status.revision),
            _row(catalogue.FLAGS_SOURCE, 1, self.flags_from),
            *(() if self.outside is None else outside_series(self.outside)),
            _row(catalogue.CONFIG_INFO, 1, control.file.revision),
            *(
                _row(catalogue.CONFIG_RELOADS, n, outcome)
                for outcome, n in control.files.reloads.items()
            ),
            _row(catalogue.CONFIG_LAST_RELOAD, sound),
            *(
                _row(
                    catalogue.UPSTREAM_HEALTHY,
                    endpoint.healthy,
                    endpoint.upstream,
                    endpoint.endpoint,
                )
                for endpoint in status.endpoints
            ),
            _row(catalogue.SUPERVISOR_LOG_DROPPED, self._writer.dropped),
            _row(catalogue.AUDIT_FAILURES, control.journal.failures),
            _row(catalogue.AUDIT_OWED, control.journal.owed),
            *(
                _row(catalogue.ADMIN_REFUSALS, count, str(code))
                for code, count in sorted(self.admin_refusals().items())
            ),
            _row(catalogue.BUILD_INFO, 1, status.version, platform.python_version()),
        )


def _row(metric: Metric, value: float, *labels: str) -> Series:
    return Series(metric=metric.name, labels=labels, value=float(value))
