"""figway rollback: back to legacy, at the next request."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli import client, scope
from proxy.cli.output import Help

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `rollback`."""
    parser = subparsers.add_parser(
        "rollback",
        help="send everything, a group or a route back to legacy",
        description="Send everything, a group or a route back to legacy. The command returns when"
        " every worker has confirmed; from then on no new request reaches a new service. It stays"
        " so, also over a restart, until `figway resume`. Routes at stage complete stay where they"
        " are.",
        epilog='example:\n  figway rollback --all --reason "error rate after 4.2"\n'
        "\nexit codes: 0 every worker confirmed, 1 refused or not confirmed,"
        " 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    scope.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Roll back; exit 0 once all workers confirmed, 1 if not, 2 if figway cannot be reached."""
    body = {
        "scope": args.scope,
        "reason": args.reason,
        "actor": scope.actor(),
        "wait_seconds": args.wait,
    }
    answer = client.ask(args, "POST", "/api/v1/rollback", body)
    return scope.tell(answer, f"rolled back {args.scope}", as_json=args.json)
