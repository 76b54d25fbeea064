"""CPU per proxied request, throughput and memory, beside every peer."""

from __future__ import annotations

from bench.field import running_field
from bench.rounds import Measured, Spread, measure_rounds, ratios
from bench.row import RowResult, Run, Target
from bench.visitors import write_visitors

ROUTES = 20
CONNECTIONS = 64


def measure_cost(run: Run) -> RowResult:
    """Load every proxy with 64 kept-alive connections, in rotated rounds."""
    folder = run.folder / "cost"
    folder.mkdir()
    visitors = write_visitors(folder / "visitors", ROUTES - 1, 1000)
    with running_field(folder, run.cores, routes=ROUTES) as field:
        measured = measure_rounds(
            field.runners,
            visitors,
            run.cores,
            rounds=3 if run.quick else 11,
            seconds=1 if run.quick else 2,
            connections=CONNECTIONS,
        )
    return describe_cost(measured)


def describe_cost(measured: Measured) -> RowResult:
    """Rounds of at least figway, nginx and envoy as a row."""
    cpu = measured.values(lambda one: one.cpu_microseconds)
    rates = measured.values(lambda one: one.report.per_second)
    busiest = measured.values(lambda one: one.busiest_microseconds)
    to_nginx = {name: ratios(cpu, name, "nginx") for name in cpu}
    to_envoy = {name: ratios(cpu, name, "envoy") for name in cpu}
    spreads = {name: Spread.of(values) for name, values in cpu.items()}
    errors = {name: sum(one.report.errors for one in measured.rounds[name]) for name in cpu}
    return RowResult(
        name="cost",
        title=f"CPU per proxied request, 1 KB JSON, {CONNECTIONS} kept-alive connections",
        header=(
            "proxy",
            "CPU per request, median",
            "lowest - highest",
            "x nginx",
            "x Envoy",
            "requests/s",
            "RSS",
            "errors",
        ),
        lines=tuple(
            (
                name,
                f"{spreads[name].median:.1f} µs",
                f"{spreads[name].low:.1f} - {spreads[name].high:.1f} µs",
                f"{to_nginx[name].median:.2f}",
                f"{to_envoy[name].median:.2f}",
                f"{Spread.of(rates[name]).median:,.0f}",
                f"{measured.rounds[name][-1].rss_kib / 1024:.0f} MB",
                f"{errors[name]}",
            )
            for name in cpu
        ),
        targets=(
            Target(what="Figway x Envoy", value=to_envoy["figway"].median, bound=0.75),
            Target(what="Figway x nginx", value=to_nginx["figway"].median, bound=2.5, aim=1.5),
            Target(what="failed requests through Figway", value=errors["figway"], bound=0),
        ),
        notes=(
            f"Figway runs one worker with {ROUTES} routes, device-sticky canaries at 50 % "
            f"and metrics on; its figure is worker and supervisor together, the worker alone took "
            f"{Spread.of(busiest['figway']).median:.1f} µs.",
            "The peers run one worker or thread, one route and no features.",
            "Ratios are taken turn by turn, then their median; over the turns Figway was "
            f"{to_nginx['figway'].low:.2f} - {to_nginx['figway'].high:.2f} x nginx and "
            f"{to_envoy['figway'].low:.2f} - {to_envoy['figway'].high:.2f} x Envoy.",
            measured.note(),
        ),
        figures={
            name: {
                "cpu_microseconds": cpu[name],
                "busiest_process_cpu_microseconds": busiest[name],
                "requests": [one.report.requests for one in rounds],
                "requests_per_second": rates[name],
                "disturbed": [one.disturbed for one in rounds],
                "rss_kib": [one.rss_kib for one in rounds],
                "errors": errors[name],
                "ratio_to_nginx": to_nginx[name].median,
                "ratio_to_envoy": to_envoy[name].median,
            }
            for name, rounds in measured.rounds.items()
        },
    )
