"""10,000 routes beside 20: the decision alone, and a whole request through the proxy."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.field import running_origin
from bench.figway import Figway
from bench.rounds import Runner, Spread, measure_rounds, ratios
from bench.row import RowResult, Run, Target
from bench.table import TableFiles, write_table
from bench.visitors import visitors, write_visitors
from flags.snapshot import FlagSnapshot
from proxy.config.load import load_routes
from proxy.routing.decision import decide
from proxy.routing.facts import PlainFacts
from proxy.routing.table import RouteTable

SMALL, LARGE = 20, 10_000
# As many requests for both tables: all paths and all identities are distinct.
REQUESTS = 10_000
RATIO = 1.2
# The columns of a case that is not run as a proxy.
NONE = ("", "", "")


def measure_matching(run: Run) -> RowResult:
    """Measure both tables in turns, first in one process without sockets, then as proxies."""
    folder = run.folder / "matching"
    folder.mkdir()
    with ExitStack() as stack:
        legacy_port, new_port = stack.enter_context(running_origin(folder, run.cores))
        files: dict[str, TableFiles] = {}
        runners: list[Runner] = []
        mixes: dict[str, Path] = {}
        ready: dict[str, float] = {}
        for count in (SMALL, LARGE):
            name = f"{count:,} routes"
            files[name] = write_table(
                folder / f"table-{count}",
                routes=count,
                legacy_port=legacy_port,
                new_port=new_port,
                grouped=True,
            )
            figway = stack.enter_context(
                Figway(folder / f"figway-{count}", files[name], core=run.cores.proxy)
            )
            ready[name] = figway.seconds_to_ready
            runners.append(Runner(name=name, pid=figway.pid, port=figway.port))
            mixes[name] = write_visitors(folder / f"visitors-{count}", count - 1, REQUESTS)
        measured = measure_rounds(
            runners,
            mixes,
            run.cores,
            rounds=3 if run.quick else 15,
            seconds=1,
        )
    cpu = measured.values(lambda one: one.cpu_microseconds)
    small, large = files
    hot = f"{large}, {SMALL - 1} of them asked for"
    alone = time_decisions(
        {
            small: (files[small], SMALL - 1),
            large: (files[large], LARGE - 1),
            hot: (files[large], SMALL - 1),
        },
        passes=5 if run.quick else 31,
    )
    return RowResult(
        name="matching",
        title=f"{LARGE:,} routes beside {SMALL}, {REQUESTS:,} distinct paths and visitors",
        header=(
            "table",
            "decide() alone",
            "lowest - highest",
            "CPU per proxied request",
            "lowest - highest",
            "serve is ready after",
        ),
        lines=tuple(
            (
                name,
                *_decisions(alone[name]),
                *(_requests(cpu[name], ready[name]) if name in cpu else NONE),
            )
            for name in alone
        ),
        targets=(
            Target(
                what=f"decide() with {large} x {small}",
                value=ratios(alone, large, small).median,
                bound=RATIO,
            ),
            Target(
                what=f"CPU per proxied request with {large} x {small}",
                value=ratios(cpu, large, small).median,
                bound=RATIO,
            ),
        ),
        notes=(
            "Every route but the catch-all is a template with a device-sticky canary at 50 %.",
            "The last line asks the table of 10,000 for few of its routes: what lies between it "
            "and the line above is memory that the processor's cache does not hold, not matching.",
            f"As proxies: {measured.note()}",
        ),
        figures={
            name: {
                "decide_microseconds": alone[name],
                "cpu_microseconds": cpu[name],
                "seconds_to_ready": ready[name],
            }
            for name in files
        }
        | {hot: {"decide_microseconds": alone[hot]}},
    )


def _decisions(microseconds: list[float]) -> tuple[str, str]:
    spread = Spread.of(microseconds)
    return f"{spread.median:.2f} µs", f"{spread.low:.2f} - {spread.high:.2f} µs"


def _requests(microseconds: list[float], seconds_to_ready: float) -> tuple[str, str, str]:
    spread = Spread.of(microseconds)
    return (
        f"{spread.median:.1f} µs",
        f"{spread.low:.1f} - {spread.high:.1f} µs",
        f"{seconds_to_ready:.1f} s",
    )


def time_decisions(
    cases: Mapping[str, tuple[TableFiles, int]], *, passes: int
) -> dict[str, list[float]]:
    """Microseconds of one decide(), pass by pass, the cases taking turns.

    A case is a table, and how many of its canaries the requests are spread over.
    """
    flags = FlagSnapshot(group_basis_points={"g": 5000})
    compiled = {
        file: RouteTable.compile(load_routes(file.routes))
        for file in {f for f, _ in cases.values()}
    }
    requests = {name: plain_facts(canaries) for name, (_, canaries) in cases.items()}
    timed: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    # As in a worker: what lives for long is out of the collector's sight.
    gc.freeze()
    try:
        for _ in range(passes):
            for name, (file, _) in cases.items():
                table = compiled[file]
                began = time.process_time_ns()
                for one in requests[name]:
                    decide(table, flags, one)
                timed[name].append((time.process_time_ns() - began) / 1000 / REQUESTS)
    finally:
        gc.unfreeze()
    return timed


def plain_facts(canaries: int) -> list[PlainFacts]:
    """The facts of every visitor of the mix."""
    return [
        PlainFacts.of(
            "GET", visitor.path, headers=[("Host", "shop.example")], device_id=visitor.device
        )
        for visitor in visitors(canaries, REQUESTS)
    ]
