"""What the replicas of a fleet share: rollbacks and percentages, merged by revision. Pure.

Each scope has its own newest word. Merging is commutative, associative and idempotent, so states
may arrive in any order, more than once, and from a store that forgot its last writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

_Word = TypeVar("_Word")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The newest word on the rollback of one scope: on, or off by a resume."""

    scope: str
    on: bool
    revision: int
    reason: str = ""
    actor: str = ""
    # The replica that was told first, and when, in seconds since the epoch by its clock.
    replica: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The newest word on the percentage of one group or route; basis points, 0..10000."""

    scope: str
    basis_points: int
    revision: int
    actor: str = ""
    replica: str = ""


def _no_marks() -> Mapping[str, Mark]:
    return MappingProxyType({})


def _no_shares() -> Mapping[str, Share]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """Everything the replicas share, by scope. `revision` is the newest in it."""

    revision: int = 0
    marks: Mapping[str, Mark] = field(default_factory=_no_marks)
    shares: Mapping[str, Share] = field(default_factory=_no_shares)


NOTHING_SHARED = SharedState()

# What a replica says when it goes, before its boot.
LEFT: Final = "left "
# What a replica said of itself is true for so long: the lease that it takes in the store.
LEASE_SECONDS: Final = 3.0


def merge(one: SharedState, other: SharedState) -> SharedState:
    """What both say: per scope the newest word; of two at one revision the one toward legacy."""
    return SharedState(
        revision=max(one.revision, other.revision),
        marks=MappingProxyType(
            {
                scope: max(_of(scope, one.marks, other.marks), key=_mark_order)
                for scope in (*one.marks, *other.marks)
            }
        ),
        shares=MappingProxyType(
            {
                scope: max(_of(scope, one.shares, other.shares), key=_share_order)
                for scope in (*one.shares, *other.shares)
            }
        ),
    )


def _of(scope: str, *words: Mapping[str, _Word]) -> list[_Word]:
    return [said[scope] for said in words if scope in said]


def _mark_order(mark: Mark) -> tuple[object, ...]:
    # What comes after the revision and the switch only makes the choice the same everywhere.
    return mark.revision, mark.on, mark.since, mark.replica, mark.actor, mark.reason


def _share_order(share: Share) -> tuple[object, ...]:
    return share.revision, -share.basis_points, share.replica, share.actor


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedChange:
    """One change on its way to the store: a rollback, a resume or a percentage of one scope."""

    # Unique: a store that is asked twice writes once.
    id: str
    scope: str
    # True rolls back, False resumes, None leaves rollbacks alone.
    rollback: bool | None = None
    # None leaves the percentage alone.
    basis_points: int | None = None
    # The least revision that the change may get; the store gives it that or a later one.
    revision: int
    reason: str = ""
    actor: str = ""
    since: float = 0.0
    # Of a resume: the newest word on the scope that whoever resumes knew of. A rollback that is
    # newer stays, and nothing is written. None: whatever there is.
    seen: int | None = None
    # One line of the audit, JSON, for the store's own stream.
    audit: str = ""


class SharedStoreError(Exception):
    """The store did not confirm a write or a read; the message says why and what to look at."""


class NewerRollbackError(Exception):
    """The store holds a rollback that whoever resumed did not know of, and left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AckView:
    """One replica's word that all its workers use a shared revision or a later one."""

    replica: str
    boot: str
    revision: int
    # Of that replica: from hearing of the revision to its last worker's word.
    applied_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaView:
    """One replica as it registered itself; `live` while its lease lasts."""

    replica: str
    boot: str
    live: bool
    # Seconds since it last renewed its lease, by the store's clock.
    seen_seconds: float
    # JSON object that the replica wrote: admin address, version, config hash, revisions, workers.
    facts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """How the store is doing, as this replica sees it."""

    # ok, slow, down, read_only, refused (credentials, TLS), full, loading, starting, or damaged:
    # something in it that nobody can read.
    state: str
    # One sentence with the mend; empty when ok.
    detail: str = ""
    # Whether the fast path is heard from.
    subscribed: bool = False
    # The newest revision that the store is known to hold.
    revision: int = 0
    # Monotonic time of the last proof that this replica holds the store's newest revision; 0: none.
    confirmed_at: float = 0.0


class SharedListener(Protocol):
    """What a store tells. Called on the event loop; must return at once and not raise."""

    def on_state(self, state: SharedState) -> None:
        """The store holds this; may be older than what is known, or the same again."""

    def on_part(self, state: SharedState) -> None:
        """The store holds this and something before it that is still to be read.

        It is to be used at once, and not to be confirmed: its revision covers what is not in it.
        """

    def on_health(self, health: StoreHealth) -> None:
        """The health changed."""

    def on_ack(self, ack: AckView) -> None:
        """A replica confirmed a revision."""

    def on_nudge(self, what: str) -> None:
        """Another replica asks all to look again at a source, such as `unleash`.

        Or it says that it has left: `LEFT` and its boot.
        """


class SharedStore(Protocol):
    """Where the replicas of a fleet keep what they share."""

    def start(self, listener: SharedListener) -> None:
        """Begin to connect and to tell; never waits and never raises for a store that is down."""

    async def close(self) -> None:
        """Let go of everything, within a second."""

    async def write(self, change: SharedChange, patience: float) -> SharedState:
        """Write a change; what the store holds then.

        Raises SharedStoreError, and NewerRollbackError for a resume that has not `seen` everything.
        """

    def now_us(self) -> int:
        """Microseconds since the epoch by the store's clock, as far as that is known.

        The least revision that a replica gives a word it makes itself: so it is later than whatever
        the store made of a write that was not confirmed.
        """

    def assert_state(self, state: SharedState) -> None:
        """What this replica holds; the store is brought up to it wherever it knows less."""

    def register(self, facts: str) -> None:
        """What this replica says of itself from now on; renews the lease by itself."""

    def acknowledge(self, revision: int, applied_ms: float) -> None:
        """All workers use this shared revision; sent when the store can be reached."""

    async def replicas(self, patience: float) -> tuple[ReplicaView, ...]:
        """Every replica that registered lately. Raises SharedStoreError."""

    async def acks(self, revision: int, patience: float) -> tuple[AckView, ...]:
        """Who has confirmed `revision` or a later one. Raises SharedStoreError."""

    def nudge(self, what: str) -> None:
        """Ask all other replicas to look again at a source."""
