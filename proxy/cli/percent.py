"""figway percent: moves a share of a route's or group's traffic to the new side."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli import client, scope
from proxy.cli.output import Help

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `percent`."""
    parser = subparsers.add_parser(
        "percent",
        help="move a share of a route's traffic to the new side",
        description="Set the percentage of a route or group where flags come from (the flag file,"
        " Redis, Unleash) and wait until every worker uses it. Steps of 0.01; never above the"
        " route's max_percent. Raising it never moves a client back.",
        epilog='example:\n  figway percent product-page 12.5 --reason "first customers"\n'
        "\nexit codes: 0 every worker confirmed, 1 refused or not confirmed,"
        " 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="ROUTE", help="id of the route, or name of the group")
    parser.add_argument("percent", metavar="PERCENT", type=_percent, help="0 to 100, in 0.01 steps")
    scope.add_reason(parser)
    scope.add_seen(parser)
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Set the percentage; exit 0 once all workers confirmed, 1 if refused or not confirmed."""
    body = scope.body(args, name=args.name, percent=args.percent)
    answer = client.ask(args, "POST", "/api/v1/percent", body, seen=args.if_revision)
    return scope.tell(answer, f"{args.name} is at {args.percent:g} %", as_json=args.json)


def _percent(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    # Not a number is in no range.
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 100: {text[:40]!r}")
    return percent
