"""Measuring several proxies in alternating rounds: CPU per request, throughput, latency, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.proc import TICKS_PER_SECOND, core_ticks, cpu_ticks, memory_kib, process_tree
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
    # Roots of other trees that work for it and are measured apart.
    beside: tuple[int, ...] = ()


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
    # What the trees of `Runner.beside` used, and have in memory.
    beside_microseconds: float = 0.0
    beside_kib: int = 0
    # Share of the window in which the proxy's core worked for somebody else, 0..1.
    disturbed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The rounds of every proxy, turn by turn, and how quiet the machine was meanwhile."""

    rounds: Mapping[str, Sequence[Round]]
    turns: int
    calm_turns: int

    def values(self, figure: Callable[[Round], float]) -> dict[str, list[float]]:
        """One figure of every proxy, turn by turn."""
        return {name: [figure(one) for one in rounds] for name, rounds in self.rounds.items()}

    def note(self) -> str:
        """How many turns count, for the reader."""
        if self.calm_turns == self.turns:
            return f"{self.turns} turns, all of them undisturbed."
        if self.calm_turns >= FEWEST_CALM_TURNS:
            aside = self.turns - self.calm_turns
            return f"{self.calm_turns} undisturbed turns; {aside} were put aside."
        return (
            f"The machine was busy with other work: only {self.calm_turns} of {self.turns} turns "
            "were undisturbed, so all are shown. Run it again when the machine is quiet."
        )


# A turn counts as disturbed when others had more than this share of the proxies' core in any of its
# rounds: they cost time that is not ours, and they empty the caches, which makes ours longer.
DISTURBED_SHARE = 0.10
# With fewer calm turns than this the disturbed ones have to do.
FEWEST_CALM_TURNS = 3


def rotated(names: Sequence[str], turn: int) -> tuple[str, ...]:
    """Every name once; each turn begins one further, so that nobody is always first or last."""
    start = turn % len(names)
    return (*names[start:], *names[:start])


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
    before = process_tree(runner.pid)
    beside_before = _ticks_of(runner.beside)
    core_before = 0 if cores.proxy is None else core_ticks(cores.proxy)
    report = load(seconds=seconds)
    core_used = 0 if cores.proxy is None else core_ticks(cores.proxy) - core_before
    tree = process_tree(runner.pid)
    ticks = cpu_ticks(tree) - cpu_ticks(before)
    own_before = {entry.pid: entry.own_ticks for entry in before}
    busiest = max(entry.own_ticks - own_before.get(entry.pid, 0) for entry in tree)
    return Round(
        cpu_microseconds=per_request(ticks, report.requests),
        busiest_microseconds=per_request(busiest, report.requests),
        report=report,
        rss_kib=sum(memory_kib(entry.pid) for entry in tree if entry.state != "Z"),
        beside_microseconds=per_request(_ticks_of(runner.beside) - beside_before, report.requests),
        beside_kib=sum(
            memory_kib(entry.pid)
            for pid in runner.beside
            for entry in process_tree(pid)
            if entry.state != "Z"
        ),
        disturbed=max(0, core_used - ticks) / TICKS_PER_SECOND / report.seconds,
    )


def _ticks_of(roots: tuple[int, ...]) -> int:
    return sum(cpu_ticks(process_tree(root)) for root in roots)


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
) -> Measured:
    """Measure every proxy in rotated order until `rounds` turns were calm.

    A noisy machine gets at most twice as many turns. `visitors` is one mix, or one for each name.
    """
    by_name = {runner.name: runner for runner in runners}
    turns: list[dict[str, Round]] = []
    while len(turns) < 2 * rounds and sum(map(is_calm, turns)) < rounds:
        turns.append(
            {
                name: measure_round(
                    by_name[name],
                    visitors if isinstance(visitors, Path) else visitors[name],
                    cores,
                    seconds=seconds,
                    connections=connections,
                    pause_milliseconds=pause_milliseconds,
                )
                for name in rotated(tuple(by_name), len(turns))
            }
        )
    return gather(tuple(by_name), turns)


def is_calm(turn: Mapping[str, Round]) -> bool:
    """Whether the proxies had their core to themselves in all rounds of a turn."""
    return all(one.disturbed <= DISTURBED_SHARE for one in turn.values())


def gather(names: Sequence[str], turns: Sequence[Mapping[str, Round]]) -> Measured:
    """The calm turns, or all of them when too few were calm."""
    calm = [turn for turn in turns if is_calm(turn)]
    kept = calm if len(calm) >= FEWEST_CALM_TURNS else turns
    return Measured(
        rounds={name: [turn[name] for turn in kept] for name in names},
        turns=len(turns),
        calm_turns=len(calm),
    )


def ratios(measured: Mapping[str, Sequence[float]], name: str, to: str) -> Spread:
    """How many times `name` is of `to`, turn by turn.

    A noisy neighbour hits both proxies of a turn, so the ratio holds where the figures do not.
    """
    pairs = zip(measured[name], measured[to], strict=True)
    return Spread.of([ours / theirs for ours, theirs in pairs])
