"""figway shadow rules: what comparison rules did, what is proposed, and what a draft would hide."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from proxy.cli import client
from proxy.cli.output import OK, REFUSED, UNUSABLE, Failure, Help, print_json
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.reading import read_as
from proxy.cli.shadow.rules_text import rules_text
from proxy.cli.shadow.words import rule_line
from proxy.compare_policy import ComparePolicy
from proxy.evidence.answers import AcceptAnswer, RulesAnswer

Parsers = Any  # argparse's own type for it is private
_DRAFT = "a list of rules, such as - {path: $.updated_at, op: datetime, tolerance: 5s}"


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow rules`."""
    parser = subparsers.add_parser(
        "rules",
        help="what the rules of a route did, what is proposed, what a draft would hide",
        description="Show the comparison rules of a route with what they made equal, or declared"
        " expected, and when they end, the evidence of noise, and the rules that it proposes."
        " With --draft: compare the stored pairs again with these rules as well, and name the"
        " mismatches that they would mask. Nothing is put to use: rules stand in routes.yaml.",
        epilog="examples:\n"
        "  figway shadow rules product-api\n"
        "  figway shadow rules product-api --draft rules.yaml\n"
        "  figway shadow rules product-api --accept '$.generated_at' >> rules.yaml\n\n"
        "a draft is a list as under compare.rules:\n"
        "  - {path: $.updated_at, op: datetime, tolerance: 5s}\n"
        "\nexit codes: 0 shown, 1 refused, or the draft would mask a mismatch that is no noise,"
        " 2 a file cannot be used or figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("route", metavar="ROUTE", help="id of the route")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--draft", metavar="FILE", help="rules to try on the stored pairs")
    what.add_argument(
        "--accept", metavar="PATH", help="print the proposed rule for a path, as a line of YAML"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the rules; exit 1 if a draft would mask what is no noise."""
    if args.accept:
        return _accept(args)
    if args.draft:
        body = {"route": args.route, "draft": _draft(Path(args.draft))}
        answer = client.ask(args, "POST", "/api/v1/shadow/what-if", body)
    else:
        query = urlencode({"route": args.route})
        answer = client.ask(args, "GET", f"/api/v1/shadow/rules?{query}")
    rules = read_as(RulesAnswer, answer)
    if args.json:
        print_json(answer)
    else:
        print(rules_text(rules, Paint.of_stdout()))
    what_if = rules.what_if
    masks = what_if is not None and any(not each.noise for each in what_if.silenced)
    return REFUSED if masks else OK


def _accept(args: argparse.Namespace) -> int:
    answer = client.ask(
        args, "POST", "/api/v1/shadow/accept", {"route": args.route, "path": args.accept}
    )
    if args.json:
        print_json(answer)
    else:
        print(rule_line(read_as(AcceptAnswer, answer).rule))
    return OK


def _draft(path: Path) -> list[object]:
    # Reading YAML costs more than every other command of this group.
    from proxy.config.compare_file import compare_alone
    from proxy.config.parse import read_file
    from proxy.config.rule_draft import MAX_RULES
    from proxy.config.yaml_text import read_yaml
    from proxy.errors import ConfigError

    try:
        document = read_yaml(read_file(path), str(path), f"it needs {_DRAFT}")
        if document.problems:
            raise ConfigError(tuple(sorted(document.problems)))
        value = _rules_in(document.root.plain(), path)
        _compile(compare_alone(document), path)
    except ConfigError as error:
        raise Failure(UNUSABLE, f"--draft cannot be used:\n{error}") from None
    if len(value) > MAX_RULES:
        raise Failure(UNUSABLE, f"--draft: {path} has {len(value)} rules, at most {MAX_RULES}")
    return value


def _compile(policy: ComparePolicy, path: Path) -> None:
    # What a rule may say beyond its keys, such as how its path is written.
    from proxy.compare.policy import CompareRuleError, CompiledPolicy

    try:
        CompiledPolicy.compile(policy)
    except CompareRuleError as error:
        raise Failure(UNUSABLE, f"--draft cannot be used:\n{path}:{error.line}: {error}") from None


def _rules_in(value: object, path: Path) -> list[object]:
    for key in ("compare", "rules"):
        if isinstance(value, dict) and key in value:
            value = value[key]
    if not isinstance(value, list):
        raise Failure(UNUSABLE, f"--draft: {path} must hold {_DRAFT}")
    return value
