"""figway rollback: back to legacy, at the next request."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from proxy.cli import client, fleet_fanout, plan_text, scope
from proxy.cli.output import OK, REFUSED, Failure, Help, print_json

Parsers = Any  # argparse's own type for it is private

ALL = "all"
# What a rollback waits for its own plan. Seconds.
_FORETELL_SECONDS = 0.5


def add_parser(subparsers: Parsers) -> None:
    """Add `rollback`."""
    parser = subparsers.add_parser(
        "rollback",
        help="send everything, a group or a route back to legacy",
        description="Send everything, a group or a route back to legacy. The command returns when"
        " every worker of every live replica has confirmed; from then on no new request reaches a"
        " new service. It stays"
        " so, also over a restart, until `figway resume`. Routes at stage complete stay where they"
        " are. With --plan nothing is changed: it tells the load that legacy would get, by the"
        " traffic of the last minute, of everything if no scope is named. A rollback of everything"
        " tells it too before it acts, and acts whatever the plan says. While replicas"
        " share no store, or it is down, it asks each of them by itself: those that FIGWAY_PEERS"
        " names, and those that were known.",
        epilog='example:\n  figway rollback --all --reason "error rate after 4.2"\n'
        "  figway rollback --plan\n"
        "\nexit codes: 0 every live replica confirmed, 1 refused or not confirmed,"
        " 2 figway cannot be reached\n"
        "with --plan: 0 legacy bears it or nobody said what it bears, 1 it would get more,"
        " 2 there is no plan\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    needed = scope.add_options(parser)

    class Plan(argparse.Action):
        """What only looks needs no reason, and without a scope it looks at everything."""

        def __call__(self, _: object, args: argparse.Namespace, *__: object) -> None:
            needed.scope.required = needed.reason.required = False
            args.plan = True

    parser.add_argument(
        "--plan",
        action=Plan,
        nargs=0,
        default=False,
        help="change nothing: print the load that legacy would get",
    )


def run(args: argparse.Namespace) -> int:
    """Roll back; exit 0 once all workers confirmed, 1 if not, 2 if figway cannot be reached."""
    if args.plan:
        return _tell_plan(args)
    began = time.perf_counter()
    if args.scope == ALL:
        _foretell(args)
    body = scope.body(args, scope=args.scope)
    answer = fleet_fanout.change(args, "/api/v1/rollback", body, hedged=True, began=began)
    return scope.tell(answer, f"rolled back {args.scope}", as_json=args.json)


def _tell_plan(args: argparse.Namespace) -> int:
    plan = client.look(args, f"/api/v1/plan?scope={quote(args.scope or ALL)}")
    if args.json:
        print_json(plan)
    else:
        print(plan_text.render(plan))
    return REFUSED if plan["verdict"] == "exceeds" else OK


def _foretell(args: argparse.Namespace) -> None:
    """Say what legacy will get. No plan stops a rollback, and none is waited for long."""
    # Another version, an answer that never comes, a terminal that is gone: the rollback goes on.
    with suppress(Failure, OSError, LookupError, TypeError):
        plan = client.ask(
            args, "GET", f"/api/v1/plan?scope={args.scope}", timeout=_FORETELL_SECONDS
        )
        # Where JSON is wanted, stdout holds one value only.
        print(plan_text.verdict(plan), file=sys.stderr if args.json else sys.stdout, flush=True)
