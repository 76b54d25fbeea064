"""The rollback latch: which rollbacks hold, who started each, and what ends it. Pure.

A rollback holds until it is undone on purpose. What a command, a signal or the sentinel file
started ends with `resume`; what a flag started ends when that same flag is explicitly off in a
newer revision. A source that falls silent, or is lost or garbled, ends nothing. What flags say may
arrive in any order and more than once: the result is the same. Kept on disk by latch_file.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from flags.provider import FlagState
from flags.scope import ALL, as_option, checked_scope, group_of, route_of


class Source(StrEnum):
    """Who holds a rollback."""

    COMMAND = "command"
    SIGNAL = "signal"
    SENTINEL = "sentinel"
    FLAG = "flag"
    # The latch itself: its file could not be read, so it may have held anything.
    LATCH = "latch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One rollback that one source holds."""

    scope: str
    source: Source
    reason: str
    actor: str = ""
    # Wall time in seconds since the epoch, as told by whoever reported it.
    since: float = 0.0
    # For flags: the newest revision that said on.
    revision: int = 0

    def how_to_lift(self) -> str:
        """What an operator has to do so that this one ends."""
        match self.source:
            case Source.FLAG:
                key = "rollback" if self.scope == ALL else f"the rollback of {self.scope}"
                where = self.actor or "the flag source"
                return (
                    f"set {key} to false where it was set ({where}); if it is false there already,"
                    " save it again: what is older than the rollback does not end it"
                )
            case Source.SENTINEL:
                resume = f"figway resume {as_option(self.scope)}"
                return f"remove the sentinel file ({self.actor or 'ROLLBACK'}), then {resume}"
            case Source.COMMAND | Source.SIGNAL | Source.LATCH:
                return f"figway resume {as_option(self.scope)}"


def _no_revisions() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a resume did: the new latch, what it lifted, and what still holds anywhere."""

    latch: Latch
    lifted: tuple[Hold, ...]
    remaining: tuple[Hold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """All holds, at most one per scope and source, ordered by scope and source."""

    holds: tuple[Hold, ...] = ()
    # The newest revision at which a flag was explicitly off, by scope. Kept so that an older "on"
    # that arrives late does not start a rollback that is over.
    flags_off: Mapping[str, int] = field(default_factory=_no_revisions)

    @property
    def rollback_all(self) -> bool:
        """Whether everything is rolled back."""
        return any(hold.scope == ALL for hold in self.holds)

    @property
    def rollback_groups(self) -> frozenset[str]:
        """The groups rolled back by themselves."""
        return frozenset(filter(None, (group_of(hold.scope) for hold in self.holds)))

    @property
    def rollback_routes(self) -> frozenset[str]:
        """The routes rolled back by themselves."""
        return frozenset(filter(None, (route_of(hold.scope) for hold in self.holds)))

    @property
    def newest_revision(self) -> int:
        """The newest revision that a flag was seen at, on or off; 0 for none."""
        return max((*self.flags_off.values(), *(hold.revision for hold in self.holds)), default=0)

    def hold(self, new: Hold) -> Latch:
        """Add a hold. One that is there already keeps its earlier start and that start's reason."""
        checked_scope(new.scope)
        if new.source is Source.FLAG and self.flags_off.get(new.scope, -1) > new.revision:
            return self
        kept = new
        others = []
        for each in self.holds:
            if (each.scope, each.source) != (new.scope, new.source):
                others.append(each)
                continue
            first = min(each, new, key=lambda hold: (hold.since, hold.reason, hold.actor))
            kept = replace(first, revision=max(each.revision, new.revision))
        return replace(self, holds=_ordered((*others, kept)))

    def observe(self, state: FlagState, *, now: float, source_name: str) -> Latch:
        """Take over what a flag source says at a revision. What it does not say changes nothing."""
        latch = self
        for scope, on in state.rollbacks().items():
            if on:
                latch = latch.hold(
                    Hold(
                        scope=scope,
                        source=Source.FLAG,
                        reason="the rollback flag is on",
                        actor=source_name,
                        since=now,
                        revision=state.revision,
                    )
                )
            else:
                latch = latch._flag_off(scope, state.revision)
        return latch

    def _flag_off(self, scope: str, revision: int) -> Latch:
        newest = max(revision, self.flags_off.get(scope, revision))
        return Latch(
            holds=tuple(
                hold
                for hold in self.holds
                if hold.source is not Source.FLAG
                or hold.scope != scope
                # At the same revision both cannot be true; rollback is the safe reading.
                or hold.revision >= newest
            ),
            flags_off=MappingProxyType({**self.flags_off, scope: newest}),
        )

    def resume(self, scope: str, *, asserted: Collection[tuple[str, Source]] = ()) -> Resumed:
        """Lift what `resume` may lift in one scope.

        `asserted` are the (scope, source) that still ask for their rollback right now, such as a
        sentinel file that is still there: lifting those would only last until the next look. Flags
        are never lifted here. Every remaining hold says how it ends (`Hold.how_to_lift`).
        """
        checked_scope(scope)
        lifted = tuple(
            hold
            for hold in self.holds
            if hold.scope == scope
            and hold.source is not Source.FLAG
            and (hold.scope, hold.source) not in asserted
        )
        remaining = tuple(hold for hold in self.holds if hold not in lifted)
        return Resumed(latch=replace(self, holds=remaining), lifted=lifted, remaining=remaining)


def _ordered(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    return tuple(sorted(holds, key=lambda hold: (hold.scope, hold.source)))


NOT_HELD = Latch()
