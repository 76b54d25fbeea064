"""Measuring several proxies in alternating rounds: CPU per request, throughput, latency, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.proc import TICKS_PER_SECOND, cpu_ticks, memory_kib, process_tree
from bench.wrk import WrkReport, run_wrk


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, lowest and highest of one figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(median=statistics.median(values), low=min(values), high=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A running proxy: its name, the root of its process tree, and its port on 127.0.0.1."""

    name: str
    pid: int
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which core the proxies have to themselves, and which one carries load and origin."""

    proxy: int | None
    load: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One measured window of one proxy."""

    cpu_microseconds: float
    # The busiest process of the tree alone: Figway's worker, without its supervisor.
    busiest_microseconds: float
    report: WrkReport
    rss_kib: int


def rotated(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Every name once a round, each round beginning one further: nobody is always first or last."""
    for turn in range(rounds):
        start = turn % len(names)
        yield from (*names[start:], *names[:start])


def measure_round(
    runner: Runner,
    visitors: Path,
    cores: Cores,
    *,
    seconds: int,
    warm_seconds: int = 1,
    connections: int = 64,
    pause_milliseconds: int = 0,
) -> Round:
    """Warm up, then load one proxy and read what its process tree used meanwhile."""
    load = partial(
        run_wrk,
        runner.port,
        visitors,
        core=cores.load,
        connections=connections,
        pause_milliseconds=pause_milliseconds,
    )
    load(seconds=warm_seconds)
    before = {entry.pid: entry.own_ticks for entry in process_tree(runner.pid)}
    ticks_before = cpu_ticks(process_tree(runner.pid))
    report = load(seconds=seconds)
    tree = process_tree(runner.pid)
    ticks = cpu_ticks(tree) - ticks_before
    busiest = max(entry.own_ticks - before.get(entry.pid, 0) for entry in tree)
    return Round(
        cpu_microseconds=per_request(ticks, report.requests),
        busiest_microseconds=per_request(busiest, report.requests),
        report=report,
        rss_kib=sum(memory_kib(entry.pid) for entry in tree if entry.state != "Z"),
    )


def per_request(ticks: int, requests: int) -> float:
    """Microseconds of CPU per request."""
    return ticks / TICKS_PER_SECOND * 1e6 / max(requests, 1)


def measure_rounds(
    runners: Sequence[Runner],
    visitors: Path | Mapping[str, Path],
    cores: Cores,
    *,
    rounds: int,
    seconds: int,
    connections: int = 64,
    pause_milliseconds: int = 0,
) -> dict[str, list[Round]]:
    """Measure every proxy `rounds` times, in rotated order; `visitors` for all, or by name."""
    by_name = {runner.name: runner for runner in runners}
    measured: dict[str, list[Round]] = {name: [] for name in by_name}
    for name in rotated(tuple(by_name), rounds):
        measured[name].append(
            measure_round(
                by_name[name],
                visitors if isinstance(visitors, Path) else visitors[name],
                cores,
                seconds=seconds,
                connections=connections,
                pause_milliseconds=pause_milliseconds,
            )
        )
    return measured


def ratios(measured: Mapping[str, Sequence[float]], name: str, to: str) -> Spread:
    """How many times `name` is of `to`, round by round.

    A noisy neighbour hits both proxies of a round, so the ratio holds where the figures do not.
    """
    return Spread.of(
        [ours / theirs for ours, theirs in zip(measured[name], measured[to], strict=True)]
    )
