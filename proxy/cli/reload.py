"""figway reload: reads routes.yaml and the flag file again, now."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli import client, scope
from proxy.cli.output import OK, REFUSED, Help, bad, good, print_json

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `reload`."""
    parser = subparsers.add_parser(
        "reload",
        help="read routes.yaml and the flag file again",
        description="Read routes.yaml and the flag file again and wait until every worker uses"
        " them. figway watches both files by itself; this tells what came of it. A file with a"
        " problem changes nothing.",
        epilog="example:\n  figway reload && figway routes\n"
        "\nexit codes: 0 both files are in use, 1 one is refused or not confirmed,"
        " 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Reload; exit 0 when both files are in use, 1 when one was refused or not confirmed."""
    answer = client.ask(args, "POST", "/api/v1/reload", {"actor": scope.actor()})
    if args.json:
        print_json(answer)
    else:
        for file in answer["files"]:
            if file["problems"]:
                print(bad(f"{file['path']}: refused, what was loaded before stays"))
                for line in file["problems"]:
                    print(f"  {line}")
            else:
                print(good(f"{file['path']}: {file['outcome']}"))
        for warning in answer["warnings"]:
            print(bad(f"warning: {warning}"))
        for worker in answer["unconfirmed"]:
            print(bad(f"NOT confirmed by worker {worker['worker']} (process {worker['pid']})"))
    refused = any(file["problems"] for file in answer["files"])
    return REFUSED if refused or answer["unconfirmed"] else OK
