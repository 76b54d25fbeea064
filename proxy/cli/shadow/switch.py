"""figway shadow pause and resume: nothing is copied from the next request on, or again."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli import client, scope
from proxy.cli.output import REFUSED, Help, bad

Parsers = Any  # argparse's own type for it is private


def add_parsers(subparsers: Parsers) -> None:
    """Add `shadow pause` and `shadow resume`."""
    pause = subparsers.add_parser(
        "pause",
        help="copy nothing from the next request on",
        description="Stop all shadow traffic. The command returns when every worker has confirmed:"
        " from then on no request is copied, and what waits to be sent is dropped and counted. It"
        " stays so, also over a restart, until `figway shadow resume`. Clients are not affected.",
        epilog='example:\n  figway shadow pause --reason "legacy is slow"\n'
        "\nexit codes: 0 every worker confirmed, 1 not confirmed, 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    resume = subparsers.add_parser(
        "resume",
        help="end a pause",
        description="Let requests be copied again. A kill switch in routes.yaml ends there.",
        epilog='example:\n  figway shadow resume --reason "legacy is well again"\n'
        "\nexit codes: 0 copied again, 1 refused, not confirmed or still stopped by routes.yaml,"
        " 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    for parser in (pause, resume):
        # It moves no client, so it may be done without a word.
        scope.add_reason(parser, required=False)
        client.add_options(parser)


def pause(args: argparse.Namespace) -> int:
    """Pause; exit 0 once all workers confirmed."""
    answer = client.ask(args, "POST", "/api/v1/shadow/pause", scope.body(args))
    done = "shadow traffic is paused" if answer["changed"] else "shadow traffic was paused already"
    return scope.tell(answer, done, as_json=args.json)


def resume(args: argparse.Namespace) -> int:
    """Resume; exit 1 if routes.yaml still stops it."""
    answer = client.ask(args, "POST", "/api/v1/shadow/resume", scope.body(args))
    done = "shadow traffic is resumed" if answer["changed"] else "shadow traffic was not paused"
    code = scope.tell(answer, done, as_json=args.json)
    if answer["still_held"] and not args.json:
        print(bad(f"  still stopped by {', '.join(answer['still_held'])}"))
    return REFUSED if answer["still_held"] else code
