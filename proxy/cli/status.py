"""figway status: workers, revisions, rollbacks and health of a running figway."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from proxy.cli import client, fleet_fanout, fleet_text
from proxy.cli.output import OK, Failure, Help, bad, bold, good, inert, print_json, table

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `status`."""
    parser = subparsers.add_parser(
        "status",
        help="show what is running: workers, revisions, rollbacks, health",
        description="Show what is running: workers and the revision each has applied, the files"
        " in use, what is rolled back, and the health of upstreams.",
        epilog="example:\n  figway status --json | jq .workers\n"
        "\nexit codes: 0 shown, 2 figway cannot be reached\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the status; exit 0 if figway could be asked."""
    status = _ask(args)
    if args.json:
        print_json(status)
        return OK
    phase = status["phase"]
    shown = good(phase) if phase == "serving" else bad(phase)
    print(f"figway {status['version']}, {shown} on {status['listen']}, admin {status['admin']}")
    # The two revisions that access-log lines carry.
    print(f"routes: {status['routes']['path']}, revision {status['routes']['revision']}")
    _print_problems(status["routes"])
    print(f"flags: {status['flags']['path']}, revision {status['revision']}")
    _print_problems(status["flags"])
    if status.get("provider"):
        print(fleet_text.provider(status["provider"]))
    if status["holds"]:
        print(bold(bad("ROLLED BACK")))
        for hold in status["holds"]:
            said = f"{hold['scope']} by {hold['source']} since {hold['since']}"
            said += f", {hold['actor']}" if hold["actor"] else ""
            said += f": {hold['reason']}" if hold["reason"] else ""
            print(f"  {inert(said)}")
            print(f"    ends with: {inert(hold['lift'])}")
    else:
        print("rollback: none")
    print()
    current = str(status["revision"])
    rows = [
        (
            str(w["worker"]),
            str(w["pid"]),
            w["state"],
            f"{w['uptime_seconds']:.0f} s",
            "current" if str(w["revision"]) == current else f"BEHIND: {w['revision']}",
        )
        for w in status["workers"]
    ]
    print(table(("worker", "process", "state", "up", "revision"), rows))
    if status.get("fleet"):
        print()
        print(fleet_text.fleet(status))
        print()
    print(f"observer: {_observer(status['observer'])}")
    for pause in status["shadow_pauses"]:
        print(bad(f"shadow traffic is paused by {_pause(pause)}"))
        print(f"    ends with: {pause['lift']}")
    if status["audit_owed"]:
        owed = f"{status['audit_owed']} entries of the audit wait in memory"
        print(bad(f"{owed}: {status['state_directory']} takes nothing"))
    if status["tokens_problem"]:
        print(bad(f"tokens refused, the ones before stay: {status['tokens_problem']}"))
    if status["endpoints"]:
        print()
        health = [
            (e["upstream"], e["endpoint"], "healthy" if e["healthy"] else "FAILS", e["error"])
            for e in status["endpoints"]
        ]
        print(table(("upstream", "endpoint", "health", "last error"), health))
    return OK


def _ask(args: argparse.Namespace) -> Any:
    try:
        return client.ask(args, "GET", "/api/v1/status")
    except client.Unreachable as failure:
        others = fleet_fanout.elsewhere(args)
        if not others:
            raise
        raise Failure(failure.code, f"{failure}: {inert(', '.join(others))}") from None


def _observer(view: Mapping[str, Any]) -> str:
    if view["state"] in ("off", "down"):
        text = f"{view['state']}: {view['why']}"
        return bad(text) if view["state"] == "down" else text
    return f"{view['state']}, process {view['pid']}, up {view['uptime_seconds']:.0f} s"


def _pause(pause: Mapping[str, Any]) -> str:
    if pause["by"] == "file":
        return "the kill switch in routes.yaml"
    return inert(f"{pause['actor']} since {pause['since']}: {pause['reason']}")


def _print_problems(file: Mapping[str, Any]) -> None:
    instead = {
        "file": "what was read before holds",
        "last_good": "what it said before the start holds",
        "nothing": "no flag is set",
    }
    if file["problems"]:
        print(bad(f"  cannot be used, {instead.get(file['source'], instead['file'])}:"))
    for line in file["problems"]:
        print(bad(f"    {line}"))
