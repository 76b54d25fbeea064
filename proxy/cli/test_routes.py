"""figway test: run the tests: block of a routes.yaml."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from proxy.cli.output import OK, REFUSED, UNUSABLE, Failure, Help, bad, good, many, print_json
from proxy.config.load import load_settings
from proxy.config.parse import parse_routes, read_file
from proxy.config.route_tests import Outcome, run_tests
from proxy.errors import ConfigError
from proxy.routing.table import RouteTable

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `test`."""
    parser = subparsers.add_parser(
        "test",
        help="run the tests: block of routes.yaml",
        description="Put each request of the tests: block through the decision that traffic gets,"
        " and compare what comes out. Needs no running figway.",
        epilog="examples:\n"
        "  figway test\n"
        "  figway test deploy/routes.yaml --junit results.xml\n\n"
        "exit codes: 0 all passed, 1 some failed, 2 the file cannot be used\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="?", default="routes.yaml", help="default: routes.yaml")
    parser.add_argument("--junit", metavar="FILE", help="write the results as JUnit XML too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the tests; exit 1 if one fails."""
    path = Path(args.file)
    try:
        table = RouteTable.compile(parse_routes(read_file(path), args.file))
        cookie_name = load_settings(path, {}, {}).cookie_name
    except ConfigError as error:
        raise Failure(UNUSABLE, str(error)) from error
    outcomes = run_tests(table, cookie_name)
    if args.junit:
        try:
            Path(args.junit).write_bytes(junit(args.file, outcomes))
        except OSError as error:
            raise Failure(UNUSABLE, f"{args.junit}: cannot be written: {error.strerror}") from error
    failed = [outcome for outcome in outcomes if outcome.failures]
    if args.json:
        print_json(
            {
                "file": args.file,
                "revision": table.revision,
                "passed": len(outcomes) - len(failed),
                "failed": len(failed),
                "tests": [_as_json(outcome) for outcome in outcomes],
            }
        )
    else:
        _print(args.file, outcomes, failed)
    return REFUSED if failed else OK


def junit(name: str, outcomes: tuple[Outcome, ...]) -> bytes:
    """The results as JUnit XML: one suite for the file, one case for each test."""
    failures = str(sum(1 for outcome in outcomes if outcome.failures))
    counts = {"tests": str(len(outcomes)), "failures": failures, "errors": "0", "time": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": outcome.test.expect_route or outcome.route,
                "name": outcome.test.name,
                "file": name,
                "line": str(outcome.test.line),
                "time": "0",
            },
        )
        if outcome.failures:
            message = "; ".join(outcome.failures)
            failure = ElementTree.SubElement(case, "failure", {"message": message})
            failure.text = f"{name}:{outcome.test.line}: {_got(outcome)}"
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _print(name: str, outcomes: tuple[Outcome, ...], failed: list[Outcome]) -> None:
    for outcome in outcomes:
        if not outcome.failures:
            print(f"{good('ok')}      {outcome.test.name}")
            continue
        print(f"{bad('FAILED')}  {outcome.test.name}")
        for failure in outcome.failures:
            print(f"        {name}:{outcome.test.line}: {failure}")
        print(f"        got {_got(outcome)}")
    if not outcomes:
        print(f"{name} has no tests: block")
    elif failed:
        print(bad(f"{len(failed)} of {many(len(outcomes), 'test')} failed"))
    else:
        print(good(f"{many(len(outcomes), 'test')} passed"))


def _got(outcome: Outcome) -> str:
    return (
        f"route {outcome.route}, upstream {outcome.upstream}, reason {outcome.reason}, "
        f"path {outcome.path}"
    )


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.test.name,
        "line": outcome.test.line,
        "passed": not outcome.failures,
        "failures": list(outcome.failures),
        "route": outcome.route,
        "upstream": outcome.upstream,
        "reason": outcome.reason,
        "side": outcome.side,
        "path": outcome.path,
    }
