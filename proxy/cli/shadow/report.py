"""figway shadow report: what the evidence says of every route, and how far it is to GO."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import urlencode

from proxy.cli import client
from proxy.cli.output import OK, REFUSED, Help, print_json
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.reading import read_as
from proxy.cli.shadow.report_junit import report_junit
from proxy.cli.shadow.report_markdown import report_markdown
from proxy.cli.shadow.report_text import report_text
from proxy.evidence.answers import ReportAnswer
from proxy.evidence.report import RouteReport, VerdictState

Parsers = Any  # argparse's own type for it is private

# What each word of --fail-on fails on.
FAILING = {
    "no-go": frozenset({VerdictState.NO_GO}),
    "need-more-data": frozenset({VerdictState.NO_GO, VerdictState.NEED_MORE_DATA}),
}


# Stages in which nothing is copied.
NOT_COPIED = frozenset({"legacy", "complete"})


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow report`."""
    parser = subparsers.add_parser(
        "report",
        help="is it safe to cut over? the verdict of every route, with its causes",
        description="Show the verdict of every route, or of one: GO, NO-GO or NEED-MORE-DATA, why,"
        " the causes of what differed, and how many comparisons are missing.",
        epilog="examples:\n"
        "  figway shadow report product-page\n"
        "  figway shadow report --format md > report.md\n"
        "  figway shadow report product-page --format junit --fail-on need-more-data\n"
        "\nexit codes: 0 shown, 1 a verdict that --fail-on names, 2 there is no verdict: figway or"
        " its observer gives none, or there is no such route\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("route", nargs="?", default="", metavar="ROUTE", help="default: all")
    parser.add_argument("--format", choices=("text", "json", "md", "junit"), default="text")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument(
        "--fail-on",
        choices=tuple(FAILING),
        help="exit 1 if a verdict is NO-GO; need-more-data: if any is not GO",
    )
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; exit 1 if a verdict is one that --fail-on names."""
    query = f"?{urlencode({'route': args.route})}" if args.route else ""
    answer = client.look(args, f"/api/v1/shadow/report{query}")
    failing = FAILING.get(args.fail_on or "", frozenset())
    reports = _in_question(read_as(ReportAnswer, answer).routes)
    if args.json or args.format == "json":
        print_json(answer)
    elif args.format == "md":
        print(report_markdown(reports), end="")
    elif args.format == "junit":
        # Without --fail-on a test report still has to say what is no GO at all.
        print(report_junit(reports, failing or FAILING["no-go"]))
    elif reports:
        print(report_text(reports, Paint.of_stdout()))
    else:
        print("nothing was compared yet: give a route `shadow: {sample: 10%}` and stage: shadow")
    if not reports:
        # No evidence at all is no GO either.
        return REFUSED if VerdictState.NEED_MORE_DATA in failing else OK
    return REFUSED if any(report.verdict in failing for report in reports) else OK


def _in_question(reports: tuple[RouteReport, ...]) -> tuple[RouteReport, ...]:
    """Leave out what was never copied and is not to be: there is no verdict to wait for."""
    return tuple(each for each in reports if each.eligible or each.stage not in NOT_COPIED)
