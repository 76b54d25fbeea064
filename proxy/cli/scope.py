"""The options that rollback and resume share: which traffic, why, and how long to wait."""

from __future__ import annotations

import argparse
import getpass
import socket
from typing import Any, NamedTuple

from proxy.cli import client
from proxy.cli.output import OK, REFUSED, bad, good, inert, many, print_json

WAIT_SECONDS = 5.0
MAX_WAIT_SECONDS = 60.0
# Beyond the wait for acks: connecting, and a store that is asked in vain.
GRACE_SECONDS = 5.0


class Needed(NamedTuple):
    """What a command that changes something has to be told."""

    scope: Any  # argparse's own type for a group is private
    reason: argparse.Action


def add_options(parser: argparse.ArgumentParser) -> Needed:
    """Add scope, reason, wait, JSON and connection; returns those that are required."""
    scope = parser.add_mutually_exclusive_group(required=True)
    scope.add_argument("--all", action="store_const", const="all", dest="scope", help="every route")
    scope.add_argument(
        "--group", type=lambda name: f"group:{name}", dest="scope", metavar="G", help="one group"
    )
    scope.add_argument(
        "--route", type=lambda name: f"route:{name}", dest="scope", metavar="R", help="one route"
    )
    reason = add_reason(
        parser,
        more="; not how long the command may take: a replica that does not answer at all is given"
        f" up {GRACE_SECONDS:g} s after that",
    )
    add_seen(parser)
    client.add_options(parser)
    return Needed(scope, reason)


def add_reason(
    parser: argparse.ArgumentParser, *, required: bool = True, more: str = ""
) -> argparse.Action:
    """Add what every change takes: a reason for the audit, how long to wait, JSON.

    `more` is what else there is to say of the wait.
    """
    reason = parser.add_argument(
        "--reason", required=required, default="none given", help="why, for the audit"
    )
    parser.add_argument(
        "--wait",
        nargs="?",
        type=_seconds,
        const=MAX_WAIT_SECONDS,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help="how long every worker may take to confirm (the command always waits:"
        f" {WAIT_SECONDS:g} by default, {MAX_WAIT_SECONDS:g} with a bare --wait){more}",
    )
    parser.add_argument("--ticket", default="", help="the ticket it belongs to, for the audit")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return reason


def add_seen(parser: argparse.ArgumentParser) -> None:
    """Add the revision that was looked at, for changes that shall not overtake another one."""
    parser.add_argument(
        "--if-revision",
        type=int,
        metavar="N",
        help="only if nothing was changed since this revision, as `figway status` shows it",
    )


def body(args: argparse.Namespace, **fields: object) -> dict[str, object]:
    """What the call of a change takes: its own fields, and who does it and why."""
    return {
        **fields,
        "reason": args.reason,
        "ticket": args.ticket,
        "actor": actor(),
        "wait_seconds": args.wait,
    }


def actor() -> str:
    """Who types this, as far as this machine knows."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def tell(answer: dict[str, Any], done: str, *, as_json: bool) -> int:
    """Print what a change came to; return the exit code."""
    missing = answer["unconfirmed"]
    # A figway of before there were fleets says nothing of them.
    replicas = answer.get("replicas", [])
    silent = [word for word in replicas if word["state"] not in ("applied", "gone")]
    # Nobody could be asked, so nobody is known to have heard of it.
    untold = answer.get("fleet", {}).get("state") == "unreachable" and len(replicas) < 2
    if as_json:
        print_json(answer)
    else:
        workers = answer["workers"]
        if missing or silent:
            names = [f"worker {w['worker']} (process {w['pid']})" for w in missing]
            names += [word["replica"] for word in silent]
            print(bad(f"{done}, but NOT confirmed by {', '.join(names)}"))
            print("  they may still use the state before; look at `figway status`")
        elif replicas:
            applied = [word for word in replicas if word["state"] == "applied"]
            last = max((word["ms"] for word in applied), default=0.0)
            print(good(f"{done}: {many(len(applied), 'replica')} confirmed in {last:.1f} ms"))
        else:
            count = many(len(workers), "worker")
            print(good(f"{done}: {count} confirmed in {answer['applied_ms']:.1f} ms"))
        for word in replicas:
            print(f"  {_word(word)}")
        for worker in workers:
            print(f"  worker {worker['worker']} (process {worker['pid']}): {worker['ms']:.1f} ms")
        if untold:
            print(bad("  no other replica could be told: FIGWAY_PEERS names whom to ask"))
        for hold in answer["holds"]:
            print(f"  rolled back: {hold['scope']} by {hold['source']} since {hold['since']}")
            print(f"    ends with: {inert(hold['lift'])}")
        for warning in answer["warnings"]:
            print(bad(f"  warning: {inert(warning)}"))
    return REFUSED if missing or silent or untold else OK


def _word(word: dict[str, Any]) -> str:
    match word["state"]:
        case "applied":
            return f"{word['replica']}: {word['ms']:.1f} ms"
        case "gone":
            return f"{word['replica']}: is gone"
        case "unconfirmed":
            return bad(f"{word['replica']}: NOT confirmed")
        case state:
            return bad(f"{word['replica']}: {state} ({word.get('detail', '')})")


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MAX_WAIT_SECONDS:
        raise argparse.ArgumentTypeError(f"expected seconds, up to {MAX_WAIT_SECONDS:g}: {text!r}")
    return seconds
