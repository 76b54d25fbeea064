"""figway shadow triage: notes that somebody has looked at a cause."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli import client, scope
from proxy.cli.output import OK, Help, good, print_json
from proxy.cli.shadow.reading import read_as
from proxy.cli.shadow.words import printable
from proxy.evidence.answers import TriageAnswer

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow triage`."""
    parser = subparsers.add_parser(
        "triage",
        help="note that somebody has looked at a cause",
        description="Note that somebody has looked at a cause, with a ticket or a reason. A"
        " critical cause that nobody has looked at stops a GO for a day. Its mismatches count as"
        " before: only a rule in routes.yaml changes that.",
        epilog="example:\n  figway shadow triage product-api 9f2c11d07a6be345 --ticket SHOP-12\n"
        "\nexit codes: 0 noted, 1 refused, 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("route", metavar="ROUTE", help="id of the route")
    parser.add_argument("fingerprint", metavar="CAUSE", help="its 16 hex digits, as in the report")
    word = parser.add_argument_group("at least one of")
    word.add_argument("--ticket", default="", help="who works on it: SHOP-12")
    word.add_argument("--note", default="", help="what is known about it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Note it."""
    body = {
        "route": args.route,
        "fingerprint": args.fingerprint,
        "ticket": args.ticket,
        "note": args.note,
        "actor": scope.actor(),
    }
    answer = client.ask(args, "POST", "/api/v1/shadow/triage", body)
    if args.json:
        print_json(answer)
        return OK
    noted = read_as(TriageAnswer, answer)
    word = printable(" ".join(filter(None, (noted.ticket, noted.note))))
    print(good(f"{printable(noted.route)} {printable(noted.fingerprint)}: {word}"))
    return OK
