"""10,000 routes beside 20: the decision alone, and a whole request through the proxy."""

from __future__ import annotations

import gc
import time
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
            rounds=3 if run.quick else 7,
            seconds=1 if run.quick else 2,
        )
    cpu = {name: [one.cpu_microseconds for one in rounds] for name, rounds in measured.items()}
    alone = time_decisions(files, passes=5 if run.quick else 31)
    small, large = files
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
                f"{(decision := Spread.of(alone[name])).median:.2f} µs",
                f"{decision.low:.2f} - {decision.high:.2f} µs",
                f"{(request := Spread.of(cpu[name])).median:.1f} µs",
                f"{request.low:.1f} - {request.high:.1f} µs",
                f"{ready[name]:.1f} s",
            )
            for name in files
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
        notes=("Every route but the catch-all is a template with a device-sticky canary at 50 %.",),
        figures={
            name: {
                "decide_microseconds": alone[name],
                "cpu_microseconds": cpu[name],
                "seconds_to_ready": ready[name],
            }
            for name in files
        },
    )


def time_decisions(files: dict[str, TableFiles], *, passes: int) -> dict[str, list[float]]:
    """Microseconds of one decide(), pass by pass, the tables taking turns."""
    flags = FlagSnapshot(group_basis_points={"g": 5000})
    tables = {name: RouteTable.compile(load_routes(file.routes)) for name, file in files.items()}
    facts = {name: plain_facts(file.canaries) for name, file in files.items()}
    timed: dict[str, list[float]] = {name: [] for name in files}
    gc.collect()
    # As in a worker: what lives for long is out of the collector's sight.
    gc.freeze()
    try:
        for _ in range(passes):
            for name, table in tables.items():
                began = time.process_time_ns()
                for one in facts[name]:
                    decide(table, flags, one)
                timed[name].append((time.process_time_ns() - began) / 1000 / len(facts[name]))
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
