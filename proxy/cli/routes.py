"""figway routes: every route, how far Git lets it go and where its flag stands."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli import client
from proxy.cli.output import OK, Help, print_json, table

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `routes`."""
    parser = subparsers.add_parser(
        "routes",
        help="show every route: stage, flag, percentage, upstream",
        description="Show every route in file order: its match, its stage, the flag's percentage,"
        " the share that really goes to the new side, and why.",
        epilog="example:\n  figway routes\n\nexit codes: 0 shown, 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the routes; exit 0 if figway could be asked."""
    answer = client.ask(args, "GET", "/api/v1/routes")
    if args.json:
        print_json(answer)
        return OK
    rows = [
        (
            route["id"],
            route["match"],
            route["stage"],
            route["new"] or "-",
            route["rule"] or _percent(route["flag_percent"]),
            _percent(route["effective_percent"]),
            route["because"],
        )
        for route in answer["routes"]
    ]
    print(table(("route", "match", "stage", "new", "flag", "to new", "because"), rows))
    return OK


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:g} %"
