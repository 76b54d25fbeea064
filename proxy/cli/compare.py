"""figway compare: two answers that are kept in files, by the rules of a route."""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.cli.output import (
    OK,
    REFUSED,
    UNUSABLE,
    Failure,
    Help,
    bad,
    bold,
    good,
    print_json,
)
from proxy.compare.comparison import Comparison, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare_policy import ComparePolicy
from proxy.config.compare_file import load_compare
from proxy.conformance.comparison_text import Paint, comparison_lines
from proxy.conformance.response_file import (
    ResponseFileError,
    StoredResponse,
    comparable,
    read_response,
)
from proxy.conformance.result_text import comparison_json
from proxy.errors import ConfigError

Parsers = Any  # argparse's own type for it is private

_SAID = {
    Result.EQUAL: "equal",
    Result.NORMALISED: "equal by the rules",
    Result.EXPECTED: "different only where a rule expects it",
    Result.DIFFERENT: "different",
    Result.INCOMPARABLE: "cannot be compared",
}


def add_parser(subparsers: Parsers) -> None:
    """Add `compare`."""
    parser = subparsers.add_parser(
        "compare",
        help="compare two answers that are kept in files",
        description="Compare the answer of legacy (A) with that of new (B), as shadow traffic and"
        " `figway conform` do. A file holds a whole response as `curl -i` writes it, or a bare"
        " body. Needs no running figway.",
        epilog="examples:\n"
        "  figway compare legacy.http new.http --rules routes.yaml --route product-api\n"
        "  figway compare old.json new.json --rules compare.yaml\n"
        "  curl -si http://127.0.0.1:8101/product/saw | figway compare legacy.http -\n\n"
        "exit codes: 0 equal, or different only where a rule allows it, 1 different, 2 a file"
        " cannot be read or the pair cannot be compared\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("legacy", metavar="A", help="the answer of legacy; - is stdin")
    parser.add_argument("new", metavar="B", help="the answer of new; - is stdin")
    parser.add_argument(
        "--rules",
        metavar="FILE",
        help="a routes.yaml, a file with a compare: block, or a list of rules; without it bodies"
        " must be equal",
    )
    parser.add_argument("--route", metavar="ID", help="whose rules, where FILE is a routes.yaml")
    parser.add_argument(
        "--type", metavar="TYPE", help="media type of both bodies, such as application/json"
    )
    parser.add_argument("--method", default="GET", help="what was asked with; default: GET")
    parser.add_argument(
        "--host",
        default="",
        help="what was asked with in Host: a Location with it and one without are equal",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--json", action="store_true", help="the same as --format json")


def run(args: argparse.Namespace) -> int:
    """Compare and tell; exit 1 if the answers differ."""
    if args.legacy == args.new == "-":
        raise Failure(UNUSABLE, "only one of the two can be stdin")
    policy = _policy(args.rules, args.route or "")
    pair = [_read(name, args.type or "") for name in (args.legacy, args.new)]
    bare = not all(stored.has_head for stored in pair)
    legacy, new = comparable(*pair)
    comparison = compare(legacy, new, policy, method=args.method, host=args.host)
    if args.json or args.format == "json":
        print_json(
            {
                "legacy": args.legacy,
                "new": args.new,
                "heads_compared": not bare,
                "expired_rules": [rule.path for rule in policy.expired],
                **comparison_json(comparison),
            }
        )
    else:
        _print(args, comparison, policy, bare=bare)
    if comparison.result is Result.INCOMPARABLE:
        return UNUSABLE
    return REFUSED if comparison.result is Result.DIFFERENT else OK


def _policy(rules: str | None, route: str) -> CompiledPolicy:
    if route and not rules:
        raise Failure(UNUSABLE, "--route needs --rules FILE: the routes.yaml that holds it")
    today = datetime.now(UTC).date().isoformat()
    try:
        written = load_compare(Path(rules), route) if rules else ComparePolicy()
        return CompiledPolicy.compile(written, today=today)
    except ConfigError as error:
        raise Failure(UNUSABLE, str(error)) from error
    except CompareRuleError as error:
        raise Failure(UNUSABLE, f"{rules}:{error.line}: {error}") from error


def _read(name: str, media_type: str) -> StoredResponse:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return read_response(content, name, media_type)
    except OSError as error:
        raise Failure(UNUSABLE, f"{name}: cannot be read: {error.strerror}") from error
    except ResponseFileError as error:
        raise Failure(UNUSABLE, f"{name}: {error}") from error


def _print(
    args: argparse.Namespace, comparison: Comparison, policy: CompiledPolicy, *, bare: bool
) -> None:
    width = shutil.get_terminal_size((100, 24)).columns
    for line in comparison_lines(
        comparison, width=width, paint=Paint(bold=bold, good=good, bad=bad)
    ):
        print(line)
    for rule in policy.expired:
        where = f"{args.rules}:{rule.line}: " if rule.line else ""
        print(f"{where}the rule for {rule.path} expired on {rule.expires} and was not applied")
    if bare:
        print("status and headers were not compared: a file holds a bare body")
    fine = comparison.result in (Result.EQUAL, Result.NORMALISED, Result.EXPECTED)
    said = _SAID[comparison.result]
    print((good if fine else bad)(f"{args.legacy} and {args.new}: {said}"))
