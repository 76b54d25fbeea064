"""figway shadow replay: asks both sides again what a kept pair was about."""

from __future__ import annotations

import argparse
import shutil
from typing import Any

from proxy.cli import client
from proxy.cli.output import OK, REFUSED, Help, print_json
from proxy.cli.shadow.exemplar_text import exemplar_text
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.reading import read_as
from proxy.cli.shadow.show import exemplar_id
from proxy.cli.shadow.words import printable
from proxy.evidence.answers import ReplayAnswer

Parsers = Any  # argparse's own type for it is private

# Ends that say that the two sides agree now.
AGREED = frozenset({"match", "match_normalised", "expected"})
# Ends that say nothing of the two sides.
NOT_COMPARED = frozenset({"aborted", "incomparable", "legacy_defect"})


def add_parser(subparsers: Parsers) -> None:
    """Add `shadow replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="ask both sides again what a kept pair was about",
        description="Ask both sides again what a kept pair was about, compare with the rules in"
        " force, and show the result. It is no evidence: the verdict does not change. What was"
        " redacted in the request cannot be sent.",
        epilog="example:\n  figway shadow replay 7f3a2b\n"
        "\nexit codes: 0 the two agree now, 1 they still differ, or nothing was compared (or"
        " refused), 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("id", type=exemplar_id, metavar="ID", help="as in the report")
    parser.add_argument("--all", action="store_true", help="show equal lines too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Replay one exemplar; exit 0 if the two sides agree now."""
    answer = client.ask(args, "POST", "/api/v1/shadow/replay", {"id": args.id})
    replayed = read_as(ReplayAnswer, answer)
    agreed = replayed.outcome in AGREED
    if args.json:
        print_json(answer)
        return OK if agreed else REFUSED
    paint = Paint.of_stdout()
    outcome = printable(" ".join(filter(None, (replayed.outcome, replayed.detail))))
    told = what_came(replayed)
    verdict = paint.good(told) if agreed else paint.bad(told)
    print(f"replayed {printable(replayed.of)}: {outcome}, {verdict}")
    if replayed.lacked:
        print(f"sent without what was redacted: {printable(', '.join(replayed.lacked))}")
    width = shutil.get_terminal_size((160, 40)).columns
    print()
    print(exemplar_text(replayed.shown, width, paint, whole=args.all))
    return OK if agreed else REFUSED


def what_came(replayed: ReplayAnswer) -> str:
    """Whether the two agree, differ, or were not compared at all, in a few words."""
    legacy, new = replayed.shown.legacy.status, replayed.shown.new.status
    if not legacy and not new:
        return "neither side gave an answer: nothing was compared"
    if not legacy:
        return "legacy gave no answer: nothing was compared"
    if not new:
        return "new gave no answer"
    if replayed.outcome in NOT_COMPARED:
        return "nothing was compared"
    return "they agree now" if replayed.outcome in AGREED else "they differ"
