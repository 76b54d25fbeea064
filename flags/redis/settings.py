"""How one replica uses Redis: where, as whom, and at what pace."""

from __future__ import annotations

from dataclasses import dataclass, field

from flags.redis.keys import Keys
from flags.redis.url import RedisUrl
from flags.shared import LEASE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Everything a `RedisStore` is told. Times are seconds."""

    url: RedisUrl
    # The name of this replica, and what tells this start of it from every other.
    replica: str
    boot: str
    # Fleets that share a Redis have different ones.
    environment: str = "production"
    # How often the revision is asked for: what bounds a change whose message was lost.
    poll: float = 0.1
    # How often everything is read, whatever the revision says.
    whole_read: float = 10.0
    # The subscription is asked for a sign of life this often, and given up after that long.
    ping: float = 1.0
    deaf_after: float = 2.0
    # An answer that takes longer is told of; one that takes this long is not waited for.
    slow_after: float = 0.25
    answer_within: float = 2.0
    # First and longest pause between two attempts to connect; each is drawn between half and all.
    pause: float = 0.05
    longest_pause: float = 1.0
    # A replica that renews no more is not live after `lease`, and forgotten after `forget`.
    lease: float = LEASE_SECONDS
    renew: float = 1.0
    forget: float = 600.0
    # Changes kept in the stream, about.
    audit_length: int = 10_000
    # How long the id of a change is remembered, so that asking twice writes once.
    remember: float = 600.0
    # How often the Sentinels are asked who the master is.
    look_around: float = 1.0
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        # Raises ValueError for a name that cannot be part of a key.
        object.__setattr__(self, "keys", Keys(self.environment))
        if not self.replica or not self.boot:
            raise ValueError("a replica needs a name and a boot id")
