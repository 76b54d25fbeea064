"""The fleet and the flag provider as `figway status` shows them."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.fleet.replica import Facts, Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus(Facts):
    """One replica: what it says of itself, and whether it still does.

    Its state is unknown while the store that would tell cannot be asked, and gone once its lease
    has ended. Of one that is not live, all else is what it said last, `seen_seconds` ago.
    """

    live: bool
    state: Presence
    # The one that was asked.
    this: bool
    seen_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """The fleet, as one replica of it knows it."""

    environment: str
    # Address of the shared store, without user and password.
    store: str
    # How the store is doing: ok, slow, down, read_only, refused, full, loading, damaged, starting.
    state: str
    detail: str
    # Whether changes are heard of at once, not only at the next poll.
    subscribed: bool
    # The newest shared revision that the store has, and that all workers here use.
    revision: int
    applied: int
    # How long ago this replica last knew that it has the newest; stale beyond a limit.
    unproven_seconds: float
    stale: bool
    # A peer that is fresh, for which this replica steps back; empty: it stays in service.
    fresh_peer: str
    # Whom to ask while the store cannot be.
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """Where percentages come from."""

    # file, redis or unleash.
    name: str
    where: str
    # fresh, late or stale: how long nobody has confirmed what is held.
    state: str
    # How the connection is doing: ok, starting, down, refused or rejected.
    connection: str
    detail: str
    revision: int
    # Whether it has confirmed what is held since this start.
    confirmed: bool
    # How long ago that was, else how long ago the start was. None: it has not to confirm.
    age_seconds: float | None
    from_disk: bool
    # Flags that it has fallen silent about, and whose last value holds.
    held: tuple[str, ...]
    problems: tuple[str, ...]
    # Routes that go to legacy because nobody confirms their flag.
    to_legacy: tuple[str, ...]
