"""What the flags of a running figway say, asked over its admin API."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from flags.snapshot import FlagSnapshot
from flags.snapshot_json import from_json
from proxy.cli import client
from proxy.cli.output import UNUSABLE, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFlags:
    """The snapshot that requests are decided with, and what its provider cannot follow."""

    provider: str
    revision: int
    snapshot: FlagSnapshot
    problems: tuple[str, ...]


def ask_flags(args: argparse.Namespace) -> LiveFlags:
    """Ask. Raises Failure: exit 2 when figway does not say, or is another version."""
    answer = client.look(args, "/api/v1/flags")
    try:
        return LiveFlags(
            provider=answer["provider"],
            revision=answer["revision"],
            snapshot=from_json(answer["snapshot"]),
            problems=tuple(answer["problems"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(
            UNUSABLE, f"the running figway tells its flags otherwise (another version?): {error}"
        ) from None
