"""figway resume: ends what a command, a signal or the sentinel file rolled back."""

from __future__ import annotations

import argparse
from typing import Any

from flags.scope import as_option
from proxy.cli import fleet_fanout, scope
from proxy.cli.output import REFUSED, Help, bad, inert

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `resume`."""
    parser = subparsers.add_parser(
        "resume",
        help="end a rollback",
        description="End a rollback that a command, a signal or the sentinel file started, for the"
        " same scope, on every replica. What a flag started ends when that flag is set to false;"
        " this command names what still holds, be it a rollback of more than the scope.",
        epilog='example:\n  figway resume --all --reason "fixed in 4.2.1"\n'
        "\nexit codes: 0 free again, 1 refused, not confirmed or still held,"
        " 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    scope.add_options(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="also when the rollback is younger than control.resume_cooldown",
    )


def run(args: argparse.Namespace) -> int:
    """Resume; exit 0 when the scope is free again, 1 if something still holds it."""
    body = scope.body(args, scope=args.scope, force=args.force)
    answer = fleet_fanout.change(args, "/api/v1/resume", body)
    done = f"resumed {args.scope}" if answer["changed"] else f"{args.scope} was not rolled back"
    held = answer["still_held"]
    if not held:
        return scope.tell(answer, done, as_json=args.json)
    if not args.json:
        print(bad(f"NOT resumed: still held by {inert(', '.join(held))}"))
        # What holds here is listed below, with how it ends.
        for each in held:
            source, on, replica = each.partition(" on ")
            if on:
                print(f"  on {inert(f'{replica}: {_mend(source, args.scope)}')}")
    ended = "what else held it has ended" if answer["changed"] else "nothing else held it"
    scope.tell(answer, f"{args.scope} is still rolled back, {ended}", as_json=args.json)
    return REFUSED


def _mend(held: str, asked: str) -> str:
    """How that ends what still holds on another replica: "sentinel", "flag of all"."""
    source, _, wider = held.partition(" of ")
    again = f"figway resume {as_option(wider or asked)}"
    match source:
        case "sentinel":
            return f"remove the sentinel file, which `figway status` names there, then {again}"
        case "flag":
            return "turn the flag off where it was set, which `figway status` names there"
        case _:
            return again
