"""The switches: what all flag sources say, what the latch holds, and what comes of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from flags.evaluate import combine
from flags.file import Refreshed
from flags.latch import Hold, Latch, Source
from flags.latch_file import LatchFile
from flags.layers import of_shares, overlay
from flags.provider import NOTHING_SAID, FlagState
from flags.scope import group_scope, route_scope
from flags.shared import Mark, Share, SharedState
from flags.snapshot import FlagSnapshot
from proxy.control_plane import Provider
from proxy.routing.route import RouteFile
from proxy.supervision.change import HoldView
from proxy.supervision.flag_file import FILE, FlagFile
from proxy.supervision.shadow_pause import Pause, PauseFile
from proxy.supervision.state_directory import LATCH, PAUSE, StateDirectory


class Switches:
    """Flags and rollbacks of one machine. Methods that touch the disk say so and block."""

    def __init__(
        self,
        path: Path,
        directory: StateDirectory,
        *,
        provider: Provider = Provider.FILE,
        replica: str = "",
        environment: str = "",
    ) -> None:
        """Read everything that says how things stood, in this environment. Blocks."""
        self.provider = provider
        # The name of this replica, in words that others hear.
        self.replica = replica
        # What this replica's own words are dated by; a fleet has one clock.
        self.now_us: Callable[[], int] = _own_clock
        self._latch_file = LatchFile(directory.path / LATCH, environment=environment)
        self.latch = replace(self._latch_file.load(now=time.time()), absent=_absent(provider))
        self._pause_file = PauseFile(directory.path / PAUSE)
        # Shadow traffic is paused; None: it is not.
        self.pause: Pause | None = self._pause_file.load(now=time.time())
        self.file = FlagFile(
            path,
            directory,
            newest=self.latch.newest_flag(FILE),
            required=provider is Provider.FILE,
        )
        # What the provider says, when it is one that tells by itself.
        self.fed = NOTHING_SAID
        # Routes that go to legacy because nobody has confirmed their flag for too long.
        self.stale_routes: frozenset[str] = frozenset()
        # What was laid over what, and what came of it.
        self._laid = (NOTHING_SAID, NOTHING_SAID, NOTHING_SAID)
        self._shares: tuple[Mapping[str, Share], FlagState] = ({}, NOTHING_SAID)
        self._observe(self.file.state, FILE, str(path))

    def snapshot(self, revision: int) -> FlagSnapshot:
        """What requests are decided with."""
        combined = combine(self.state, self.latch, revision=revision)
        return replace(
            combined,
            rollback_routes=combined.rollback_routes | self.stale_routes,
            shadow_paused=self.pause is not None,
        )

    @property
    def state(self) -> FlagState:
        """What all sources say: the provider first, and the file of what that is silent about."""
        provided, file = self.provided, self.file.state
        if provided is NOTHING_SAID:
            return file
        # A rollback may not wait until ten thousand flags were laid over each other once more.
        above, below, both = self._laid
        if above is not provided or below is not file:
            both = overlay(provided, file)
            self._laid = (provided, file, both)
        return both

    @property
    def provided(self) -> FlagState:
        """What the provider says; nothing where that is the file."""
        match self.provider:
            case Provider.FILE:
                return NOTHING_SAID
            case Provider.REDIS:
                shared = self.latch.shared
                if self._shares[0] != shared.shares:
                    self._shares = (shared.shares, of_shares(shared))
                return self._shares[1]
            case Provider.UNLEASH:
                return self.fed

    @property
    def holds(self) -> tuple[HoldView, ...]:
        """Everything that is rolled back, by what, and how it ends."""
        return tuple(_view(hold, self.latch) for hold in self.latch.holds)

    def held_by(self, scope: str) -> tuple[str, ...]:
        """The sources that hold this very scope."""
        return tuple(hold.source.value for hold in self.latch.holds if hold.scope == scope)

    def warnings(self, file: RouteFile) -> tuple[str, ...]:
        """What in the flag file has no effect, and what holds although it is silent."""
        return (*self.file.warnings(file), *self._overruled())

    def _overruled(self) -> Iterator[str]:
        """Percentages of the flag file that the provider says otherwise."""
        said, provided = self.file.state, self.provided
        for scope_of, above, below in (
            (group_scope, provided.groups, said.groups),
            (route_scope, provided.routes, said.routes),
        ):
            for name, flag in below.items():
                speaker = above.get(name)
                if flag.basis_points is None or speaker is None or not speaker.moves_traffic:
                    continue
                if speaker.basis_points != flag.basis_points:
                    points = speaker.basis_points
                    says = "has a rule" if points is None else f"says {points / 100:g} %"
                    yield (
                        f"{self.file.path}:{flag.line}: {scope_of(name)}: {self.provider.value}"
                        f" {says}, and that counts: the flag file says what it is silent about"
                    )

    # The latch.

    def hold(self, scope: str, *, source: Source, actor: str, reason: str) -> Hold:
        """Roll a scope back, in memory. Asked again, the first start and its reason stay."""
        new = Hold(
            scope=scope,
            source=source,
            reason=reason,
            actor=actor,
            since=time.time(),
            revision=self.latch.next_revision(self.now_us()),
            origin=self.replica,
        )
        first = next((hold for hold in self.latch.holds if hold.key == new.key), new)
        kept = replace(first, revision=new.revision)
        self.latch = self._with(kept) if source is Source.COMMAND else self.latch.hold(kept)
        return kept

    def _with(self, hold: Hold) -> Latch:
        mark = Mark(
            scope=hold.scope,
            on=True,
            revision=hold.revision,
            reason=hold.reason,
            actor=hold.actor,
            replica=hold.origin,
            since=hold.since,
        )
        return self.latch.hear(SharedState(revision=mark.revision, marks={mark.scope: mark}))

    def off(self, scope: str, *, actor: str, reason: str) -> Mark:
        """The word that ends the rollback of a scope; nothing has heard of it yet."""
        return Mark(
            scope=scope,
            on=False,
            revision=self.latch.next_revision(self.now_us()),
            reason=reason,
            actor=actor,
            replica=self.replica,
            since=time.time(),
        )

    def keep_latch(self, latch: Latch | None = None) -> str:
        """Write the latch; the sentence that tells why that failed, else "". Blocks."""
        return self._latch_file.save(self.latch if latch is None else latch)

    def keep_pause(self, pause: Pause | None) -> str:
        """Write whether shadow traffic is paused; why that failed, else "". Blocks."""
        return self._pause_file.save(pause)

    # What sources say.

    def use_file(self, refreshed: Refreshed) -> bool:
        """Take over what the flag file says; whether that is news."""
        news = self.file.use(refreshed)
        if self.file.problems:
            return False
        return self._observe(self.file.state, FILE, str(self.file.path)) or news

    def use_rollbacks(self, state: FlagState) -> bool:
        """Take over the rollbacks that the flag file says, before anything else of it.

        Whether one of them is news.
        """
        before = {hold.key for hold in self.latch.holds}
        self._observe(state, FILE, str(self.file.path))
        return {hold.key for hold in self.latch.holds} != before

    def use_feed(self, state: FlagState, origin: str, where: str) -> bool:
        """Take over what the provider says; whether that is news."""
        news = replace(state, revision=0) != replace(self.fed, revision=0)
        self.fed = state
        return self._observe(state, origin, where) or news

    def _observe(self, state: FlagState, origin: str, where: str) -> bool:
        before = {hold.key for hold in self.latch.holds}
        self.latch = self.latch.observe(state, now=time.time(), source_name=where, origin=origin)
        return {hold.key for hold in self.latch.holds} != before


def _own_clock() -> int:
    return time.time_ns() // 1000


def _absent(provider: Provider) -> frozenset[str]:
    """The sources of flags that are not listened to; the flag file always is."""
    return frozenset({Provider.UNLEASH.value} - {provider.value})


def _view(hold: Hold, latch: Latch) -> HoldView:
    since = datetime.fromtimestamp(hold.since, UTC).isoformat(timespec="seconds")
    return HoldView(
        scope=hold.scope,
        source=hold.source.value,
        since=since,
        actor=hold.actor,
        reason=hold.reason,
        lift=latch.how_to_lift(hold),
    )
