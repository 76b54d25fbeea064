"""figway shadow: finds the command of the group and runs it."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli.output import Help
from proxy.cli.shadow import exemplars, replay, report, rules, show, switch, triage

Parsers = Any  # argparse's own type for it is private

_RUN = {
    "report": report.run,
    "show": show.run,
    "exemplars": exemplars.run,
    "rules": rules.run,
    "replay": replay.run,
    "triage": triage.run,
    "pause": switch.pause,
    "resume": switch.resume,
}


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow` with its commands."""
    parser = subparsers.add_parser(
        "shadow",
        help="the evidence: is it safe to cut over?",
        description="Requests are copied to the other side and the answers compared. Read what that"
        " says, look at single pairs, try rules, or stop it. docs/shadow.md tells the whole story.",
        epilog="examples:\n"
        "  figway shadow report\n"
        "  figway shadow report product-page --json\n"
        '  figway shadow pause --reason "legacy is slow"\n'
        "\nexit codes: 0 done, 1 refused, or no GO where that was asked,"
        " 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(
        dest="shadow_command", metavar="COMMAND", required=True, parser_class=type(parser)
    )
    for module in (report, show, exemplars, rules, replay, triage):
        module.add_parser(commands)
    switch.add_parsers(commands)


def run(args: argparse.Namespace) -> int:
    """Run the chosen command."""
    return _RUN[args.shadow_command](args)
