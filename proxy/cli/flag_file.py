"""A flag file as a command reads it: what it says, and on which line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flags.evaluate import combine
from flags.file_text import FlagFileError, parse_flags
from flags.latch import NOT_HELD
from flags.scope import ALL, group_scope, route_scope
from flags.snapshot import FlagSnapshot
from proxy.cli.output import UNUSABLE, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFlags:
    """What the file alone makes of requests: nothing is latched. Origins are as `explain` asks."""

    snapshot: FlagSnapshot
    # Scope, or "rollback SCOPE", to file and line.
    origins: Mapping[str, str]


def read_flags(name: str) -> FileFlags:
    """Read a flag file. Raises Failure with every problem in it."""
    try:
        state = parse_flags(Path(name).read_bytes(), name)
    except FlagFileError as error:
        raise Failure(UNUSABLE, str(error)) from None
    except OSError as error:
        raise Failure(UNUSABLE, f"{name}: cannot be read: {error.strerror}") from None
    # As a running figway calls its own.
    shown = Path(name).name
    origins = {f"rollback {ALL}": shown} if state.rollback else {}
    for scope_of, flags in ((group_scope, state.groups), (route_scope, state.routes)):
        for entry, flag in flags.items():
            where = f"{shown}:{flag.line}"
            if flag.moves_traffic:
                origins[scope_of(entry)] = where
            if flag.rollback:
                origins[f"rollback {scope_of(entry)}"] = where
    return FileFlags(snapshot=combine(state, NOT_HELD, revision=0), origins=origins)
