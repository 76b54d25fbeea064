"""What operators ask for and what comes of it: the values between admin listener and control."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.fleet.acks import ReplicaAck
from proxy.fleet.spread import ALONE, NOBODY_ELSE, Reach, Spread
from proxy.supervision.crew import Ack, Acknowledgement, Missing


class Refusal(StrEnum):
    """Why a change is not made."""

    INVALID = "invalid"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    # Something has changed since the revision that was named.
    STALE = "stale"
    UNAVAILABLE = "unavailable"


class Refused(Exception):
    """The change is not made and nothing has changed; the message names the mend."""

    def __init__(self, kind: Refusal, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """One reason why something is rolled back."""

    scope: str
    source: str
    since: str
    actor: str
    reason: str
    # How it ends.
    lift: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change came to. `applied_ms` runs from the change to the last worker's word."""

    revision: int
    applied_ms: float
    workers: tuple[Ack, ...]
    unconfirmed: tuple[Missing, ...]
    holds: tuple[HoldView, ...]
    changed: bool = True
    # The scope that was asked for is still rolled back by these sources, some of them with more.
    still_held: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    # In a fleet: what each replica that was live meanwhile said, and how far the change got.
    replicas: tuple[ReplicaAck, ...] = ()
    fleet: Reach = NOBODY_ELSE


def change(
    acknowledgement: Acknowledgement,
    holds: tuple[HoldView, ...],
    *,
    changed: bool = True,
    still_held: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    fleet: Spread = ALONE,
) -> Change:
    """A change from the workers' words."""
    return Change(
        revision=acknowledgement.revision,
        applied_ms=acknowledgement.ms,
        workers=acknowledgement.workers,
        unconfirmed=acknowledgement.missing,
        holds=holds,
        changed=changed,
        still_held=still_held,
        warnings=warnings,
        replicas=fleet.replicas,
        fleet=fleet.reach,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one file at a reload: applied, unchanged or refused."""

    path: str
    outcome: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """What became of both files, and who uses them."""

    revision: int
    applied_ms: float
    workers: tuple[Ack, ...]
    unconfirmed: tuple[Missing, ...]
    files: tuple[FileOutcome, ...]
    warnings: tuple[str, ...] = ()
