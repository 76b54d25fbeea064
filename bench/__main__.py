"""`python -m bench`: every row, or some of them."""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.machine import describe_machine, share_cores
from bench.peers import PEERS, printed_version
from bench.processes import HarnessError, require
from bench.report import (
    Report,
    as_markdown,
    as_text,
    missed,
    replace_block,
    row_as_text,
    write_results,
)
from bench.row import RowResult, Run
from bench.rows import ROWS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 when everything could be measured, whether or not the targets were met."""
    options = _parser().parse_args(arguments)
    # A plain kill must end the started servers too, and so must Ctrl-C where a shell that started
    # this in the background has set it to be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        report = measure(options.only or list(ROWS), quick=options.quick)
        print(as_text(report))
        if options.only and not options.keep:
            print("Part of the rows only: nothing was written.")
        else:
            print(f"Written to {write_results(report, RESULTS).relative_to(ROOT)}")
        if options.write_readme:
            readme = ROOT / "README.md"
            readme.write_text(replace_block(readme.read_text(), as_markdown(report)))
            print("README.md shows this run now.")
    except HarnessError as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; everything it started has been ended", file=sys.stderr)
        return 130
    for sentence in missed(report.rows):
        print(f"MISSED {sentence}")
    return 0


def measure(names: list[str], *, quick: bool) -> Report:
    """Run the named rows one after the other, printing each as it is done."""
    machine = describe_machine()
    began = datetime.datetime.now().astimezone()
    rows: list[RowResult] = []
    cores = share_cores()
    if cores.load is not None:
        # The benchmark itself, and what it does not pin elsewhere, keeps off the proxies' core.
        os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="figway-bench-") as folder:
        # nginx's worker leaves root and must reach its own files.
        Path(folder).chmod(0o755)
        run = Run(folder=Path(folder), cores=cores, quick=quick)
        for name in names:
            print(f"... {name}", file=sys.stderr, flush=True)
            rows.append(ROWS[name](run))
            print(row_as_text(rows[-1]), file=sys.stderr, flush=True)
    return Report(
        date=began.strftime("%Y-%m-%d %H:%M"),
        command=_command(names, quick=quick),
        quick=quick,
        machine=machine,
        versions=_versions(),
        rows=tuple(rows),
    )


def _command(names: list[str], *, quick: bool) -> str:
    only = "" if names == list(ROWS) else "".join(f" --only {name}" for name in names)
    return f"python -m bench{' --quick' if quick else ''}{only}"


def _versions() -> dict[str, str]:
    found = {
        "figway": f"{version('figway')}{_revision()}",
        "python": ".".join(map(str, sys.version_info[:3])),
    }
    found |= {peer.name: peer.version() for peer in PEERS}
    found |= {"uvloop": version("uvloop"), "httptools": version("httptools")}
    found["redis"] = printed_version(require("redis-server", "redis-server"), "--version")
    found["wrk"] = printed_version(require("wrk", "wrk"), "-v")
    return found


def _revision() -> str:
    """Which commit was measured, nothing outside a clone."""
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "-C", str(ROOT), "describe", "--always", "--dirty=, changed"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""


def _interrupt(number: int, frame: object) -> None:
    # Ending what was started takes a moment; an impatient second signal would leave some of it.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Figway beside nginx, HAProxy, Envoy and a plain aiohttp proxy.",
        epilog="example: python -m bench --quick --only cost",
    )
    parser.add_argument("--quick", action="store_true", help="shorter and less exact")
    parser.add_argument(
        "--only", action="append", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS)
    )
    parser.add_argument("--keep", action="store_true", help="write the results of --only too")
    parser.add_argument(
        "--write-readme",
        action="store_true",
        help="show this run in README.md, between the markers",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
