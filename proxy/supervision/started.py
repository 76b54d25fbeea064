"""The line that a start leaves in the audit: how everything stood, whatever changed before."""

from __future__ import annotations

from flags.snapshot import FlagSnapshot
from proxy.supervision.audit import Actor, Entry
from proxy.supervision.flag_moves import Held, Position, moves, position

_NOTHING = Position((), FlagSnapshot())


def started(held: Held, *, version: str, config_revision: str) -> Entry:
    """Files may have changed while nothing ran: compare with the line before."""
    stands = [
        f"{move.scope} {move.after}" if move.before else move.after
        for move in moves(_NOTHING, position(held))
    ]
    return Entry(
        phase="done",
        action="started",
        scope="figway",
        actor=Actor(who=f"figway {version}", via="start"),
        reason="figway started",
        before="",
        after="; ".join((f"routes.yaml {config_revision}", *stands)),
        revision=0,
        outcome="applied",
    )
