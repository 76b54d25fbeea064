"""What clients notice of a shadow side that misbehaves: Figway beside two mirrors."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.faulty import FAULTS
from bench.field import running_origin
from bench.figway import Figway
from bench.mirrors import MIRRORS, start_mirror
from bench.peers import PEERS, start_peer
from bench.ports import free_ports
from bench.processes import HarnessError, OwnedProcess
from bench.rounds import Cores, Round, Runner, Spread, measure_round, rotated
from bench.row import RowResult, Run, Target
from bench.rows.shadow_cost import shadowing_runner
from bench.table import write_table
from bench.visitors import write_visitors

ROUTES = 20
CONNECTIONS = 16
PAUSE_MILLISECONDS = 10
HEALTHY, REFUSING = "healthy", "refusing"
CONDITIONS = (HEALTHY, "hung", REFUSING, "resetting", "failing", "large", "dripping")
# Proxy without shadow -> the same proxy with it.
PAIRS: Mapping[str, str] = {"figway": "figway", "nginx": "nginx mirror", "envoy": "envoy mirror"}
WORST_RATIO = 1.05
MOST_MEMORY_MIB = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffered:
    """One proxy under one condition: its rounds, and those without shadow of the same turns."""

    proxy: str
    condition: str
    alone: Sequence[Round]
    shadowed: Sequence[Round]

    def ratio(self, percentile: float = 99.0) -> float:
        """Latency with shadow to latency without, the median over the turns."""
        pairs = zip(self.shadowed, self.alone, strict=True)
        return Spread.of(
            [a.report.latency[percentile] / b.report.latency[percentile] for a, b in pairs]
        ).median

    def milliseconds(self, percentile: float = 99.0) -> float:
        """The latency with shadow, the median over the turns."""
        return Spread.of([one.report.latency[percentile] * 1e3 for one in self.shadowed]).median

    @property
    def errors(self) -> int:
        """Requests that failed with shadow."""
        return sum(one.report.errors for one in self.shadowed)

    @property
    def memory_mib(self) -> tuple[float, float]:
        """The most that the proxy had in memory at the end of a turn, and what works beside it."""
        return (
            max(one.rss_kib for one in self.shadowed) / 1024,
            max(one.beside_kib for one in self.shadowed) / 1024,
        )


def measure_shadow_faults(run: Run) -> RowResult:
    """Put every proxy before every kind of shadow side, at a modest load."""
    folder = run.folder / "shadow_faults"
    folder.mkdir()
    visitors = write_visitors(folder / "visitors", ROUTES - 1, 1000)
    suffered: list[Suffered] = []
    with ExitStack() as stack:
        legacy_port, new_port = stack.enter_context(running_origin(folder, run.cores))
        ports = stack.enter_context(_running_faults(folder, new_port, run.cores))
        alone = stack.enter_context(_running_alone(folder, legacy_port, new_port, run.cores))
        for condition in CONDITIONS:
            place = folder / condition
            with _running_shadowed(place, legacy_port, ports[condition], run.cores) as shadowed:
                suffered += _suffer(run, condition, visitors, alone, shadowed)
    return describe_shadow_faults(suffered)


@contextmanager
def _running_faults(folder: Path, new_port: int, cores: Cores) -> Iterator[dict[str, int]]:
    """The port of each condition's shadow side."""
    found = dict(zip(FAULTS, free_ports(len(FAULTS)), strict=True))
    (nobody,) = free_ports(1)
    command = [
        *(sys.executable, "-m", "bench.faulty"),
        *(f"{name}={port}" for name, port in found.items()),
    ]
    log, root = folder / "faults.log", Path(__file__).resolve().parents[2]
    with OwnedProcess("faults", command, core=cores.load, log=log, folder=root) as process:
        deadline = time.monotonic() + 30
        while "ready" not in process.log_tail():
            process.check_alive()
            if time.monotonic() > deadline:
                raise HarnessError("the faulty shadow sides did not start")
            time.sleep(0.05)
        yield {HEALTHY: new_port, REFUSING: nobody, **found}


@contextmanager
def _running_alone(
    folder: Path, legacy_port: int, new_port: int, cores: Cores
) -> Iterator[dict[str, Runner]]:
    with ExitStack() as stack:
        runners = {}
        for peer in PEERS:
            if peer.name in PAIRS:
                (port,) = free_ports(1)
                process = start_peer(peer, folder / peer.name, port, legacy_port, cores.proxy)
                stack.enter_context(process)
                runners[peer.name] = Runner(name=peer.name, pid=process.pid, port=port)
        files = write_table(
            folder / "table",
            routes=ROUTES,
            legacy_port=legacy_port,
            new_port=new_port,
            percent=0,
        )
        figway = stack.enter_context(Figway(folder / "figway", files, core=cores.proxy))
        runners["figway"] = shadowing_runner("figway", figway, cores)
        yield runners


@contextmanager
def _running_shadowed(
    folder: Path, legacy_port: int, shadow_port: int, cores: Cores
) -> Iterator[dict[str, Runner]]:
    folder.mkdir()
    with ExitStack() as stack:
        runners = {}
        for plain, name in PAIRS.items():
            if name in MIRRORS:
                (port,) = free_ports(1)
                process = start_mirror(
                    name, folder / plain, port, legacy_port, shadow_port, cores.proxy
                )
                stack.enter_context(process)
                runners[plain] = Runner(name=name, pid=process.pid, port=port)
        files = write_table(
            folder / "table",
            routes=ROUTES,
            legacy_port=legacy_port,
            new_port=shadow_port,
            shadowed=True,
        )
        figway = stack.enter_context(Figway(folder / "figway", files, core=cores.proxy))
        runners["figway"] = shadowing_runner("figway", figway, cores)
        yield runners


def _suffer(
    run: Run,
    condition: str,
    visitors: Path,
    alone: Mapping[str, Runner],
    shadowed: Mapping[str, Runner],
) -> list[Suffered]:
    """Each proxy without and with shadow in turn, so that a noisy neighbour hits both."""
    rounds: dict[tuple[str, bool], list[Round]] = {}
    order = tuple((name, copies) for name in PAIRS for copies in (False, True))
    names = {f"{name} {copies}": (name, copies) for name, copies in order}
    for turn in range(1 if run.quick else 3):
        for each in rotated(tuple(names), turn):
            name, copies = names[each]
            rounds.setdefault((name, copies), []).append(
                measure_round(
                    (shadowed if copies else alone)[name],
                    visitors,
                    run.cores,
                    seconds=1 if run.quick else 2,
                    connections=CONNECTIONS,
                    pause_milliseconds=PAUSE_MILLISECONDS,
                )
            )
    return [
        Suffered(
            proxy=PAIRS[name],
            condition=condition,
            alone=rounds[name, False],
            shadowed=rounds[name, True],
        )
        for name in PAIRS
    ]


def describe_shadow_faults(suffered: Sequence[Suffered]) -> RowResult:
    """Every proxy under every condition as a row."""
    ours = [each for each in suffered if each.proxy == "figway"]
    worst = max(ours, key=Suffered.ratio)
    memory = max(sum(each.memory_mib) for each in ours)
    return RowResult(
        name="shadow_faults",
        title=(
            f"p99 of the primary with a shadow side that misbehaves: {CONNECTIONS} connections, "
            f"each pausing about {PAUSE_MILLISECONDS} ms"
        ),
        header=("shadow side", "proxy", "p99", "x without shadow", "RSS", "beside it", "errors"),
        lines=tuple(
            (
                each.condition,
                each.proxy,
                f"{each.milliseconds():.2f} ms",
                f"{each.ratio():.2f}",
                f"{each.memory_mib[0]:.0f} MB",
                f"{each.memory_mib[1]:.0f} MB" if each.memory_mib[1] else "-",
                f"{each.errors}",
            )
            for each in suffered
        ),
        targets=(
            Target(
                what=f"worst p99 through Figway x without shadow ({worst.condition})",
                value=worst.ratio(),
                bound=WORST_RATIO,
            ),
            Target(
                what="most memory of worker and observer together",
                value=memory,
                bound=MOST_MEMORY_MIB,
                unit="MB",
            ),
            Target(
                what="failed requests through Figway", value=sum(o.errors for o in ours), bound=0
            ),
        ),
        notes=(
            "healthy answers like legacy; hung never answers; failing answers 500; large answers "
            "10 MB; dripping answers a byte a second.",
            "Each ratio is the median over turns in which the proxy ran with and without shadow. "
            "At this load p99 is a few dozen requests of a turn: on a machine with other work it "
            "scatters by more than the bound.",
            "Figway's observer runs on the core of load and origin, at a lower priority.",
        ),
        figures={
            f"{each.condition} {each.proxy}": {
                "p99_seconds": [one.report.latency[99.0] for one in each.shadowed],
                "p99_seconds_alone": [one.report.latency[99.0] for one in each.alone],
                "p50_seconds": [one.report.latency[50.0] for one in each.shadowed],
                "p50_seconds_alone": [one.report.latency[50.0] for one in each.alone],
                "ratio": each.ratio(),
                "rss_kib": [one.rss_kib for one in each.shadowed],
                "beside_kib": [one.beside_kib for one in each.shadowed],
                "errors": each.errors,
                "disturbed": [one.disturbed for one in each.shadowed],
            }
            for each in suffered
        },
    )
