"""The rollback latch: which rollbacks hold, who started each, and what ends it. Pure.

A rollback holds until it is undone on purpose. What a command, a signal or the sentinel file
started ends with `resume`; what a flag started ends when that same flag, in that same source, is
explicitly off in a newer revision. A source that falls silent, or is lost or garbled, ends nothing.
Commands and resumes are shared by all replicas (flags/shared.py), the rest is this host's. What is
heard may arrive in any order and more than once: the result is the same. On disk: latch_file.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from flags.provider import FlagState
from flags.scope import ALL, as_option, checked_scope, group_of, route_of
from flags.shared import NOTHING_SHARED, Mark, SharedState, merge


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
    # The newest revision that said on: a flag's in the count of its origin, all others' in the
    # count of what replicas share (microseconds).
    revision: int = 0
    # Of a flag: which source it stands in, such as file or unleash. Of a command: the replica.
    origin: str = ""

    def how_to_lift(self) -> str:
        """What an operator has to do so that this one ends."""
        match self.source:
            case Source.FLAG if self.origin == "unleash":
                name = "-".join(["figway-rollback", *self.scope.split(":")[1:]])
                return f"turn {name} off in Unleash ({self.actor})"
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

    @property
    def key(self) -> tuple[str, Source, str]:
        """What tells one hold from another: a scope may be held by several flag sources."""
        return self.scope, self.source, self.origin if self.source is Source.FLAG else ""


def _no_flags_off() -> Mapping[tuple[str, str], int]:
    return MappingProxyType({})


def _no_resumes() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a resume did: the new latch, what it lifted, and what still holds anywhere."""

    latch: Latch
    lifted: tuple[Hold, ...]
    remaining: tuple[Hold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """All holds of this host, and all words of the fleet that it has heard."""

    # Of signals, sentinel, flags and the latch; at most one per scope, source and origin, ordered.
    local: tuple[Hold, ...] = ()
    # The newest revision at which a flag was explicitly off, by scope and origin. Kept so that an
    # older "on" that arrives late does not start a rollback that is over.
    flags_off: Mapping[tuple[str, str], int] = field(default_factory=_no_flags_off)
    # The newest word of a command on each scope, and the percentages that replicas share.
    shared: SharedState = NOTHING_SHARED
    # The newest revision at which a scope was resumed.
    resumed: Mapping[str, int] = field(default_factory=_no_resumes)
    # Sources of flags that this process does not listen to: they cannot say off any more. Not kept.
    absent: frozenset[str] = frozenset()

    def ends_by_resume(self, hold: Hold) -> bool:
        """Whether a resume may lift it: not what a flag holds that can still be turned off."""
        return hold.source is not Source.FLAG or hold.origin in self.absent

    def how_to_lift(self, hold: Hold) -> str:
        """What an operator has to do so that a hold ends."""
        if hold.source is Source.FLAG and self.ends_by_resume(hold):
            resume = f"figway resume {as_option(hold.scope)}"
            return f"{resume} ({hold.origin}, which began it, says no flags here any more)"
        return hold.how_to_lift()

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Everything that is rolled back, by what; ordered by scope, source and origin."""
        commands = (_by_command(mark) for mark in self.shared.marks.values() if mark.on)
        return _ordered((*self.local, *commands))

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

    def newest_flag(self, origin: str) -> int:
        """The newest revision that a flag of a source was seen at, on or off; 0 for none."""
        off = (at for (_, where), at in self.flags_off.items() if where == origin)
        held = (h.revision for h in self.local if h.source is Source.FLAG and h.origin == origin)
        return max((*off, *held), default=0)

    def next_revision(self, now_us: int) -> int:
        """The least revision that a new word may get: newer than all that was ever heard."""
        local = (hold.revision for hold in self.local if hold.source is not Source.FLAG)
        known = max((self.shared.revision, *self.resumed.values(), *local))
        return max(known + 1, now_us)

    # What starts a rollback, and what flags end.

    def hold(self, new: Hold) -> Latch:
        """Add a hold of this host: by signal, sentinel, flag or the latch, not by a command.

        Of two with the same key the newer one counts. Raises ValueError for a scope that is none.
        """
        checked_scope(new.scope)
        if new.source is Source.COMMAND:
            raise ValueError("a command is heard of as a mark")
        if new.source is Source.FLAG:
            ended = self.flags_off.get((new.scope, new.origin), -1)
        else:
            ended = self.resumed.get(new.scope, -1)
        if ended > new.revision:
            return self
        same = [each for each in self.local if each.key == new.key]
        others = [each for each in self.local if each.key != new.key]
        kept = max((*same, new), key=lambda h: (h.revision, -h.since, h.reason, h.actor, h.origin))
        return replace(self, local=_ordered((*others, kept)))

    def observe(self, state: FlagState, *, now: float, source_name: str, origin: str) -> Latch:
        """Take over what a flag source says at a revision. What it does not say changes nothing."""
        latch = self
        for scope, on in state.rollbacks().items():
            if on:
                hold = Hold(
                    scope=scope,
                    source=Source.FLAG,
                    reason="the rollback flag is on",
                    actor=source_name,
                    since=now,
                    revision=state.revision,
                    origin=origin,
                )
                before = next((each for each in latch.local if each.key == hold.key), hold)
                latch = latch.hold(replace(hold, since=before.since, actor=before.actor))
            else:
                latch = latch._flag_off(scope, origin, state.revision)
        return latch

    def _flag_off(self, scope: str, origin: str, revision: int) -> Latch:
        key = (scope, origin)
        newest = max(revision, self.flags_off.get(key, revision))
        return replace(
            self,
            local=tuple(
                hold
                for hold in self.local
                if hold.key != (scope, Source.FLAG, origin)
                # At the same revision both cannot be true; rollback is the safe reading.
                or hold.revision >= newest
            ),
            flags_off=MappingProxyType({**self.flags_off, key: newest}),
        )

    # What replicas share.

    def hear(self, said: SharedState, *, standing: Collection[tuple[str, Source]] = ()) -> Latch:
        """Take over what replicas share: commands, resumes and percentages, newest word first.

        A resume lifts what signals, the sentinel and the latch itself hold here, if it is newer.
        `standing` are the (scope, source) that still ask for their rollback right now, such as a
        sentinel file that is still there: lifting those would only last until the next look. Of
        flags only those are lifted whose source is absent.
        """
        resumed = dict(self.resumed)
        for scope, mark in said.marks.items():
            if not mark.on:
                resumed[scope] = max(mark.revision, resumed.get(scope, mark.revision))
        kept = []
        for hold in self.local:
            off = resumed.get(hold.scope, -1)
            if hold.source is Source.FLAG:
                # What was resumed while its source still spoke has not ended it.
                now = off > max(self.resumed.get(hold.scope, -1), int(hold.since * 1_000_000))
                if not (now and self.ends_by_resume(hold)):
                    kept.append(hold)
            elif hold.revision >= off:
                kept.append(hold)
            elif (hold.scope, hold.source) in standing:
                kept.append(replace(hold, revision=off))
        return replace(
            self,
            local=tuple(kept),
            shared=merge(self.shared, said),
            resumed=MappingProxyType(resumed),
        )

    def resume(self, mark: Mark, *, standing: Collection[tuple[str, Source]] = ()) -> Resumed:
        """Lift what a resume, which is a mark that is off, may lift in its scope.

        Every remaining hold says how it ends (`how_to_lift`).
        """
        checked_scope(mark.scope)
        said = SharedState(revision=mark.revision, marks=MappingProxyType({mark.scope: mark}))
        latch = self.hear(said, standing=standing)
        still = {hold.key for hold in latch.holds}
        lifted = tuple(hold for hold in self.holds if hold.key not in still)
        return Resumed(latch=latch, lifted=lifted, remaining=latch.holds)


def _by_command(mark: Mark) -> Hold:
    return Hold(
        scope=mark.scope,
        source=Source.COMMAND,
        reason=mark.reason,
        actor=mark.actor,
        since=mark.since,
        revision=mark.revision,
        origin=mark.replica,
    )


def _ordered(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    return tuple(sorted(holds, key=lambda hold: (hold.scope, hold.source, hold.origin)))


NOT_HELD = Latch()
