"""CPU per request when every request is copied: the worker, the observer beside it, two mirrors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from bench.field import running_origin
from bench.figway import Figway
from bench.mirrors import MIRRORS, start_mirror
from bench.ports import free_ports
from bench.rounds import Cores, Measured, Runner, Spread, measure_rounds, ratios
from bench.row import RowResult, Run, Target
from bench.table import write_table
from bench.visitors import write_visitors

ROUTES = 20
CONNECTIONS = 64
PLAIN, COPYING = "figway, no shadow", "figway, 100 % shadow"


def measure_shadow_cost(run: Run) -> RowResult:
    """Load Figway with and without shadow, and both mirrors, in rotated rounds."""
    folder = run.folder / "shadow_cost"
    folder.mkdir()
    visitors = write_visitors(folder / "visitors", ROUTES - 1, 1000)
    with ExitStack() as stack:
        legacy_port, new_port = stack.enter_context(running_origin(folder, run.cores))
        runners = []
        for name in MIRRORS:
            (port,) = free_ports(1)
            process = start_mirror(
                name,
                folder / name.replace(" ", "-"),
                port,
                legacy_port,
                new_port,
                run.cores.proxy,
            )
            stack.enter_context(process)
            runners.append(Runner(name=name, pid=process.pid, port=port))
        figways = {}
        for name, shadowed in ((PLAIN, False), (COPYING, True)):
            place = folder / ("copying" if shadowed else "plain")
            files = write_table(
                place / "table",
                routes=ROUTES,
                legacy_port=legacy_port,
                new_port=new_port,
                shadowed=shadowed,
            )
            figway = Figway(place / "figway", files, core=run.cores.proxy)
            figways[name] = stack.enter_context(figway)
            runners.append(shadowing_runner(name, figway, run.cores))
        measured = measure_rounds(
            runners,
            visitors,
            run.cores,
            rounds=3 if run.quick else 9,
            seconds=1 if run.quick else 2,
            connections=CONNECTIONS,
        )
        outcomes = figways[COPYING].shadow_outcomes()
    return describe_shadow_cost(measured, outcomes)


def shadowing_runner(name: str, figway: Figway, cores: Cores) -> Runner:
    """Its worker on the proxies' core; the observer beside it, on the other one."""
    observer = figway.observer()
    if observer is not None:
        figway.move_observer(cores.load)
    return Runner(
        name=name,
        pid=figway.only_worker(),
        port=figway.port,
        beside=() if observer is None else (observer,),
    )


def describe_shadow_cost(measured: Measured, outcomes: Mapping[str, int]) -> RowResult:
    """Rounds of both mirrors and of Figway with and without shadow as a row."""
    cpu = measured.values(lambda one: one.cpu_microseconds)
    beside = measured.values(lambda one: one.beside_microseconds)
    rates = measured.values(lambda one: one.report.per_second)
    to_nginx = {name: ratios(cpu, name, "nginx mirror") for name in cpu}
    to_envoy = {name: ratios(cpu, name, "envoy mirror") for name in cpu}
    to_plain = ratios(cpu, COPYING, PLAIN)
    spreads = {name: Spread.of(values) for name, values in cpu.items()}
    errors = {name: sum(one.report.errors for one in measured.rounds[name]) for name in cpu}
    ended = sum(outcomes.values())
    what = ", ".join(f"{name} {n:,}" for name, n in sorted(outcomes.items())) or "none"
    return RowResult(
        name="shadow_cost",
        title=(
            f"CPU per request with every request copied, 1 KB JSON, {CONNECTIONS} kept-alive "
            "connections"
        ),
        header=(
            "proxy",
            "CPU per request, median",
            "lowest - highest",
            "x nginx mirror",
            "x Envoy mirror",
            "observer beside it",
            "requests/s",
            "errors",
        ),
        lines=tuple(
            (
                name,
                f"{spreads[name].median:.1f} µs",
                f"{spreads[name].low:.1f} - {spreads[name].high:.1f} µs",
                f"{to_nginx[name].median:.2f}",
                f"{to_envoy[name].median:.2f}",
                f"{Spread.of(beside[name]).median:.1f} µs" if any(beside[name]) else "-",
                f"{Spread.of(rates[name]).median:,.0f}",
                f"{errors[name]}",
            )
            for name in cpu
        ),
        targets=(
            Target(
                what="worker with 100 % shadow x nginx mirror",
                value=to_nginx[COPYING].median,
                bound=1.0,
            ),
            Target(
                what="worker with 100 % shadow x Envoy mirror",
                value=to_envoy[COPYING].median,
                bound=1.0,
                aim=0.5,
            ),
            Target(what="failed requests through Figway", value=errors[COPYING], bound=0),
        ),
        notes=(
            "Figway's figure is the worker alone, which serves the clients and hands every "
            "exchange over; the observer asks the other side, compares and keeps the evidence, on "
            "the other core and at a lower priority. A mirror asks the other side itself and "
            "drops the answer.",
            f"With shadow the worker took {to_plain.median:.2f} x what it took without "
            f"({to_plain.low:.2f} - {to_plain.high:.2f}).",
            f"The load is more than any observer can repeat: of {ended:,} copies {what}.",
            measured.note(),
        ),
        figures={
            "outcomes": dict(outcomes),
            "ratio_to_no_shadow": to_plain.median,
            **{
                name: {
                    "cpu_microseconds": cpu[name],
                    "beside_microseconds": beside[name],
                    "requests_per_second": rates[name],
                    "disturbed": [one.disturbed for one in rounds],
                    "rss_kib": [one.rss_kib for one in rounds],
                    "beside_kib": [one.beside_kib for one in rounds],
                    "errors": errors[name],
                    "ratio_to_nginx_mirror": to_nginx[name].median,
                    "ratio_to_envoy_mirror": to_envoy[name].median,
                }
                for name, rounds in measured.rounds.items()
            },
        },
    )
