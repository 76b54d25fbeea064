"""figway shadow show: one kept pair of answers, side by side."""

from __future__ import annotations

import argparse
import shutil
from typing import Any
from urllib.parse import quote

from proxy.cli import client
from proxy.cli.output import OK, Help, print_json
from proxy.cli.shadow.exemplar_text import exemplar_text
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.reading import read_as
from proxy.evidence.answers import ShownExemplar

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow show`."""
    parser = subparsers.add_parser(
        "show",
        help="one pair of answers side by side, and the rule that would silence it",
        description="Show one kept pair of answers side by side: what was asked, what differs and"
        " why, and the rule that would silence it. Secrets were taken out before it was kept.",
        epilog="example:\n  figway shadow show 7f3a2b\n"
        "\nexit codes: 0 shown, 1 there is no such pair, 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "id",
        type=exemplar_id,
        metavar="ID",
        help="as in the report; its beginning will do if it is unambiguous",
    )
    parser.add_argument("--all", action="store_true", help="show equal lines too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def exemplar_id(text: str) -> str:
    """An id as it is given, or its beginning. Raises ArgumentTypeError for none."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "an id is needed: `figway shadow exemplars ROUTE` lists what is kept"
        )
    return text


def run(args: argparse.Namespace) -> int:
    """Print one exemplar."""
    answer = client.ask(args, "GET", f"/api/v1/shadow/exemplars/{quote(args.id, safe='')}")
    if args.json:
        print_json(answer)
        return OK
    width = shutil.get_terminal_size((160, 40)).columns
    print(exemplar_text(read_as(ShownExemplar, answer), width, Paint.of_stdout(), whole=args.all))
    return OK
