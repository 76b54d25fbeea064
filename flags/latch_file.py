"""The rollback latch on disk: survives restarts, and never loses a rollback in silence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from flags.latch import NOT_HELD, Hold, Latch, Source
from flags.scope import ALL, checked_scope
from flags.whole_file import write_whole

_VERSION: Final = 1


class LatchFile:
    """One latch in one file, mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, *, now: float) -> Latch:
        """Read the latch. A file that is not there is a latch that holds nothing.

        A file that cannot be read or trusted may have held anything, so everything is rolled back,
        held by `Source.LATCH` with the reason, until somebody resumes.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return NOT_HELD
        except OSError as error:
            return self._distrusted(error.strerror or str(error), now)
        try:
            return _decode(content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return self._distrusted(str(error) or type(error).__name__, now)

    def save(self, latch: Latch) -> str:
        """Write the latch durably; the sentence to log when that fails, else "".

        It does not raise: a full disk must not stop a rollback that memory already holds.
        """
        try:
            write_whole(self.path, _encode(latch), mode=0o600)
        except OSError as error:
            return (
                f"{self.path}: cannot be written ({error.strerror or error}): what holds now will"
                " not survive a restart; make room or mend its permissions, then repeat the command"
            )
        return ""

    def _distrusted(self, why: str, now: float) -> Latch:
        reason = (
            f"{self.path} cannot be trusted ({why}); it may have held a rollback, so everything is"
            " rolled back until figway resume --all"
        )
        hold = Hold(scope=ALL, source=Source.LATCH, reason=reason, actor=str(self.path), since=now)
        return NOT_HELD.hold(hold)


def _encode(latch: Latch) -> bytes:
    body = {
        "version": _VERSION,
        "holds": [
            {
                "scope": hold.scope,
                "source": hold.source.value,
                "reason": hold.reason,
                "actor": hold.actor,
                "since": hold.since,
                "revision": hold.revision,
            }
            for hold in latch.holds
        ],
        "flags_off": dict(latch.flags_off),
    }
    return json.dumps({"sha256": _digest(body), **body}, indent=2).encode() + b"\n"


def _decode(content: bytes) -> Latch:
    body = json.loads(content)
    if not isinstance(body, dict):
        raise TypeError("it is not a JSON object")
    digest = body.pop("sha256", None)
    if digest != _digest(body):
        raise ValueError("its checksum does not fit: it is damaged or was edited by hand")
    if body["version"] != _VERSION:
        raise ValueError(f"it was written by another version ({body['version']})")
    latch = Latch(
        flags_off=MappingProxyType(
            {checked_scope(scope): int(revision) for scope, revision in body["flags_off"].items()}
        )
    )
    for each in body["holds"]:
        latch = latch.hold(
            Hold(
                scope=each["scope"],
                source=Source(each["source"]),
                reason=str(each["reason"]),
                actor=str(each["actor"]),
                since=float(each["since"]),
                revision=int(each["revision"]),
            )
        )
    return latch


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
