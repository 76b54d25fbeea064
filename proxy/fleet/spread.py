"""How far a change got in the fleet."""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxy.fleet.acks import ReplicaAck

# How a replica that hears the store says so to whoever asks /readyz?verbose; that needs no token.
PROVEN = "[+] shared state proven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a change is known."""

    # alone: there is no fleet; apart: there are peers and no store; local: it is this host's alone;
    # shared: the store has it; unreachable: the store does not have it.
    state: str
    # The shared revision that replicas confirm.
    revision: int = 0
    # From the command to the store's word that it has it; replicas were told a moment before.
    ms: float = 0.0
    # Why the store does not have it.
    detail: str = ""
    # Whom to ask directly: all others if it is apart or unreachable; if it is shared, replicas that
    # left without a word and may be cut off from the store alone.
    peers: tuple[str, ...] = ()
    # If it is shared: configured peers that no replica of the registry is known by. By another name
    # they have heard of it; one that the store never saw has not.
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far a change got. `replicas` has one entry for each that was live meanwhile."""

    reach: Reach
    replicas: tuple[ReplicaAck, ...] = ()

    def confirmed_here(self, ms: float) -> Spread:
        """The same, where only this replica was told: its workers needed that many milliseconds.

        How long the store was asked in vain says nothing of them.
        """
        if self.reach.state != "unreachable":
            return self
        return replace(self, replicas=tuple(replace(ack, ms=ms) for ack in self.replicas))

    @property
    def missing(self) -> tuple[str, ...]:
        """The live replicas that have not confirmed."""
        return tuple(ack.replica for ack in self.replicas if ack.state == "unconfirmed")

    @property
    def acks(self) -> tuple[tuple[str, float], ...]:
        """Who confirmed, and after how many milliseconds."""
        return tuple((ack.replica, ack.ms) for ack in self.replicas if ack.state == "applied")


NOBODY_ELSE = Reach(state="alone")
ALONE = Spread(reach=NOBODY_ELSE)
LOCAL = Spread(reach=Reach(state="local"))


def apart(own: ReplicaAck, peers: tuple[str, ...]) -> Spread:
    """How far a change gets where replicas share no store: whoever made it asks the peers too."""
    return Spread(reach=Reach(state="apart", peers=peers), replicas=(own,))
