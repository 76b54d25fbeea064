"""figway shadow exemplars: the kept pairs of a route, one line each."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import urlencode

from proxy.cli import client
from proxy.cli.output import OK, Help, print_json, table
from proxy.cli.shadow.reading import read_as
from proxy.cli.shadow.words import moment, printable, short
from proxy.evidence.answers import ExemplarLine, ExemplarsAnswer

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow exemplars`."""
    parser = subparsers.add_parser(
        "exemplars",
        help="the kept pairs of a route, or of one of its causes",
        description="List the pairs of answers that are kept of a route, or of one of its causes,"
        " newest first. `figway shadow show` shows one.",
        epilog="examples:\n"
        "  figway shadow exemplars product-api\n"
        "  figway shadow exemplars product-api --cause 9f2c11d07a6be345\n"
        "\nexit codes: 0 listed, 1 refused, 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("route", metavar="ROUTE", help="id of the route")
    parser.add_argument("--cause", metavar="CAUSE", help="its 16 hex digits, as in the report")
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """List them."""
    asked = {"route": args.route} | ({"fingerprint": args.cause} if args.cause else {})
    answer = client.ask(args, "GET", f"/api/v1/shadow/exemplars?{urlencode(asked)}")
    if args.json:
        print_json(answer)
        return OK
    found = read_as(ExemplarsAnswer, answer).exemplars
    if not found:
        print("no pair is kept")
        return OK
    ordered = sorted(found, key=lambda line: -line.at)
    print(table(("id", "at", "outcome", "legacy", "new", "request"), list(map(_row, ordered))))
    return OK


def _row(line: ExemplarLine) -> tuple[str, ...]:
    outcome = " ".join(filter(None, (line.outcome, line.detail)))
    replay = f" (replay of {line.replay_of})" if line.replay_of else ""
    return (
        printable(line.id),
        moment(line.at),
        printable(outcome),
        str(line.legacy_status or "-"),
        str(line.new_status or "-"),
        short(printable(f"{line.method} {line.target}{replay}"), 100),
    )
