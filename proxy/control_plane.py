"""Every knob of the control plane: where flags come from, and who else belongs to the fleet.

No worker is told any of it. Order of authority: default < `flags:` and `control:` in routes.yaml <
environment. Secrets come from the environment alone, and never show in a representation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Provider(StrEnum):
    """Who says the percentages. Whatever it does not speak of, the flag file says."""

    FILE = "file"
    REDIS = "redis"
    UNLEASH = "unleash"


class WhenStale(StrEnum):
    """What becomes of a route whose flags nobody has confirmed for too long."""

    HOLD = "hold"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unleash:
    """The Unleash server. Without a URL it is not asked. Times are seconds."""

    url: str = ""
    app_name: str = "figway"
    poll: float = 5.0
    token: str = field(default="", repr=False)
    # Writes percentages and tells who changed what; empty: neither.
    admin_token: str = field(default="", repr=False)
    # What a webhook of Unleash sends as Authorization; empty: none is taken.
    webhook_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSources:
    """Where flags come from. Times are seconds."""

    provider: Provider = Provider.FILE
    # Without a word from the provider for this long it is warned of, and for that long the routes
    # that want it go to legacy.
    warn_after: float = 30.0
    stale_after: float = 900.0
    when_stale: WhenStale = WhenStale.HOLD
    unleash: Unleash = Unleash()


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """This replica and its fleet. Times are seconds."""

    # Its name; empty: the host's, with the port of the admin listener.
    replica: str = ""
    # Fleets that share a Redis have different ones.
    environment: str = "production"
    redis_url: str = field(default="", repr=False)
    # Admin listeners of the other replicas, and where others find this one's; empty: as it listens.
    peers: tuple[str, ...] = ()
    advertise: str = ""
    # How long a rollback must have held before `resume` ends it without --force.
    resume_cooldown: float = 0.0
    # Without proof for this long that it knows the newest shared state a replica calls itself
    # stale; for that long it is not ready, if another one is; 0: it stays ready.
    stale_after: float = 5.0
    unready_after: float = 0.0
    # Replicas that differ for this long are told of.
    diverged_after: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """All of it."""

    flags: FlagSources = FlagSources()
    control: Membership = Membership()
