"""Latency at the same modest load for every proxy."""

from __future__ import annotations

from bench.field import running_field
from bench.rounds import Measured, Spread, measure_rounds
from bench.row import RowResult, Run
from bench.visitors import write_visitors

ROUTES = 20
CONNECTIONS = 16
PAUSE_MILLISECONDS = 10


def measure_latency(run: Run) -> RowResult:
    """Load every proxy with 16 connections that wait about 10 ms between requests."""
    folder = run.folder / "latency"
    folder.mkdir()
    visitors = write_visitors(folder / "visitors", ROUTES - 1, 1000)
    with running_field(folder, run.cores, routes=ROUTES) as field:
        measured = measure_rounds(
            field.runners,
            visitors,
            run.cores,
            rounds=3 if run.quick else 5,
            seconds=1 if run.quick else 3,
            connections=CONNECTIONS,
            pause_milliseconds=PAUSE_MILLISECONDS,
        )
    return describe_latency(measured)


def describe_latency(measured: Measured) -> RowResult:
    """Rounds of every proxy as a row: the design sets no target for it."""

    def milliseconds(name: str, percentile: float) -> Spread:
        return Spread.of([one.report.latency[percentile] * 1e3 for one in measured.rounds[name]])

    return RowResult(
        name="latency",
        title=(
            f"Latency at a modest load: {CONNECTIONS} connections, each pausing about "
            f"{PAUSE_MILLISECONDS} ms between requests"
        ),
        header=("proxy", "p50", "p99", "p99, lowest - highest", "requests/s"),
        lines=tuple(
            (
                name,
                f"{milliseconds(name, 50.0).median:.2f} ms",
                f"{(tail := milliseconds(name, 99.0)).median:.2f} ms",
                f"{tail.low:.2f} - {tail.high:.2f} ms",
                f"{Spread.of([one.report.per_second for one in rounds]).median:,.0f}",
            )
            for name, rounds in measured.rounds.items()
        ),
        notes=(
            "wrk is closed-loop: a connection waits for its answer before it asks again, so a "
            "stall delays requests instead of piling them up, and the tail is the milder for it.",
            measured.note(),
        ),
        figures={
            name: {
                "p50_seconds": [one.report.latency[50.0] for one in rounds],
                "p99_seconds": [one.report.latency[99.0] for one in rounds],
                "requests_per_second": [one.report.per_second for one in rounds],
                "disturbed": [one.disturbed for one in rounds],
                "errors": sum(one.report.errors for one in rounds),
            }
            for name, rounds in measured.rounds.items()
        },
    )
