"""What an answer of Unleash may change of what is held: never backwards, never garbage. Pure.

Our revision of an answer is EPOCH times an epoch, plus Unleash's own. Unleash counts its events, so
a database that was restored from a backup counts again from an earlier number: its answers are
refused as older, until an operator accepts one, which begins the next epoch. What says something
else at the same revision of Unleash came later, and is one newer of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from flags.provider import NOTHING_SAID, Flag, FlagState, hold_missing
from flags.scope import ALL, group_scope, route_scope
from flags.unleash.features import Features, FeaturesError, read_features
from flags.unleash.flag_state import (
    KILL_SWITCH,
    Complaint,
    flag_name,
    flag_state,
    our_flags,
    rollback_name,
)

# Unleash's revision is the id of an event. A dashboard reads both numbers out of ours, and a
# double holds it for nine thousand epochs.
EPOCH: Final = 10**12
_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The groups and routes of the routes.yaml in use."""

    groups: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    # Route and group, of routes that go where their group goes.
    members: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The last answer that was taken, and what it says to us."""

    text: str
    features: Features
    # With what is held of flags that the answer is silent about.
    state: FlagState
    # The scopes whose last percentage or rule is held.
    silent: tuple[str, ...] = ()
    complaints: tuple[Complaint, ...] = ()


class Outcome(StrEnum):
    """What became of an answer."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    # Its revision is lower than the one held.
    OLDER = "older"
    # No features can be read from it, or they cannot be ours.
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer, judged: what is held from now on, and what is told about it."""

    outcome: Outcome
    held: Held | None
    # The state that the listener is to be told; what is held, except for an answer that is refused
    # and nevertheless rolls something back.
    state: FlagState
    # Why it was refused, and how it gets accepted; empty when it was taken.
    reason: str = ""


def judge(
    held: Held | None,
    text: str,
    names: Names,
    *,
    newest: int = 0,
    accept: bool = False,
    reader: Callable[[str], Features] = read_features,
) -> Judged:
    """Take an answer over or refuse it.

    `newest` is a revision of ours that was heard of before, whatever is held. `accept` is an
    operator's word: the answer may be older, and may have lost flags.
    """
    state = held.state if held is not None else NOTHING_SAID

    def refused(outcome: Outcome, reason: str, said: FlagState = state) -> Judged:
        return Judged(outcome=outcome, held=held, state=said, reason=reason)

    try:
        features = reader(text)
    except FeaturesError as error:
        return refused(Outcome.REJECTED, f"Unleash's answer is {error}")
    known = max(newest, state.revision)
    same = held is not None and held.features == features
    revision = _our_revision(features.revision, known, held, same=same, accept=accept)
    if revision is None:
        return refused(
            Outcome.OLDER,
            f"Unleash answers with revision {features.revision}, which is older than"
            f" {_last_seen(known, held)}: if its database was restored, `figway reload` accepts it",
        )
    strange = "" if accept else _strange(held, features)
    if strange:
        return refused(Outcome.REJECTED, strange, _toward_legacy(state, features, names, revision))
    taken = read(text, features, names, revision=revision, before=state)
    if taken.state != state and taken.state.revision == state.revision and not same:
        # Other words at Unleash's same revision came later. A rollback ends by a newer one only.
        taken = read(text, features, names, revision=revision + 1, before=state)
    changed = held is None or taken.state != state
    return Judged(
        outcome=Outcome.CHANGED if changed else Outcome.UNCHANGED, held=taken, state=taken.state
    )


def read(text: str, features: Features, names: Names, *, revision: int, before: FlagState) -> Held:
    """What an answer says of these names; what it is silent about stays as it was `before`."""
    said = flag_state(features, names.groups, names.routes, revision=revision)
    state, silent = hold_missing(_only(before, names), said.state)
    complaints = (*said.complaints, *_without_effect(features, names))
    return Held(text=text, features=features, state=state, silent=silent, complaints=complaints)


def _without_effect(features: Features, names: Names) -> Iterator[Complaint]:
    """Flags that look like ours and move nothing."""
    scopes = {*map(group_scope, names.groups), *map(route_scope, names.routes)}
    known = {rollback_name(ALL), *map(rollback_name, scopes), *map(flag_name, scopes)}
    for flag in sorted(our_flags(features) - known):
        # The others may be of another figway; that a switch kills nothing is found out too late.
        if flag.startswith(f"{KILL_SWITCH}-"):
            name = flag.removeprefix(f"{KILL_SWITCH}-")
            message = f"has no effect: there is no group or route {name} in routes.yaml"
            yield Complaint(flag=flag, message=message)
    for route, group in names.members:
        flag = flag_name(route_scope(route))
        if flag in features.rules and route not in names.groups:
            message = (
                f"has no effect: route {route} goes where {flag_name(group_scope(group))} says"
            )
            yield Complaint(flag=flag, message=message)


def read_again(held: Held, names: Names) -> Held:
    """What is held, for other names of groups and routes."""
    revision = held.state.revision
    return read(held.text, held.features, names, revision=revision, before=held.state)


def held_part(held: Held) -> FlagState:
    """Only what the answer itself does not say: a restart cannot read it there."""
    silent = set(held.silent)
    return replace(
        held.state,
        rollback=None,
        groups=_some(held.state.groups, {n for n in held.state.groups if group_scope(n) in silent}),
        routes=_some(held.state.routes, {n for n in held.state.routes if route_scope(n) in silent}),
    )


def _last_seen(known: int, held: Held | None) -> int:
    """The revision of Unleash that is held, or was heard of."""
    return (held.features.revision if held is not None else 0) or known % EPOCH


def _our_revision(
    theirs: int, known: int, held: Held | None, *, same: bool, accept: bool
) -> int | None:
    if not theirs:
        # It does not count: then we do.
        return known if same else known + 1
    epoch = known // EPOCH
    if held is not None and held.features.revision and held.state.revision // EPOCH == epoch:
        # Ours may be ahead, by what was said anew at one revision of Unleash.
        revision = held.state.revision + theirs - held.features.revision
    else:
        revision = epoch * EPOCH + theirs
    if revision >= known:
        return revision
    return (epoch + 1) * EPOCH + theirs if accept else None


def _strange(held: Held | None, features: Features) -> str:
    """Why these cannot be our flags, or empty: another environment, or too many are gone."""
    environment = "" if held is None else held.features.environment
    if environment and features.environment and environment != features.environment:
        return (
            f"Unleash answers for the environment {features.environment}, and what is held is of"
            f" {environment}: `figway reload` accepts it"
        )
    if not features.names:
        return (
            "Unleash answers with no flag at all: is the token of the right environment and"
            " project? `figway reload` accepts it"
        )
    before = frozenset() if held is None else our_flags(held.features)
    gone = sorted(before - our_flags(features))
    if len(gone) * 2 <= len(before):
        return ""
    named = ", ".join(gone[:_NAMED]) + (", ..." if len(gone) > _NAMED else "")
    return (
        f"Unleash's answer has lost {len(gone)} of our {len(before)} flags ({named}):"
        " `figway reload` accepts it"
    )


def _toward_legacy(state: FlagState, features: Features, names: Names, revision: int) -> FlagState:
    """What is held, and the rollbacks that a refused answer asks for.

    Somebody may have cleared up the flags, and now needs the kill switch: it works.
    """
    said = flag_state(features, names.groups, names.routes, revision=revision).state.rollbacks()
    on = {scope for scope, rolled_back in said.items() if rolled_back}
    if on <= {scope for scope, rolled_back in state.rollbacks().items() if rolled_back}:
        return state
    # Only these rollbacks are newer: what else is held may not end one at this revision.
    return FlagState(
        revision=revision,
        rollback=True if ALL in on else None,
        groups=_rolled_back(state.groups, {n for n in names.groups if group_scope(n) in on}),
        routes=_rolled_back(state.routes, {n for n in names.routes if route_scope(n) in on}),
    )


def _rolled_back(flags: Mapping[str, Flag], on: set[str]) -> Mapping[str, Flag]:
    return MappingProxyType(
        {
            name: replace(flags.get(name, Flag()), rollback=True if name in on else None)
            for name in (*flags, *(on - flags.keys()))
        }
    )


def _only(state: FlagState, names: Names) -> FlagState:
    return replace(
        state,
        groups=_some(state.groups, set(names.groups)),
        routes=_some(state.routes, set(names.routes)),
    )


def _some(flags: Mapping[str, Flag], names: set[str]) -> Mapping[str, Flag]:
    return MappingProxyType({name: flag for name, flag in flags.items() if name in names})
