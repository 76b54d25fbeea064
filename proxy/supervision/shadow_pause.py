"""The pause of shadow traffic: who paused it, since when and why, and its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from flags.whole_file import write_whole

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Shadow traffic is paused until somebody resumes it."""

    # Wall time in seconds since the epoch.
    since: float
    actor: str
    reason: str


class PauseFile:
    """Whether shadow traffic is paused, in one file, mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, *, now: float) -> Pause | None:
        """Read it; None: not paused. A file that cannot be trusted may have held a pause: it is."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._distrusted(error.strerror or str(error), now)
        try:
            return _decode(content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return self._distrusted(str(error) or type(error).__name__, now)

    def save(self, pause: Pause | None) -> str:
        """Write it durably; the sentence to log when that fails, else "". Never raises."""
        body = {"version": _VERSION, "pause": None if pause is None else asdict(pause)}
        text = json.dumps({"sha256": _digest(body), **body}, indent=2).encode() + b"\n"
        try:
            write_whole(self.path, text, mode=0o600)
        except OSError as error:
            return (
                f"{self.path}: cannot be written ({error.strerror or error}): what holds now will"
                " not survive a restart; make room or mend its permissions, then repeat the command"
            )
        return ""

    def _distrusted(self, why: str, now: float) -> Pause:
        return Pause(
            since=now,
            actor=str(self.path),
            reason=f"{self.path} cannot be trusted ({why}); it may have held a pause, so shadow"
            " traffic is paused until figway shadow resume",
        )


def _decode(content: bytes) -> Pause | None:
    body = json.loads(content)
    if not isinstance(body, dict):
        raise TypeError("it is not a JSON object")
    digest = body.pop("sha256", None)
    if digest != _digest(body):
        raise ValueError("its checksum does not fit: it is damaged or was edited by hand")
    if body["version"] != _VERSION:
        raise ValueError(f"it was written by another version ({body['version']})")
    pause = body["pause"]
    if pause is None:
        return None
    return Pause(
        since=float(pause["since"]), actor=str(pause["actor"]), reason=str(pause["reason"])
    )


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
