"""figway diff: which requests change upstream between two versions of routes and flags."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flags.evaluate import BASIS_POINTS
from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy.cli import client
from proxy.cli.diff import markdown, text
from proxy.cli.diff.diff import FAIL_ON, NEEDS_LOG, Diff
from proxy.cli.flag_file import read_flags
from proxy.cli.live_flags import LiveFlags, ask_flags
from proxy.cli.output import OK, REFUSED, UNUSABLE, Failure, Help, print_json
from proxy.config.load import load_settings
from proxy.config.parse import parse_routes, read_file
from proxy.errors import ConfigError
from proxy.replay.books import Books
from proxy.replay.changes import differences
from proxy.replay.forecast import Forecast, forecast
from proxy.replay.log_file import AccessLogs, LogError
from proxy.replay.version import Version
from proxy.routing.route import RouteFile
from proxy.routing.table import RouteTable

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `diff`."""
    parser = subparsers.add_parser(
        "diff",
        help="tell which requests a change of routes or flags would move",
        description="Hold two versions of routes.yaml against each other: what differs and, with"
        " an access log, which of its requests would change upstream and what load each side would"
        " get. Every request goes through the decision that traffic gets. Needs no running figway,"
        " unless --live asks one for its flags.",
        epilog="examples:\n"
        "  git show main:routes.yaml > live.yaml && figway diff live.yaml routes.yaml\n"
        "  figway diff live.yaml routes.yaml --live --access-log /var/log/nginx/access.log*\n"
        "  figway diff routes.yaml routes.yaml --flags flags.yaml --flags-after next.yaml \\\n"
        "    --access-log yesterday.gz --fail-on legacy-overload --format md\n\n"
        "exit codes: 0 nothing that --fail-on names, 1 it happened, 2 a file cannot be used\n"
        "documentation: docs/diff.md\n",
        usage="figway diff OLD NEW [--access-log FILE ...] [options]",
        formatter_class=Help,
        allow_abbrev=False,
    )
    # Whoever writes --access-log first has them in its list: see `_find_files`.
    parser.add_argument("before", metavar="OLD", nargs="?", help="the routes.yaml that is live now")
    parser.add_argument("after", metavar="NEW", nargs="?", help="the one that is to come")
    parser.add_argument(
        "--access-log",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help="logs to replay: combined or JSON lines, .gz too; - is stdin",
    )
    parser.add_argument("--flags", metavar="FILE", help="flags.yaml of both; default: no flag set")
    parser.add_argument(
        "--live", action="store_true", help="flags and rollbacks of the running figway, for both"
    )
    parser.add_argument("--flags-after", metavar="FILE", help="flags.yaml of NEW, if it differs")
    parser.add_argument(
        "--at-ceiling",
        action="store_true",
        help="as if every flag stood at 100 %%: how far the files let traffic go",
    )
    parser.add_argument("--host", default="", help="host of requests whose log holds none")
    parser.add_argument(
        "--scale",
        type=_scale,
        default=1.0,
        metavar="N",
        help="one logged request stands for N: a sampled log, one replica of N; default: 1",
    )
    parser.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        default="any",
        help="what makes the exit code 1; default: any (without a log: any difference)",
    )
    parser.add_argument("--format", choices=("text", "json", "md"), default="text")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print what changes; exit 1 if something did that --fail-on names."""
    _find_files(args)
    if sum((args.at_ceiling, args.live, bool(args.flags or args.flags_after))) > 1:
        raise Failure(
            UNUSABLE, "flags come from files, from --live or from --at-ceiling: take one of them"
        )
    if args.fail_on in NEEDS_LOG and not args.access_log:
        raise Failure(UNUSABLE, f"--fail-on {args.fail_on} needs --access-log FILE")
    live = ask_flags(args) if args.live else None
    before, flags_before = _version(args.before, args.flags, args, live)
    after, flags_after = _version(args.after, args.flags_after or args.flags, args, live)
    logs = AccessLogs(tuple(args.access_log))
    found = _replayed(before, after, logs, args) if args.access_log else None
    diff = Diff(
        before=args.before,
        after=args.after,
        revision_before=before.table.revision,
        revision_after=after.table.revision,
        flags_before=flags_before,
        flags_after=flags_after,
        differences=differences(before.table.file, after.table.file),
        forecast=found,
        lines=logs.lines,
        bad_lines=tuple(logs.bad.items()),
    )
    why = diff.why_it_fails(args.fail_on)
    if args.json or args.format == "json":
        print_json(_as_json(diff, why))
    elif args.format == "md":
        print(markdown.render(diff, why), end="")
    else:
        print(text.render(diff))
    return REFUSED if why else OK


def _find_files(args: argparse.Namespace) -> None:
    """Take OLD and NEW from behind the logs, where they were typed there. Raises Failure."""
    given: list[str] = [name for name in (args.before, args.after) if name is not None]
    lacking = 2 - len(given)
    behind: list[str] = args.access_log[-lacking:] if lacking else []
    # At least one log has to be left.
    if lacking and len(args.access_log) <= lacking:
        raise Failure(UNUSABLE, "two versions of routes.yaml are needed: figway diff OLD NEW")
    if lacking:
        args.access_log = args.access_log[:-lacking]
    args.before, args.after = (*given, *behind)


def _version(
    routes: str, flags: str | None, args: argparse.Namespace, live: LiveFlags | None
) -> tuple[Version, str]:
    path = Path(routes)
    try:
        file = parse_routes(read_file(path), routes)
        table = RouteTable.compile(file)
        cookie_name = load_settings(path, {}, {}).cookie_name
    except ConfigError as error:
        raise Failure(UNUSABLE, str(error)) from None
    if live is not None:
        snapshot = live.snapshot
        said = f"{live.provider} as it is live, revision {live.revision}"
    elif args.at_ceiling:
        snapshot, said = _everything(file), "every flag at 100 %"
    elif flags:
        snapshot, said = read_flags(flags).snapshot, flags
    else:
        snapshot, said = NOTHING_SET, "none set"
    return Version(table=table, flags=snapshot, cookie_name=cookie_name), said


def _everything(file: RouteFile) -> FlagSnapshot:
    return FlagSnapshot(
        group_basis_points=MappingProxyType({group.name: BASIS_POINTS for group in file.groups}),
        route_basis_points=MappingProxyType({route.id: BASIS_POINTS for route in file.routes}),
    )


def _replayed(
    before: Version, after: Version, logs: AccessLogs, args: argparse.Namespace
) -> Forecast:
    books = Books(before=before, after=after, host=args.host, moment=time.time())
    try:
        for request in logs:
            books.add(request, logs)
    except LogError as error:
        raise Failure(UNUSABLE, str(error)) from None
    if logs.complaint():
        raise Failure(UNUSABLE, logs.complaint())
    return forecast(books, scale=args.scale)


def _as_json(diff: Diff, why: str) -> dict[str, Any]:
    value = asdict(diff)
    if diff.forecast is not None:
        for shown, load in zip(
            value["forecast"]["upstreams"], diff.forecast.upstreams, strict=True
        ):
            shown["peak_before"] = load.peak_before
            shown["peak_after"] = load.peak_after
            shown["overloaded"] = load.overloaded
        for key in ("left_out", "missing"):
            value["forecast"][key] = dict(value["forecast"][key])
    value["bad_lines"] = [{"reason": why, **asdict(bad)} for why, bad in diff.bad_lines]
    return {"fails": why, **value}


def _scale(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number
