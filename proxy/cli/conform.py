"""figway conform: send cases to both sides and compare the answers; record cases."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.cli import client, record_cases
from proxy.cli.output import OK, REFUSED, UNUSABLE, Failure, Help, bad, bold, good, print_json
from proxy.compare_policy import Severity
from proxy.config.load import load_routes
from proxy.config.units import positive_duration
from proxy.conformance.case import CaseFile
from proxy.conformance.case_file import load_cases, unset_values
from proxy.conformance.comparison_text import Paint
from proxy.conformance.junit import junit
from proxy.conformance.result import CaseOutcome, CaseResult
from proxy.conformance.result_text import failure_lines, result_json
from proxy.conformance.run import TIMEOUT, Runner, RunOptions
from proxy.conformance.sender import Unreachable
from proxy.conformance.site import Site, SiteError
from proxy.errors import ConfigError
from proxy.routing.route import RouteFile

Parsers = Any  # argparse's own type for it is private

RECORD = "record"
# Looked for where the command is run, when --routes does not name another.
_USUAL = Path("routes.yaml")
_SHOWN: dict[CaseOutcome, tuple[str, Callable[[str], str]]] = {
    CaseOutcome.PASSED: ("ok", good),
    CaseOutcome.FAILED: ("FAILED", bad),
    CaseOutcome.ERROR: ("ERROR", bad),
    CaseOutcome.SKIPPED: ("skipped", str),
}


def add_parser(subparsers: Parsers) -> None:
    """Add `conform`."""
    parser = subparsers.add_parser(
        "conform",
        help="send cases to both sides and compare the answers",
        description="Send every case of a cases.yaml to legacy, then to new, and compare the"
        " answers by the rules of the route. `figway conform record` writes such a file from an"
        " access log or from shadow traffic. docs/ci.md tells more.",
        epilog="examples:\n"
        "  figway conform cases.yaml --legacy http://127.0.0.1:8081 --new http://127.0.0.1:8101\n"
        "  figway conform cases.yaml --junit conform.xml --concurrency 8\n"
        "  figway conform record --from-log access.log.gz > cases.yaml\n"
        "  figway conform record --from-shadow product-api > cases.yaml\n\n"
        "exit codes: 0 what was run passed, 1 some failed, 2 a file cannot be used, a side cannot"
        " be reached, or no case was run or recorded\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "cases", metavar="CASES.yaml", help="the cases; or the word record, to write some"
    )
    parser.add_argument(
        "--routes",
        metavar="FILE",
        help="the routes.yaml whose routes, rewrites and comparison rules hold; default:"
        " routes.yaml, if there is one",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    running = parser.add_argument_group("running cases")
    running.add_argument(
        "--legacy", metavar="URL", help="the legacy side; default: the one of routes.yaml"
    )
    running.add_argument(
        "--new",
        metavar="[NAME=]URL",
        action="append",
        default=[],
        help="the new side, or one of several by its name in routes.yaml; default: those of"
        " routes.yaml",
    )
    running.add_argument("--junit", metavar="FILE", help="write the results as JUnit XML too")
    running.add_argument("--only", metavar="TEXT", help="run cases whose name holds TEXT")
    running.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    running.add_argument(
        "--fail-on",
        choices=tuple(Severity),
        default=Severity.MINOR.value,
        help="the mildest difference that fails a case; default: minor, which is any",
    )
    running.add_argument(
        "--concurrency", metavar="N", type=_count, default=1, help="cases at once; default: 1"
    )
    running.add_argument(
        "--allow-writes",
        action="store_true",
        help="send requests that may change something, twice: once to each side",
    )
    running.add_argument(
        "--timeout",
        metavar="TIME",
        type=_duration,
        help="for one answer, such as 500ms; default: that of the file, else 10s",
    )
    record_cases.add_options(parser)
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the cases, or record some."""
    if args.cases == RECORD:
        return record_cases.run(args, _routes(args.routes))
    record_cases.refuse_options(args)
    return _Run(args).run()


class _Run:
    """One run of the command."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._results: list[CaseResult] = []
        try:
            file = load_cases(Path(args.cases))
            routes = _routes(args.routes)
            self._site = Site.of(routes, args.legacy or "", tuple(args.new))
        except ConfigError as error:
            raise Failure(UNUSABLE, str(error)) from error
        except SiteError as error:
            raise Failure(UNUSABLE, str(error)) from error
        self._rules = f"rules of {args.routes or _USUAL}" if routes else "no routes.yaml, no rules"
        self._file = _chosen(file, args.only)
        missing = unset_values(self._file, os.environ)
        if missing:
            raise Failure(UNUSABLE, "\n".join(map(str, missing)))
        if args.junit:
            _require_writable(args.junit)
        self._runner = Runner(
            self._file,
            self._site,
            RunOptions(
                allow_writes=args.allow_writes,
                timeout=args.timeout or self._file.timeout or TIMEOUT,
                fail_on=Severity(args.fail_on),
                environment=dict(os.environ),
                today=datetime.now(UTC).date().isoformat(),
            ),
        )

    def run(self) -> int:
        """Run the cases and tell; exit 1 if one failed."""
        unreachable = ""
        try:
            asyncio.run(
                self._runner.run_all(
                    concurrency=self._args.concurrency,
                    fail_fast=self._args.fail_fast,
                    tell=self._tell,
                )
            )
        except Unreachable as error:
            unreachable = str(error)
        self._write_junit(unreachable)
        counts = Counter(result.outcome for result in self._results)
        if unreachable:
            # As JSON, what was run is told with the failure.
            raise Failure(UNUSABLE, unreachable, self._as_json(counts, unreachable))
        if self._args.json:
            print_json(self._as_json(counts, ""))
        else:
            self._print_end(counts)
        if counts[CaseOutcome.SKIPPED] == len(self._results):
            # As JSON, the whole answer stands on stdout already.
            reason = self._results[0].reason
            print(
                f"figway conform: no case was run, so nothing was proven: {reason}", file=sys.stderr
            )
            return UNUSABLE
        return REFUSED if counts[CaseOutcome.FAILED] or counts[CaseOutcome.ERROR] else OK

    def _tell(self, result: CaseResult) -> None:
        self._results.append(result)
        if self._args.json:
            return
        why = f" ({result.reason})" if result.outcome is CaseOutcome.SKIPPED else ""
        word, paint_word = _SHOWN[result.outcome]
        print(f"{paint_word(word.ljust(8))}{result.case.name}{why}", flush=True)
        if result.outcome in (CaseOutcome.FAILED, CaseOutcome.ERROR):
            paint = Paint(bold=bold, good=good, bad=bad)
            width = shutil.get_terminal_size((100, 24)).columns - 8
            for line in failure_lines(self._file.name, result, width=width, paint=paint):
                print(f"        {line}".rstrip())

    def _print_end(self, counts: Counter[CaseOutcome]) -> None:
        for line in self._expired():
            print(bold(line))
        said = ", ".join(
            f"{counts[outcome]} {outcome}" for outcome in CaseOutcome if counts[outcome]
        )
        against = f"{self._site.legacy.urls[0]} and {', '.join(self._new_urls())}; {self._rules}"
        failed = counts[CaseOutcome.FAILED] or counts[CaseOutcome.ERROR]
        print(
            (bad if failed else good)(f"{self._file.name}: {said or 'no cases'}") + f" ({against})"
        )

    def _expired(self) -> list[str]:
        return [
            f"the rule for {rule.path} expired on {rule.expires} and was not applied"
            for rule in self._runner.expired_rules()
        ]

    def _new_urls(self) -> Iterable[str]:
        sides = (*self._site.new.values(), *filter(None, (self._site.any_new,)))
        return dict.fromkeys(side.urls[0] for side in sides)

    def _as_json(self, counts: Counter[CaseOutcome], unreachable: str) -> dict[str, Any]:
        table = self._site.table
        return {
            "file": self._file.name,
            "revision": table.revision if table is not None else "",
            "legacy": self._site.legacy.urls[0],
            "new": list(self._new_urls()),
            "unreachable": unreachable,
            **{outcome.value: counts[outcome] for outcome in CaseOutcome},
            "expired_rules": self._expired(),
            "cases": [result_json(result) for result in self._results],
        }

    def _write_junit(self, unreachable: str) -> None:
        name = self._args.junit
        if not name:
            return
        try:
            Path(name).write_bytes(junit(self._file.name, tuple(self._results), unreachable))
        except OSError as error:
            raise _unwritable(name, error) from error


def _require_writable(name: str) -> None:
    """Raise Failure for a file that could not be written after the run; leave it as it is."""
    path = Path(name)
    there = path.exists() or path.is_symlink()
    if there and not path.is_file() and not path.is_dir():
        # To open and close a pipe would end it for its reader; a link to nothing is no file yet.
        return
    try:
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise _unwritable(name, error) from error


def _unwritable(name: str, error: OSError) -> Failure:
    return Failure(UNUSABLE, f"{name}: cannot be written: {error.strerror}")


def _routes(name: str | None) -> RouteFile | None:
    if name is None and not _USUAL.is_file():
        return None
    try:
        return load_routes(Path(name) if name is not None else _USUAL)
    except ConfigError as error:
        raise Failure(UNUSABLE, str(error)) from error


def _chosen(file: CaseFile, text: str | None) -> CaseFile:
    if not text:
        return file
    cases = tuple(case for case in file.cases if text in case.name)
    if not cases:
        raise Failure(UNUSABLE, f"--only {text}: no case of {file.name} has that in its name")
    return replace(file, cases=cases)


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(f"expected a number between 1 and 256, got {text!r}")
    return number


def _duration(text: str) -> float:
    try:
        return positive_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
