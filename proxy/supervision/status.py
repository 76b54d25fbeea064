"""What is running: the values that `figway status`, /readyz and the metrics tell of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.fleet.divergence import Difference
from proxy.fleet.view import FleetView, ProviderView, ReplicaStatus
from proxy.supervision.change import HoldView


class Phase(StrEnum):
    """Where the whole process is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One worker and the revision that it has confirmed."""

    worker: int
    pid: int
    state: str
    uptime_seconds: float
    revision: int
    config_revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """One endpoint with a health check."""

    upstream: str
    endpoint: str
    healthy: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverView:
    """The observer: off (no route needs it), starting, ready, draining, or down and why."""

    state: str
    pid: int = 0
    uptime_seconds: float = 0.0
    restarts: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """One thing that keeps shadow traffic from being sent: a command or the file."""

    by: str
    # How it ends.
    lift: str
    since: str = ""
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A watched file: the revision in use, and why the newest content is not used, if it is not."""

    path: str
    revision: str
    source: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything `figway status` shows. `revision` is the state workers were last told to use."""

    version: str
    pid: int
    phase: Phase
    listen: str
    admin: str
    revision: int
    routes: FileView
    flags: FileView
    holds: tuple[HoldView, ...]
    workers: tuple[WorkerView, ...]
    worker_restarts: int
    observer: ObserverView
    shadow_pauses: tuple[PauseView, ...]
    endpoints: tuple[EndpointView, ...]
    state_directory: str
    sentinel: str
    # The name of this replica, where its percentages come from, and its fleet; None: it has none.
    replica: str = ""
    provider: ProviderView | None = None
    fleet: FleetView | None = None
    replicas: tuple[ReplicaStatus, ...] = ()
    # In what live replicas have differed for too long.
    differences: tuple[Difference, ...] = ()
    # Entries of the audit that the disk has not taken, and why the file of tokens is not used.
    audit_owed: int = 0
    tokens_problem: str = ""

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why this figway should get no traffic; empty when it is ready."""
        if self.phase is not Phase.SERVING:
            return (f"figway is {self.phase.value}",)
        if not any(worker.state == "ready" for worker in self.workers):
            return ("no worker is ready",)
        if self.fleet is not None and self.fleet.fresh_peer:
            return (
                f"the newest shared state was not proven for {self.fleet.unproven_seconds:.0f} s,"
                f" and {self.fleet.fresh_peer} is fresh",
            )
        return ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What an operator should know; it does not take this figway out of service."""
        behind = [w for w in self.workers if w.revision < self.revision and w.state != "starting"]
        return (
            *(f"routes refused, the ones before stay: {p}" for p in self.routes.problems),
            *(f"flags refused, the ones before stay: {p}" for p in self.flags.problems),
            *self._provider_remarks,
            *self._fleet_remarks,
            *(
                f"{self.audit_owed} entries of the audit wait for the state directory"
                for _ in "1"
                if self.audit_owed
            ),
            *(f"tokens refused, the ones before stay: {p}" for p in (self.tokens_problem,) if p),
            *(f"rolled back: {hold.scope} by {hold.source}" for hold in self.holds),
            *(f"worker {w.worker} has not confirmed revision {self.revision}" for w in behind),
            *(f"shadow traffic is paused by {pause.by}" for pause in self.shadow_pauses),
            *(
                f"no shadow traffic: {self.observer.why}"
                for _ in "1"
                if self.observer.state == "down"
            ),
            *(
                f"{e.upstream} {e.endpoint} fails: {e.error}"
                for e in self.endpoints
                if not e.healthy
            ),
        )

    @property
    def _provider_remarks(self) -> tuple[str, ...]:
        provider = self.provider
        if provider is None or provider.name == "file":
            return () if self.flags.source == "file" else (f"flags come from {self.flags.source}",)
        remarks = []
        if provider.from_disk and provider.connection != "ok":
            remarks.append(f"flags of {provider.name} come from what the disk kept")
        if provider.state != "fresh":
            remarks.append(
                f"flags are {provider.state}: {provider.name} has not confirmed them for"
                f" {provider.age_seconds:.0f} s"
            )
        if provider.connection not in ("ok", "starting"):
            remarks.append(f"{provider.name} is {provider.connection}: {provider.detail}")
        if provider.to_legacy:
            remarks.append(f"on legacy while flags are stale: {', '.join(provider.to_legacy)}")
        remarks += [f"{name} is missing in {provider.name}, held" for name in provider.held]
        return tuple(remarks)

    @property
    def _fleet_remarks(self) -> tuple[str, ...]:
        fleet = self.fleet
        if fleet is None:
            return ()
        remarks = [f"the fleet differs: {each.detail}" for each in self.differences]
        if fleet.stale:
            remarks.append(
                f"control plane stale: the newest shared state was not proven for"
                f" {fleet.unproven_seconds:.0f} s"
            )
        if fleet.detail:
            remarks.append(f"the shared store is {fleet.state}: {fleet.detail}")
        return tuple(remarks)
