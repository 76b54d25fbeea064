"""The last answer of Unleash that was taken, on disk: whole or not at all, with its checksum."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from flags.provider import NOTHING_SAID, FlagState
from flags.unleash.answers import Held, held_part
from flags.whole_file import write_whole

_VERSION: Final = 1
_STATE: Final = TypeAdapter(FlagState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was kept: the answer as it came, its revision, and what was held beside it."""

    # Which Unleash, and which environment of it.
    api: str
    environment: str
    # Of our own count.
    revision: int
    answer: str
    # Flags that the answer is silent about.
    held: FlagState = NOTHING_SAID
    # Seconds since the epoch.
    at: float = 0.0


class LastGood:
    """The file. Both methods block."""

    def __init__(self, path: Path, *, api: str, environment: str) -> None:
        self._path = path
        self._api = api
        self._environment = environment

    def load(self) -> tuple[Kept | None, str]:
        """What was kept, and why nothing can be used of it although the file is there."""
        try:
            kept = json.loads(self._path.read_bytes())
            body = kept["body"]
            if kept["version"] != _VERSION:
                return None, f"{self._path}: written by another version ({kept['version']})"
            if _digest(body) != kept["sha256"]:
                return None, f"{self._path}: its checksum is wrong, so it is not used"
            return (
                Kept(
                    api=str(body["api"]),
                    environment=str(body["environment"]),
                    revision=int(body["revision"]),
                    answer=str(body["answer"]),
                    held=_STATE.validate_python(body["held"]),
                    at=float(body["at"]),
                ),
                "",
            )
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{self._path}: cannot be read ({error.strerror or error})"
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
            return None, f"{self._path}: is damaged, so it is not used"

    def save(self, held: Held) -> str:
        """Keep an answer; why that failed, else empty."""
        part = held_part(held)
        # pydantic reads into any Mapping but writes dictionaries only.
        plain = replace(part, groups=dict(part.groups), routes=dict(part.routes))
        body = {
            "api": self._api,
            "environment": self._environment,
            "revision": held.state.revision,
            "answer": held.text,
            "held": _STATE.dump_python(plain, mode="json"),
            "at": time.time(),
        }
        text = json.dumps({"version": _VERSION, "sha256": _digest(body), "body": body})
        try:
            write_whole(self._path, text.encode() + b"\n", mode=0o600)
        except OSError as error:
            return f"{self._path}: cannot be written ({error.strerror or error})"
        return ""


class Keeper:
    """Has the disk keep what is newest. A disk that hangs holds up nothing but itself."""

    def __init__(self, save: Callable[[Held], str], on_problem: Callable[[str], None]) -> None:
        self._save = save
        self._on_problem = on_problem
        self._next: Held | None = None
        self._writing: asyncio.Task[None] | None = None

    def keep(self, held: Held) -> None:
        """Keep this, or whatever is newer by the time that the disk gets to it."""
        self._next = held
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="unleash-keep")

    async def close(self, patience: float) -> None:
        """Wait for the disk, at most this many seconds."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=patience)
            self._writing.cancel()

    async def _write(self) -> None:
        while self._next is not None:
            held, self._next = self._next, None
            self._on_problem(await asyncio.to_thread(self._save, held))


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
