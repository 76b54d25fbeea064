"""figway audit: who moved what and why, and whether that was altered afterwards."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from proxy.cli import client
from proxy.cli.output import (
    OK,
    REFUSED,
    UNUSABLE,
    Failure,
    Help,
    bad,
    good,
    inert,
    many,
    print_json,
)
from proxy.cli.span import span

Parsers = Any  # argparse's own type for it is private

MAX_ENTRIES = 1000
# The file of the state directory that figway writes.
IN_USE = "audit.jsonl"
_ANCHOR = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


def add_parser(subparsers: Parsers) -> None:
    """Add `audit`."""
    parser = subparsers.add_parser(
        "audit",
        help="show who moved what and why, and whether that was altered",
        description="Show the newest changes: who, through what, from what to what, why, and what"
        " came of it. With --verify every line is held against the hash chain: whatever was"
        " changed, removed, moved or inserted afterwards is named. A running figway is asked, or"
        " the files that are named are read.",
        epilog="example:\n  figway audit --since 24h --scope all\n  figway audit --verify\n"
        "  figway audit --verify /backup/replica-1/\n"
        "\nexit codes: 0 done or sound, 1 something was altered, 2 it cannot be read\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="files of an audit, or a folder that holds them, to be read without a running figway",
    )
    parser.add_argument("--verify", action="store_true", help="look at every line of the chain")
    parser.add_argument(
        "--since", type=_since, metavar="WHEN", help="a span back such as 24h, or an ISO 8601 time"
    )
    parser.add_argument("--scope", default="", help="all, group:NAME, route:ID, token:NAME, ...")
    parser.add_argument(
        "--limit",
        type=_limit,
        default=100,
        metavar="N",
        help=f"the newest N changes, up to {MAX_ENTRIES} (default 100)",
    )
    parser.add_argument(
        "--anchor",
        type=_anchor,
        metavar="SEQ:HASH",
        help="with --verify: a line as it was noted elsewhere; needs FILE",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Show or verify; exit 1 when the chain is broken, 2 when it cannot be read."""
    if args.anchor and not (args.verify and args.files):
        raise Failure(UNUSABLE, "--anchor goes with --verify and FILE")
    if args.verify:
        return _tell_verified(_verified(args), as_json=args.json)
    answer = _listed(args)
    if args.json:
        print_json(answer)
        return OK
    for line in lines_of(answer["entries"]):
        print(line)
    if not answer["entries"]:
        print("no entry fits", file=sys.stderr)
    if answer["owed"]:
        print(
            bad(f"{answer['owed']} entries wait in memory: the state directory takes nothing"),
            file=sys.stderr,
        )
    return OK


def _listed(args: argparse.Namespace) -> dict[str, Any]:
    if not args.files:
        asked = {"scope": args.scope, "limit": str(args.limit)}
        if args.since:
            asked["since"] = args.since.isoformat()
        query = urlencode({name: value for name, value in asked.items() if value})
        return _asked(args, f"/api/v1/audit?{query}")
    from proxy.supervision.audit_files import AuditFileError
    from proxy.supervision.audit_reading import Wanted, entries

    wanted = Wanted(since=args.since, scope=args.scope, limit=args.limit)
    try:
        return {"entries": entries(_named(args.files), wanted), "owed": 0}
    except AuditFileError as error:
        raise Failure(UNUSABLE, str(error)) from None


def _verified(args: argparse.Namespace) -> dict[str, Any]:
    if not args.files:
        return _asked(args, "/api/v1/audit/verify")
    from proxy.supervision import audit_head
    from proxy.supervision.audit_files import AuditFileError, verify

    anchors, ends = {}, []
    for folder in _folders(args.files):
        head = audit_head.read(folder)
        if head is not None:
            anchors[str(folder / audit_head.HEAD)] = head.last
            ends.append(head.pending)
    if args.anchor:
        anchors["--anchor"] = args.anchor
    end = max(ends, key=lambda link: link.seq) if ends else None
    try:
        # Where the head knows of lines, files that are not there are a finding.
        verified = verify(_named(args.files, needed=not anchors), anchors, end=lambda: end)
    except AuditFileError as error:
        raise Failure(UNUSABLE, str(error)) from None
    return {"sound": not verified.findings, **asdict(verified), "owed": 0}


def _asked(args: argparse.Namespace, path: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = client.look(args, path)
    except client.Unreachable as failure:
        kept = client.state_directory(args)
        if not (kept / IN_USE).is_file():
            raise
        hint = f"{failure}; without it, its files can be read: figway audit {kept}"
        raise Failure(UNUSABLE, hint) from None
    return answer


def _folders(names: Sequence[str]) -> tuple[Path, ...]:
    """The folders whose newest line is looked at: named themselves, or by the file in use."""
    return tuple(
        dict.fromkeys(
            path if path.is_dir() else path.parent
            for path in map(Path, names)
            if path.is_dir() or path.name == IN_USE
        )
    )


def _named(names: Sequence[str], *, needed: bool = True) -> Any:
    """The files that are named, in the order of their chain. Raises Failure."""
    from proxy.supervision.audit_files import files_of, in_order

    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            paths += [file.path for file in files_of(path / IN_USE)]
        elif path.is_file():
            paths.append(path)
        else:
            raise Failure(UNUSABLE, f"{name}: there is no such file or folder")
    if not paths and needed:
        raise Failure(UNUSABLE, f"{', '.join(names)}: no file of an audit is there")
    return in_order(paths)


def _tell_verified(answer: dict[str, Any], *, as_json: bool) -> int:
    code = OK if answer["sound"] else REFUSED
    if as_json:
        print_json(answer)
        return code
    for found in answer["findings"]:
        place = f"{found['file']}:{found['line']}" if found["line"] else found["file"]
        print(bad(f"{place}: {found['what']}"))
    for note in answer["notes"]:
        print(f"note: {note}")
    last = answer["last"]
    span_text = f"lines {answer['first']} to {last['seq']}" if answer["lines"] else "no lines"
    if answer["sound"]:
        print(good(f"sound: {span_text}, none changed, removed, moved or inserted"))
    else:
        count = len(answer["findings"])
        print(bad(f"NOT sound: {count} finding{'s' if count > 1 else ''} in {span_text}"))
    if answer["lines"]:
        print(f"  ends with {last['seq']}:{last['hash']}")
    return code


def lines_of(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Entries for people: one line for each change, and what it came to."""
    from proxy.supervision.audit_reading import change_of

    lines: list[str] = []
    # What was begun is told by its end; only what has none is shown itself.
    ended = [change_of(entry) for entry in entries if entry.get("phase") == "done"]
    for entry in entries:
        if entry.get("phase") == "begun" and entry.get("outcome", "") == "":
            if change_of(entry) in ended:
                continue
            entry = {**entry, "outcome": "begun, and nothing is known of its end"}
        elif entry.get("phase") == "done" and change_of(entry) in ended:
            ended.remove(change_of(entry))
        lines.append(_line(entry))
    return lines


def _line(entry: dict[str, Any]) -> str:
    at = str(entry.get("at", "?"))[:23].replace("T", " ")
    words = [at, str(entry.get("action", "?")), str(entry.get("scope", "?"))]
    if entry.get("before") or entry.get("after"):
        words.append(f"{entry.get('before') or '-'} -> {entry.get('after') or '-'}")
    via = f" via {entry.get('via')}"
    claimed = f" (calls itself {entry['claimed']})" if entry.get("claimed") else ""
    words.append(f"by {entry.get('who', '?')}{claimed}{via}")
    if entry.get("reason"):
        words.append(f'"{entry["reason"]}"')
    words += [str(entry[name]) for name in ("ticket", "outcome") if entry.get(name)]
    for name in ("acks", "replicas"):
        if entry.get(name):
            words.append(many(len(entry[name]), "worker" if name == "acks" else "replica"))
    if entry.get("evidence"):
        said = ", ".join(f"{route} {word}" for route, word in entry["evidence"].items())
        words.append(f"evidence: {said}")
    if entry.get("late"):
        words.append("written late")
    return inert("  ".join(words))


def _since(text: str) -> datetime:
    try:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return datetime.now(UTC) - timedelta(seconds=span(text))
        return at.astimezone(UTC)
    except (OverflowError, ValueError):
        # From before there were calendars.
        return datetime.min.replace(tzinfo=UTC)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected a span back such as 24h, or an ISO 8601 time: {text[:40]!r}"
        ) from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_ENTRIES):
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_ENTRIES}: {text[:40]!r}")
    return int(text)


def _anchor(text: str) -> Any:
    from proxy.supervision.audit_chain import Link

    found = _ANCHOR.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected NUMBER:HASH as --verify prints it: {text[:40]}")
    return Link(seq=int(found[1]), hash=found[2])
