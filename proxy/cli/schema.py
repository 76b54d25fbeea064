"""figway schema: print the JSON schema of routes.yaml, or of cases.yaml."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from proxy.cli.output import OK, Help
from proxy.config.schema import schema_text
from proxy.conformance.schema import cases_schema_text

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `schema`."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON schema of routes.yaml",
        description="Print the JSON schema (draft-07) of routes.yaml. Editors complete and explain"
        " keys with it: put it beside routes.yaml and begin that file with the line"
        " `# yaml-language-server: $schema=./routes.schema.json`.",
        epilog="examples:\n"
        "  figway schema > routes.schema.json\n"
        "  figway schema --cases > cases.schema.json\n\n"
        "exit codes: 0 printed\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--cases", action="store_true", help="that of the cases of `figway conform`"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, which is what it always does"
    )


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    sys.stdout.write(cases_schema_text() if args.cases else schema_text())
    return OK
