"""The rollback latch on disk: survives restarts, and never loses a rollback in silence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from flags.latch import NOT_HELD, Hold, Latch, Source
from flags.scope import ALL, checked_scope
from flags.shared import NOTHING_SHARED, Mark, Share, SharedState
from flags.whole_file import write_whole

_VERSION: Final = 2
# Of the version before, whose only source of flags was the flag file.
_FILE: Final = "file"


class LatchFile:
    """One latch in one file, mode 0600."""

    def __init__(self, path: Path, *, environment: str = "") -> None:
        """`environment` is that of the fleet; empty: there is none to tell apart."""
        self.path = path
        self._environment = environment

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
            return _decode(content, self._environment)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return self._distrusted(str(error) or type(error).__name__, now)

    def save(self, latch: Latch) -> str:
        """Write the latch durably; the sentence to log when that fails, else "".

        It does not raise: a full disk must not stop a rollback that memory already holds.
        """
        try:
            write_whole(self.path, _encode(latch, self._environment), mode=0o600)
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
        hold = Hold(
            scope=ALL,
            source=Source.LATCH,
            reason=reason,
            actor=str(self.path),
            since=now,
            revision=int(now * 1e6),
        )
        return NOT_HELD.hold(hold)


def _encode(latch: Latch, environment: str) -> bytes:
    body = {
        "version": _VERSION,
        "environment": environment,
        "holds": [
            {
                "scope": hold.scope,
                "source": hold.source.value,
                "origin": hold.origin,
                "reason": hold.reason,
                "actor": hold.actor,
                "since": hold.since,
                "revision": hold.revision,
            }
            for hold in latch.local
        ],
        "flags_off": [
            {"scope": scope, "origin": origin, "revision": revision}
            for (scope, origin), revision in sorted(latch.flags_off.items())
        ],
        "resumed": dict(latch.resumed),
        "shared": {
            "revision": latch.shared.revision,
            "marks": [asdict(mark) for mark in latch.shared.marks.values()],
            "shares": [asdict(share) for share in latch.shared.shares.values()],
        },
    }
    return json.dumps({"sha256": _digest(body), **body}, indent=2).encode() + b"\n"


def _decode(content: bytes, environment: str) -> Latch:
    body = json.loads(content)
    if not isinstance(body, dict):
        raise TypeError("it is not a JSON object")
    digest = body.pop("sha256", None)
    if digest != _digest(body):
        raise ValueError("its checksum does not fit: it is damaged or was edited by hand")
    match body["version"]:
        case 1:
            return _first_version(body)
        case 2:
            latch, where = _second_version(body), str(body.get("environment", ""))
            other = where and environment and where != environment
            return _of_another(latch, where) if other else latch
        case version:
            raise ValueError(f"it was written by another version ({version})")


def _second_version(body: dict[str, Any]) -> Latch:
    shared = body["shared"]
    marks = [_mark(each) for each in shared["marks"]]
    shares = [_share(each) for each in shared["shares"]]
    latch = Latch(
        flags_off=MappingProxyType(
            {
                (checked_scope(each["scope"]), str(each["origin"])): int(each["revision"])
                for each in body["flags_off"]
            }
        ),
        shared=SharedState(
            revision=int(shared["revision"]),
            marks=MappingProxyType({mark.scope: mark for mark in marks}),
            shares=MappingProxyType({share.scope: share for share in shares}),
        ),
        resumed=MappingProxyType(
            {checked_scope(scope): int(revision) for scope, revision in body["resumed"].items()}
        ),
    )
    for each in body["holds"]:
        latch = latch.hold(_hold(each, origin=str(each["origin"]), revision=int(each["revision"])))
    return latch


def _of_another(latch: Latch, environment: str) -> Latch:
    """What a latch says in an environment that is not its own.

    Its percentages say nothing here, and its words are not for this fleet. What it held is held
    on, by this host alone, until somebody resumes.
    """
    here = replace(latch, shared=NOTHING_SHARED, resumed=NOT_HELD.resumed)
    for mark in latch.shared.marks.values():
        if mark.on:
            here = here.hold(
                Hold(
                    scope=mark.scope,
                    source=Source.LATCH,
                    reason=f"it was rolled back in the environment {environment}: {mark.reason}",
                    actor=mark.actor,
                    since=mark.since,
                    revision=mark.revision,
                )
            )
    return here


def _first_version(body: dict[str, Any]) -> Latch:
    """A latch of before there were fleets: commands were holds, without a revision."""
    latch = Latch(
        flags_off=MappingProxyType(
            {
                (checked_scope(scope), _FILE): int(revision)
                for scope, revision in body["flags_off"].items()
            }
        )
    )
    for each in body["holds"]:
        since = int(float(each["since"]) * 1e6)
        match Source(each["source"]):
            case Source.COMMAND:
                mark = _mark({**each, "on": True, "revision": since, "replica": ""})
                latch = latch.hear(
                    SharedState(revision=since, marks=MappingProxyType({mark.scope: mark}))
                )
            case Source.FLAG:
                latch = latch.hold(_hold(each, origin=_FILE, revision=int(each["revision"])))
            case Source.SIGNAL | Source.SENTINEL | Source.LATCH:
                latch = latch.hold(_hold(each, origin="", revision=since))
    return latch


def _hold(each: dict[str, Any], *, origin: str, revision: int) -> Hold:
    return Hold(
        scope=each["scope"],
        source=Source(each["source"]),
        reason=str(each["reason"]),
        actor=str(each["actor"]),
        since=float(each["since"]),
        revision=revision,
        origin=origin,
    )


def _mark(each: dict[str, Any]) -> Mark:
    return Mark(
        scope=checked_scope(each["scope"]),
        on=bool(each["on"]),
        revision=int(each["revision"]),
        reason=str(each["reason"]),
        actor=str(each["actor"]),
        replica=str(each["replica"]),
        since=float(each["since"]),
    )


def _share(each: dict[str, Any]) -> Share:
    return Share(
        scope=checked_scope(each["scope"]),
        basis_points=int(each["basis_points"]),
        revision=int(each["revision"]),
        actor=str(each["actor"]),
        replica=str(each["replica"]),
    )


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
