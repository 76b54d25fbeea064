"""A feed: a flag source that is fetched over the network and told of when it has news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flags.provider import FlagState


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """How a feed is doing."""

    # starting, ok, down (no answer), refused (credentials), rejected (an answer not to be used).
    state: str
    # One sentence with the mend; empty when ok.
    detail: str = ""
    # Monotonic time at which the source last confirmed what is held; 0: never in this process.
    confirmed_at: float = 0.0
    # What is held came from the disk, not from the source.
    from_disk: bool = False
    # Flags that the source has fallen silent about, and whose last value is held.
    held: tuple[str, ...] = ()
    # Told to people: unknown strategies, rejected payloads.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedNews:
    """A state of the source that is to be used from now on, and what is known of its change."""

    state: FlagState
    # Who changed it and which event says so, where the source tells; empty: unknown.
    who: str = ""
    event: str = ""


class FeedListener(Protocol):
    """What a feed tells. Called on the event loop; must return at once and not raise."""

    def on_flags(self, news: FeedNews) -> None:
        """A newer state, already guarded: never an older revision, never garbage."""

    def on_health(self, health: FeedHealth) -> None:
        """The health changed."""

    def on_changed_elsewhere(self) -> None:
        """The source has changed: other replicas should fetch too."""


class FlagFeed(Protocol):
    """A source of flags that is fetched."""

    @property
    def name(self) -> str:
        """The origin in the latch and in metrics, such as `unleash`."""

    def start(self, listener: FeedListener) -> None:
        """Tell what the disk kept, at once, then begin to fetch; never waits, never raises."""

    def refetch(self) -> None:
        """Fetch now; asked again meanwhile, once more after that."""

    def accept(self) -> None:
        """Fetch now and take the answer even if it is older or lost flags: an operator says so."""

    def reread(self) -> None:
        """Read what is held again: the names in routes.yaml are others."""

    async def attribute(self, news: FeedNews) -> FeedNews:
        """The same news with who made the change, within 2 s and as far as known; never raises."""

    async def set_percent(self, scope: str, basis_points: int) -> None:
        """Write a percentage through. Raises `FlagSourceError` that says where to do it by hand."""

    async def close(self) -> None:
        """Let go of everything, within a second."""
