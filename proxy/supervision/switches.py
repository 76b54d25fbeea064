"""The switches: what the flag file says, what the latch holds, and where both are kept."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from flags.evaluate import combine
from flags.file import FileProvider, Refreshed
from flags.file_text import FlagFileError, unknown_names
from flags.latch import Hold, Latch, Source
from flags.latch_file import LatchFile
from flags.provider import NOTHING_SAID, FlagState
from flags.scope import group_scope, route_scope
from flags.shared import Mark, SharedState
from flags.snapshot import FlagSnapshot
from proxy.routing.route import RouteFile
from proxy.supervision.change import HoldView
from proxy.supervision.shadow_pause import Pause, PauseFile
from proxy.supervision.state_directory import LAST_GOOD_FLAGS, LATCH, PAUSE, StateDirectory

_STATE = TypeAdapter(FlagState)

# The flag file as an origin in the latch.
FILE = "file"

Origin = Literal["file", "last_good", "nothing"]


class Switches:
    """Flags and rollbacks of one machine. Methods that touch the disk say so and block."""

    def __init__(self, path: Path, directory: StateDirectory) -> None:
        """Read everything that says how things stood. Blocks."""
        self.path = path
        # The name of this replica, in words that others hear.
        self.replica = ""
        self._directory = directory
        last_good = _last_good(directory.path / LAST_GOOD_FLAGS)
        self._latch_file = LatchFile(directory.path / LATCH)
        self.latch = self._latch_file.load(now=time.time())
        self._pause_file = PauseFile(directory.path / PAUSE)
        # Shadow traffic is paused; None: it is not.
        self.pause: Pause | None = self._pause_file.load(now=time.time())
        self._provider = FileProvider(
            path, last_good=last_good or NOTHING_SAID, newest=self.latch.newest_flag(FILE)
        )
        first = self._provider.refresh()
        self.origin: Origin = "file" if self._provider.content is not None else "nothing"
        if self.origin == "nothing" and last_good is not None:
            self.origin = "last_good"
        self.problems = tuple(map(str, first.problems))
        if self.origin == "nothing" and not self.problems:
            self.problems = (f"{path}: there is no such file",)
        self.state = first.state
        self.held_percentages = first.held
        self.latch = self._observed(first.state)

    def snapshot(self, revision: int) -> FlagSnapshot:
        """What requests are decided with."""
        combined = combine(self.state, self.latch, revision=revision)
        return replace(combined, shadow_paused=self.pause is not None)

    @property
    def holds(self) -> tuple[HoldView, ...]:
        """Everything that is rolled back, by what, and how it ends."""
        return tuple(map(_view, self.latch.holds))

    def held_by(self, scope: str) -> tuple[str, ...]:
        """The sources that hold this very scope."""
        return tuple(hold.source.value for hold in self.latch.holds if hold.scope == scope)

    # The latch.

    def hold(self, scope: str, *, source: Source, actor: str, reason: str) -> None:
        """Roll a scope back, in memory. Asked again, the first start and its reason stay."""
        now = time.time()
        new = Hold(
            scope=scope,
            source=source,
            reason=reason,
            actor=actor,
            since=now,
            revision=self.latch.next_revision(int(now * 1e6)),
            origin=self.replica,
        )
        first = next((hold for hold in self.latch.holds if hold.key == new.key), new)
        kept = replace(first, revision=new.revision)
        self.latch = self._with(kept) if source is Source.COMMAND else self.latch.hold(kept)

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
        now = time.time()
        return Mark(
            scope=scope,
            on=False,
            revision=self.latch.next_revision(int(now * 1e6)),
            reason=reason,
            actor=actor,
            replica=self.replica,
            since=now,
        )

    def keep_latch(self, latch: Latch | None = None) -> str:
        """Write the latch; the sentence that tells why that failed, else "". Blocks."""
        return self._latch_file.save(self.latch if latch is None else latch)

    def keep_pause(self, pause: Pause | None) -> str:
        """Write whether shadow traffic is paused; why that failed, else "". Blocks."""
        return self._pause_file.save(pause)

    # The flag file.

    def read(self) -> Refreshed:
        """Look at the flag file again. Blocks."""
        return self._provider.refresh()

    def use(self, refreshed: Refreshed) -> bool:
        """Take over what the file says; whether that is news."""
        self.problems = tuple(map(str, refreshed.problems))
        if refreshed.problems:
            return False
        self.held_percentages = refreshed.held
        self.origin = "file" if self._provider.content is not None else self.origin
        latch = self._observed(refreshed.state)
        news = _said(refreshed.state) != _said(self.state) or latch.holds != self.latch.holds
        self.state = refreshed.state
        self.latch = latch
        return news

    def _observed(self, state: FlagState) -> Latch:
        return self.latch.observe(state, now=time.time(), source_name=str(self.path), origin=FILE)

    def write_percent(self, name: str, basis_points: int, *, is_group: bool) -> None:
        """Set a percentage in the flag file, comments kept. Raises FlagFileError. Blocks."""
        scope = group_scope(name) if is_group else route_scope(name)
        self._provider.set_percent(scope, basis_points)

    def keep_good(self) -> str:
        """Keep what the file says, for a start without it; why that failed, else "". Blocks."""
        said = json.dumps(_STATE.dump_python(_plain(self.state), mode="json"), sort_keys=True)
        kept = {"sha256": hashlib.sha256(said.encode()).hexdigest(), "flags": json.loads(said)}
        try:
            self._directory.write(LAST_GOOD_FLAGS, json.dumps(kept, indent=2).encode() + b"\n")
        except OSError as error:
            return f"{LAST_GOOD_FLAGS}: cannot be written ({error.strerror or error})"
        return ""

    def warnings(self, file: RouteFile) -> tuple[str, ...]:
        """What in the flag file has no effect, and what holds although the file is silent."""
        groups = {group.name for group in file.groups}
        routes = {route.id: route.group for route in file.routes}
        silent = set(self.held_percentages)
        said = FlagState(
            groups={n: f for n, f in self.state.groups.items() if group_scope(n) not in silent},
            routes={n: f for n, f in self.state.routes.items() if route_scope(n) not in silent},
        )
        found = map(str, unknown_names(said, str(self.path), groups=groups, routes=routes))
        known = {*map(group_scope, groups), *map(route_scope, routes)}
        held = [
            f"{self.path}: says nothing of {scope} any more, so its last percentage holds;"
            " set it to 0 to end that"
            for scope in self.held_percentages
            if scope in known
        ]
        return (*found, *held)


def _said(state: FlagState) -> tuple[object, ...]:
    return (
        state.rollback,
        *(
            {name: (flag.basis_points, flag.rollback) for name, flag in flags.items()}
            for flags in (state.groups, state.routes)
        ),
    )


def _plain(state: FlagState) -> FlagState:
    # pydantic reads into any Mapping but writes dictionaries only.
    return FlagState(
        revision=state.revision,
        rollback=state.rollback,
        groups=dict(state.groups),
        routes=dict(state.routes),
    )


def _last_good(path: Path) -> FlagState | None:
    """What the flag file said when it was last read well; None if that was not kept intact."""
    try:
        kept = json.loads(path.read_bytes())
        said = json.dumps(kept["flags"], sort_keys=True)
        if hashlib.sha256(said.encode()).hexdigest() != kept["sha256"]:
            return None
        return _STATE.validate_json(said)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError):
        return None


def _view(hold: Hold) -> HoldView:
    since = datetime.fromtimestamp(hold.since, UTC).isoformat(timespec="seconds")
    return HoldView(
        scope=hold.scope,
        source=hold.source.value,
        since=since,
        actor=hold.actor,
        reason=hold.reason,
        lift=hold.how_to_lift(),
    )


__all__ = ["FlagFileError", "Switches"]
