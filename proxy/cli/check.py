"""figway check: lint a routes.yaml, for people, scripts and code hosts."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from flags.unleash.flag_state import Complaint
from proxy.cli import client
from proxy.cli.live_flags import ask_flags
from proxy.cli.output import OK, REFUSED, UNUSABLE, Failure, Help, bad, good, print_json
from proxy.config.lint import Finding, Severity, check_text, lint_live, lint_plan
from proxy.config.lint.sarif import sarif
from proxy.config.parse import parse_routes, read_file
from proxy.errors import ConfigError
from proxy.routing.route import RouteFile

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `check`."""
    parser = subparsers.add_parser(
        "check",
        help="lint routes.yaml",
        description="Report every problem of a routes.yaml, and what is legal and probably not"
        " meant. docs/lint.md lists the rules. Needs no running figway, unless --live asks one what"
        " the flags say and how much traffic there is.",
        epilog="examples:\n"
        "  figway check\n"
        "  git show main:routes.yaml > live.yaml && figway check --against live.yaml\n"
        "  figway check --live --admin http://figway.internal:9900\n"
        "  figway check --format sarif > figway.sarif\n\n"
        "exit codes: 0 nothing but notes, 1 errors or warnings, 2 a file cannot be read or, with"
        " --live, figway cannot be asked\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="?", default="routes.yaml", help="default: routes.yaml")
    parser.add_argument(
        "--against", metavar="FILE", help="the file that is live now: judges changes of stages"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="ask a running figway for its flags and traffic too (rules FLAG and CAP001)",
    )
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings; exit 1 if there is an error or a warning."""
    try:
        text = read_file(Path(args.file))
    except ConfigError as error:
        raise Failure(UNUSABLE, str(error)) from error
    against = _against(Path(args.against)) if args.against else None
    findings = check_text(text, args.file, against=against, today=date.today().isoformat())
    if args.live:
        findings = tuple(sorted((*findings, *_live(args, text))))
    counts = Counter(finding.severity for finding in findings)
    if args.json or args.format == "json":
        print_json(
            {
                "file": args.file,
                "errors": counts[Severity.ERROR],
                "warnings": counts[Severity.WARNING],
                "notes": counts[Severity.NOTE],
                "findings": [asdict(finding) for finding in findings],
            }
        )
    elif args.format == "sarif":
        print_json(sarif(findings))
    else:
        _print(args.file, findings, counts)
    return REFUSED if counts[Severity.ERROR] or counts[Severity.WARNING] else OK


def _live(args: argparse.Namespace, text: bytes) -> tuple[Finding, ...]:
    try:
        file = parse_routes(text, args.file)
    except ConfigError:
        # What cannot be loaded is told of already, and cannot be held against anything.
        return ()
    live = ask_flags(args)
    plan = client.look(args, "/api/v1/plan")
    complaints = [Complaint(flag="", message=problem) for problem in live.problems]
    overload = plan["summary"] if plan["verdict"] == "exceeds" else ""
    return (
        *lint_live(file, text, args.file, live.snapshot, complaints),
        *lint_plan(file, text, args.file, overload),
    )


def _against(path: Path) -> RouteFile:
    try:
        return parse_routes(read_file(path), str(path))
    except ConfigError as error:
        raise Failure(UNUSABLE, f"--against cannot be used:\n{error}") from error


def _print(name: str, findings: tuple[Finding, ...], counts: Counter[Severity]) -> None:
    for finding in findings:
        print(finding)
    said = ", ".join(
        f"{counts[severity]} {severity}{'s' if counts[severity] != 1 else ''}"
        for severity in Severity
        if counts[severity]
    )
    if counts[Severity.ERROR] or counts[Severity.WARNING]:
        print(bad(f"{name}: {said}"))
    else:
        print(good(f"{name}: nothing wrong" + (f", {said}" if said else "")))
