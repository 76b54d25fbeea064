"""A replica as it tells the others of itself: JSON in the registry, a typed value here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from flags.shared import LEASE_SECONDS, ReplicaView
from proxy.supervision.traffic import TrafficView

# live: heard within its lease; unknown: nobody could ask since its lease was read as lasting;
# gone: its lease has ended, or it stands in the registry no more.
Presence = Literal["live", "unknown", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a replica says of itself. Whatever is unknown to an older version has its default."""

    replica: str
    boot: str
    version: str = ""
    # Where its admin listener can be asked: http://HOST:PORT.
    admin: str = ""
    phase: str = ""
    # Revision of its routes.yaml.
    config: str = ""
    # Newest revision of what replicas share that all its workers use.
    applied: int = 0
    # Where its flags come from, at which revision of that source, and how long ago that source
    # confirmed it, in seconds; None: it is not one that has to.
    provider: str = "file"
    flags_from: str = ""
    flags_revision: int = 0
    flags_age: float | None = None
    workers: int = 0
    workers_ready: int = 0
    # Seconds for which it has not been able to prove that it knows the newest shared state.
    stale: float = 0.0
    # What is rolled back there: "SCOPE by SOURCE".
    holds: tuple[str, ...] = ()
    # What its workers were asked for in the last minute; None: it does not tell.
    traffic: TrafficView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica in the registry. `live` is whether its lease lasted when that was read last."""

    facts: Facts
    live: bool
    # Since it last renewed its lease.
    seen_seconds: float

    @property
    def state(self) -> Presence:
        """What can be said of it now."""
        if not self.live:
            return "gone"
        return "live" if self.seen_seconds <= LEASE_SECONDS else "unknown"

    def aged(self, seconds: float) -> Replica:
        """The same, so many seconds later."""
        return replace(self, seen_seconds=self.seen_seconds + seconds)


_FACTS = TypeAdapter(Facts)


def told(facts: Facts) -> str:
    """The JSON that stands in the registry."""
    return _FACTS.dump_json(_FACTS.validate_python(asdict(facts))).decode()


def read(view: ReplicaView) -> Replica:
    """A replica from the registry. One whose facts cannot be read is there, with its name alone."""
    try:
        facts = _FACTS.validate_json(view.facts)
    except ValidationError:
        facts = Facts(replica=view.replica, boot=view.boot)
    return Replica(facts=facts, live=view.live, seen_seconds=view.seen_seconds)


def told_of(replicas: tuple[Replica, ...]) -> tuple[Replica, ...]:
    """Every live one, and of the names that have none the one that was seen last; by name.

    Two live ones of one name are two replicas: nobody may hide behind the other.
    """
    live = [each for each in replicas if each.live]
    names = {each.facts.replica for each in live}
    gone: dict[str, Replica] = {}
    for each in sorted(replicas, key=lambda replica: -replica.seen_seconds):
        if not each.live and each.facts.replica not in names:
            gone[each.facts.replica] = each
    return tuple(sorted((*live, *gone.values()), key=lambda r: (r.facts.replica, r.facts.boot)))
