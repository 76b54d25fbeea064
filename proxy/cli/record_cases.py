"""figway conform record: write cases from an access log or from shadow traffic."""

from __future__ import annotations

import argparse
import sys
from typing import Any
from urllib.parse import quote

from proxy.cli import client
from proxy.cli.output import OK, UNUSABLE, Failure, inert, many, print_json
from proxy.conformance.exemplar_case import case_of
from proxy.conformance.recorded_case import RecordedCase, cases_text
from proxy.conformance.recording import Recording
from proxy.conformance.secret import Placeholders
from proxy.replay.log_file import AccessLogs, LogError, shown_name
from proxy.routing.route import RouteFile
from proxy.routing.table import RouteTable

_PER_ROUTE = 20
_PER_SHAPE = 2
# Every route, where --from-shadow names none.
_ALL = ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `conform record`."""
    group = parser.add_argument_group("recording cases (figway conform record)")
    group.add_argument(
        "--from-log",
        metavar="FILE",
        action="append",
        default=[],
        help="access logs: combined, or JSON lines (Figway's own, nginx, Traefik, Caddy); .gz too;"
        " - is stdin",
    )
    group.add_argument(
        "--from-shadow",
        metavar="ROUTE",
        nargs="?",
        const=_ALL,
        help="exemplars of a running figway: those of a route, else all",
    )
    group.add_argument(
        "--per-route",
        metavar="N",
        type=_positive,
        help=f"at most so many cases of one route; default: {_PER_ROUTE}",
    )
    group.add_argument(
        "--per-shape",
        metavar="N",
        type=_positive,
        help="at most so many with the same method, route, path template and query keys; default:"
        f" {_PER_SHAPE}",
    )
    group.add_argument(
        "--drop-cookies",
        action="store_true",
        help="from shadow traffic: ask as a visitor without cookies, whose values are not kept",
    )


def refuse_options(args: argparse.Namespace) -> None:
    """Raise Failure when cases are run with an option that is for recording."""
    given = {
        "--from-log": bool(args.from_log),
        "--from-shadow": args.from_shadow is not None,
        "--per-route": args.per_route is not None,
        "--per-shape": args.per_shape is not None,
        "--drop-cookies": args.drop_cookies,
    }
    for option in (option for option, there in given.items() if there):
        raise Failure(UNUSABLE, f"{option} is for recording: figway conform record {option} ...")


def run(args: argparse.Namespace, routes: RouteFile | None) -> int:
    """Print a cases.yaml; what became of the rest goes to stderr."""
    if bool(args.from_log) == (args.from_shadow is not None):
        raise Failure(UNUSABLE, "record needs one of --from-log FILE and --from-shadow [ROUTE]")
    if args.from_log:
        return _from_logs(args, RouteTable.compile(routes) if routes is not None else None)
    return _from_shadow(args)


def _from_logs(args: argparse.Namespace, table: RouteTable | None) -> int:
    recording = Recording(
        table=table,
        per_route=args.per_route or _PER_ROUTE,
        per_shape=args.per_shape or _PER_SHAPE,
    )
    logs = AccessLogs(tuple(args.from_log))
    try:
        for request in logs:
            recording.add(request)
    except LogError as error:
        raise Failure(UNUSABLE, str(error)) from None
    if logs.complaint():
        raise Failure(UNUSABLE, logs.complaint())
    cases = list(recording.cases())
    left_out = dict(recording.left_out.most_common())
    left_out |= {why: bad.count for why, bad in logs.bad.items()}
    _tell(args, cases, ", ".join(map(shown_name, args.from_log)), logs.lines, left_out)
    if table is None:
        print("without a routes.yaml every path is taken: --routes FILE", file=sys.stderr)
    return OK


def _from_shadow(args: argparse.Namespace) -> int:
    cases: list[RecordedCase] = []
    left_out: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    placeholders = Placeholders()
    number = 0
    for route in [args.from_shadow] if args.from_shadow else _routes_with_evidence(args):
        taken = 0
        for listed in _exemplars(args, route):
            number += 1
            key = (listed["method"], listed["target"])
            if key in seen:
                _count(left_out, "the same request as another exemplar")
                continue
            if taken >= (args.per_route or _PER_ROUTE):
                _count(left_out, "beyond --per-route")
                continue
            seen.add(key)
            shown = client.ask(args, "GET", f"/api/v1/shadow/exemplars/{quote(listed['id'])}")
            case = case_of(shown, placeholders, drop_cookies=args.drop_cookies)
            if case is None:
                _count(left_out, "holds no request")
                continue
            taken += 1
            cases.append(case)
    _tell(args, cases, "shadow traffic", number, left_out, "" if cases else _earlier(args))
    return OK


def _routes_with_evidence(args: argparse.Namespace) -> list[str]:
    report = client.ask(args, "GET", "/api/v1/shadow/report")
    return [route["route"] for route in report["routes"]]


def _earlier(args: argparse.Namespace) -> str:
    """A clause for routes whose evidence ended with their epoch; empty without one."""
    report = client.ask(args, "GET", "/api/v1/shadow/report")
    ended = [
        route["route"]
        for route in report["routes"]
        if args.from_shadow in (_ALL, route["route"]) and route.get("earlier_epochs")
    ]
    if not ended:
        return ""
    return f"; pairs of an earlier epoch do not count (figway shadow report {inert(ended[0])})"


def _exemplars(args: argparse.Namespace, route: str) -> list[dict[str, Any]]:
    answer = client.ask(args, "GET", f"/api/v1/shadow/exemplars?route={quote(route, safe='')}")
    listed: list[dict[str, Any]] = answer["exemplars"]
    # A replay asks what its original asked.
    return [each for each in listed if not each.get("replay_of")]


def _tell(
    args: argparse.Namespace,
    cases: list[RecordedCase],
    source: str,
    seen: int,
    left_out: dict[str, int],
    hint: str = "",
) -> None:
    """Print the cases and what became of the rest. Raises Failure without a case."""
    # A file without cases could not be run.
    text = cases_text(cases, source) if cases else ""
    answer = {"seen": seen, "cases": len(cases), "left_out": left_out, "text": text}
    if not args.json:
        sys.stdout.write(text)
    elif cases:
        print_json(answer)
    print(f"{many(len(cases), 'case')} of {many(seen, 'request')}", file=sys.stderr)
    for why, count in left_out.items():
        print(f"  left out: {count} ({why})", file=sys.stderr)
    skipped = sum(1 for case in cases if case.skip)
    if skipped:
        are = "is skipped until it is" if skipped == 1 else "are skipped until they are"
        print(f"  {many(skipped, 'case')} {are} given a value", file=sys.stderr)
    if any("cookie" in dict(case.headers) for case in cases):
        print(
            "  cookies are not kept: --drop-cookies asks as a visitor without any", file=sys.stderr
        )
    if not cases:
        message = f"nothing to record: no case was found in {source}{hint}"
        raise Failure(UNUSABLE, message, {**answer, "detail": message})


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text!r}")
    return number
