"""The flag file as this process uses it: what it says, what of it holds, and where that is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from flags.file import FileProvider, Refreshed
from flags.file_text import FlagFileError, unknown_names
from flags.provider import NOTHING_SAID, Flag, FlagState
from flags.scope import group_scope, route_scope
from proxy.routing.route import RouteFile
from proxy.supervision.state_directory import LAST_GOOD_FLAGS, StateDirectory

_STATE = TypeAdapter(FlagState)

# As an origin in the latch.
FILE = "file"

FileOrigin = Literal["file", "last_good", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What stood in the file, perhaps in the middle of being written."""

    # None: there was nothing to be read.
    content: bytes | None
    # The rollbacks that are on in it, and nothing else.
    rollbacks: FlagState


class FlagFile:
    """One flag file. Methods that touch the disk say so and block."""

    def __init__(
        self, path: Path, directory: StateDirectory, *, newest: int, required: bool = True
    ) -> None:
        """Read it, or what it said last. Blocks.

        `newest` is the newest revision of it that the latch knows of. One that is not `required`
        may be missing: somebody else says the flags.
        """
        self.path = path
        self._directory = directory
        self._required = required
        last_good = _last_good(directory.path / LAST_GOOD_FLAGS)
        self._provider = FileProvider(path, last_good=last_good or NOTHING_SAID, newest=newest)
        first = self._provider.refresh()
        self.origin: FileOrigin = "file" if self._provider.content is not None else "nothing"
        if self.origin == "nothing" and last_good is not None:
            self.origin = "last_good"
        self.problems = tuple(map(str, first.problems))
        if self.origin == "nothing" and not self.problems and required:
            self.problems = (f"{path}: there is no such file",)
        self.state = first.state
        self.held_percentages = first.held

    def glance(self) -> Glance:
        """What stands in the file at this moment; nothing of it is taken over. Blocks."""
        try:
            content, state = self._provider.glance()
        except FlagFileError:
            return Glance(content=None, rollbacks=NOTHING_SAID)
        return Glance(content=content, rollbacks=_rollbacks_of(state))

    def read(self, glance: Glance | None = None) -> Refreshed:
        """Look at the file again, or take what was seen at a glance. Blocks."""
        return self._provider.refresh(None if glance is None else glance.content)

    def use(self, refreshed: Refreshed) -> bool:
        """Take over what it says; whether that is news."""
        self.problems = tuple(map(str, refreshed.problems))
        if refreshed.problems:
            return False
        self.held_percentages = refreshed.held
        self.origin = "file" if self._provider.content is not None else self.origin
        news = _said(refreshed.state) != _said(self.state)
        self.state = refreshed.state
        return news

    def write_percent(self, scope: str, basis_points: int) -> None:
        """Set a percentage, comments kept. Raises FlagFileError. Blocks."""
        self._provider.set_percent(scope, basis_points)

    def keep_good(self) -> str:
        """Keep what it says, for a start without it; why that failed, else "". Blocks."""
        said = json.dumps(_STATE.dump_python(_plain(self.state), mode="json"), sort_keys=True)
        kept = {"sha256": hashlib.sha256(said.encode()).hexdigest(), "flags": json.loads(said)}
        try:
            self._directory.write(LAST_GOOD_FLAGS, json.dumps(kept, indent=2).encode() + b"\n")
        except OSError as error:
            return f"{LAST_GOOD_FLAGS}: cannot be written ({error.strerror or error})"
        return ""

    def warnings(self, file: RouteFile) -> tuple[str, ...]:
        """What in it has no effect, and what holds although it is silent."""
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


def _rollbacks_of(state: FlagState) -> FlagState:
    groups, routes = (
        {name: Flag(rollback=True) for name, flag in flags.items() if flag.rollback}
        for flags in (state.groups, state.routes)
    )
    return FlagState(
        revision=state.revision,
        rollback=state.rollback or None,
        groups=groups,
        routes=routes,
    )


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
