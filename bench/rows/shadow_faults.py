"""What clients notice of a shadow side that misbehaves: Figway beside two mirrors.

How the load is made decides what is seen here, so it is made like this:

- Open loop at a fixed, moderate rate. A closed loop at its limit measures its own queue.
- What answers clients has one core, so that proxies can be compared. Figway's observer and its
  comparing processes are measured in both places: on the other core, where a machine with a core
  to spare runs them, and on the worker's ("one core"), where there is none. What nginx and Envoy
  do for a mirror is part of the process that answers clients.
- Client and legacy origin stand for other machines. They have the other core before everybody else
  (SCHED_RR where that is allowed) and do not wait for the shadow side, which is on that core too.
  The shadow side is a process of its own and comes last. Neighbours of the benchmark on the machine
  do not keep a proxy waiting either, where that is allowed.
- Turns with and without shadow alternate, each begins when the one before has no work left, and
  their ratio is taken pair by pair. What an observer still compares would else be held against the
  turn that follows. Turns are short and many: the machine drifts by more than what is measured.
- Figway without shadow is the same process, paused: two processes of one program differ in how
  their memory happens to lie by as much. A mirror has no such switch; beside it runs another.
- The origin answers at once, which no application does: whatever is a tenth of a millisecond shows.
  Figway apart is measured a second time before a legacy that takes some milliseconds ("5 ms").
- What the machine does by itself shows beside it: a stranger, a process that has nothing to do with
  Figway, asks the healthy shadow side as often as the observer would, and Figway copies nothing.
- Beside the client's p99 stands what the kernel says of the process that answers clients: what it
  ran per request, and how long it was ready and had no core (schedstat).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from bench.faulty import FAULTS
from bench.figway import Figway
from bench.mirrors import MIRRORS, start_mirror
from bench.open_loop import OpenLoopClient, OpenLoopReport
from bench.origin import start_origin
from bench.peers import PEERS, start_peer
from bench.ports import free_ports, wait_until_answering
from bench.priority import put_ahead, put_behind, ran_and_waited, shield
from bench.proc import TICKS_PER_SECOND, core_ticks, cpu_ticks, memory_kib, process_tree
from bench.processes import HarnessError, OwnedProcess
from bench.rounds import Cores, Spread, rotated
from bench.row import RowResult, Run, Target
from bench.suffered import Suffered, Turn, median_interval
from bench.table import write_table
from bench.visitors import write_visitors

ROUTES = 20
RATE = 2000
SECONDS = 0.5
HEALTHY, REFUSING = "healthy", "refusing"
CONDITIONS = (HEALTHY, "hung", REFUSING, "resetting", "failing", "large", "dripping")
# Proxy without shadow -> the same proxy with it.
PROXIES: Mapping[str, str] = {
    "figway": "figway",
    "figway, 5 ms legacy": "figway, 5 ms legacy",
    "a stranger": "a stranger",
    "figway, one core": "figway, one core",
    "nginx": "nginx mirror",
    "envoy": "envoy mirror",
}
APART, LATER, TOGETHER = "figway", "figway, 5 ms legacy", "figway, one core"
STRANGER = "a stranger"
LATER_MILLISECONDS = 5
# What is near 1 needs more of them.
PAIRS, QUICK_PAIRS = 10, 2
MOST_PAIRS = {APART: 40, LATER: 20, STRANGER: 40}
WORST_RATIO = 1.05
MOST_MEMORY_MIB = 512
# A turn begins when a proxy and what is behind it have been idle for so long, or after the most.
_QUIET_SECONDS = 0.1
_MOST_QUIET_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A running proxy."""

    # Root of everything that works for it.
    pid: int
    # The process that answers clients, or its parent.
    serving: int
    port: int
    observer: int | None = None
    # Turns its copying on and off; None: that cannot be turned.
    copy: Callable[[bool], None] | None = None
    # What else goes on while it copies.
    meanwhile: Callable[[], AbstractContextManager[None]] = nullcontext


class Stranger:
    """A process that is not Figway, and asks the shadow side while Figway copies nothing."""

    def __init__(self, asker: OpenLoopClient, port: int) -> None:
        self._asker = asker
        self._port = port
        # What it saw, turn by turn.
        self.asked: list[OpenLoopReport] = []

    def beside(self, figway: Tested) -> Tested:
        """The same Figway; where it would copy, this asks instead."""

        def copy_nothing(_: bool) -> None:
            assert figway.copy is not None
            figway.copy(False)

        return replace(figway, copy=copy_nothing, meanwhile=self._asking)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with ThreadPoolExecutor(1) as pool:
            # A little longer than the turn.
            asking = pool.submit(self._asker.run, self._port, 1.1 * SECONDS)
            yield
            self.asked.append(asking.result())


def measure_shadow_faults(run: Run) -> RowResult:
    """Put every proxy before every kind of shadow side, at a moderate rate."""
    folder = run.folder / "shadow_faults"
    folder.mkdir()
    visitors = write_visitors(folder / "visitors", ROUTES - 1, 1000)
    suffered: list[Suffered] = []
    with ExitStack() as stack:
        legacy_port, legacy = _origin(stack, folder / "legacy", run.cores)
        ahead = put_ahead(legacy.pid)
        later_port = _unhurried(stack, folder, run.cores)
        new_port, new = _origin(stack, folder / "new", run.cores)
        put_behind(new.pid)
        faults, ports = stack.enter_context(_running_faults(folder, new_port, run.cores))
        alone = stack.enter_context(_running_alone(folder, legacy_port, run.cores))
        client = stack.enter_context(OpenLoopClient(visitors, rate=RATE, core=run.cores.load))
        asker = OpenLoopClient(visitors, rate=RATE, core=run.cores.load, behind=True)
        stranger = Stranger(stack.enter_context(asker), new_port)
        for condition in CONDITIONS:
            place = folder / condition
            with _running_shadowed(
                place, (legacy_port, later_port), ports[condition], run.cores
            ) as figways:
                shadowed = dict(figways)
                if condition == HEALTHY:
                    shadowed[STRANGER] = stranger.beside(figways[APART])
                beside = {name: alone.get(name, each) for name, each in shadowed.items()}
                suffered += _suffer(run, condition, client, beside, shadowed, faults.pid)
    return describe_shadow_faults(suffered, ahead=ahead, strange=stranger.asked)


def _origin(stack: ExitStack, folder: Path, cores: Cores) -> tuple[int, OwnedProcess]:
    port, other = free_ports(2)
    process = stack.enter_context(start_origin(folder, port, other, cores.load))
    wait_until_answering(process, port)
    return port, process


def _unhurried(stack: ExitStack, folder: Path, cores: Cores) -> int:
    """The port of a legacy that takes its time, and runs ahead like the other."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.unhurried", str(port), str(LATER_MILLISECONDS)]
    log, root = folder / "unhurried.log", Path(__file__).resolve().parents[2]
    process = OwnedProcess("unhurried", command, core=cores.load, log=log, folder=root)
    stack.enter_context(process)
    wait_until_answering(process, port)
    put_ahead(process.pid)
    return port


@contextmanager
def _running_faults(
    folder: Path, new_port: int, cores: Cores
) -> Iterator[tuple[OwnedProcess, dict[str, int]]]:
    """The process of the faults, and the port of each condition's shadow side."""
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
        put_behind(process.pid)
        yield process, {HEALTHY: new_port, REFUSING: nobody, **found}


@contextmanager
def _running_alone(folder: Path, legacy_port: int, cores: Cores) -> Iterator[dict[str, Tested]]:
    """The peers that mirror nothing."""
    with ExitStack() as stack:
        found = {}
        for peer in PEERS:
            if peer.name in PROXIES:
                (port,) = free_ports(1)
                process = start_peer(peer, folder / peer.name, port, legacy_port, cores.proxy)
                stack.enter_context(process)
                found[peer.name] = Tested(pid=process.pid, serving=process.pid, port=port)
        yield found


@contextmanager
def _running_shadowed(
    folder: Path, legacy_ports: tuple[int, int], shadow_port: int, cores: Cores
) -> Iterator[dict[str, Tested]]:
    """Every proxy with its shadow side; of the two legacies the second is for LATER."""
    folder.mkdir()
    legacy_port, later_port = legacy_ports
    with ExitStack() as stack:
        found = {}
        for plain, name in PROXIES.items():
            if name in MIRRORS:
                (port,) = free_ports(1)
                process = start_mirror(
                    name, folder / plain, port, legacy_port, shadow_port, cores.proxy
                )
                stack.enter_context(process)
                found[plain] = Tested(pid=process.pid, serving=process.pid, port=port)
        for name, place, behind in (
            (APART, "apart", legacy_port),
            (LATER, "later", later_port),
            (TOGETHER, "together", legacy_port),
        ):
            files = write_table(
                folder / place,
                routes=ROUTES,
                legacy_port=behind,
                new_port=shadow_port,
                shadowed=True,
            )
            figway = stack.enter_context(Figway(folder / place, files, core=cores.proxy))
            if name != TOGETHER:
                figway.move_observer(cores.load)
            found[name] = _tested(figway)
        yield found


def _tested(figway: Figway) -> Tested:
    return Tested(
        pid=figway.pid,
        serving=figway.only_worker(),
        port=figway.port,
        observer=figway.observer(),
        copy=lambda on: figway.copy(on=on),
    )


def _suffer(
    run: Run,
    condition: str,
    client: OpenLoopClient,
    alone: Mapping[str, Tested],
    shadowed: Mapping[str, Tested],
    faults: int,
) -> list[Suffered]:
    """Each proxy with and without shadow in turn, first the one, then the other."""
    turns: dict[tuple[str, bool], list[Turn]] = {}
    for name in shadowed:
        for copies in (True, False):
            shield((shadowed if copies else alone)[name].pid)
            # Connections, pools and code are warm before anything counts.
            _turn(run, client, (shadowed if copies else alone)[name], (faults,), copies=copies)
    pairs = {name: QUICK_PAIRS if run.quick else MOST_PAIRS.get(name, PAIRS) for name in shadowed}
    for number in range(max(pairs.values())):
        for name in rotated(tuple(each for each in shadowed if number < pairs[each]), number):
            for copies in (True, False) if number % 2 else (False, True):
                tested = (shadowed if copies else alone)[name]
                quiet = (faults, shadowed[name].pid, alone[name].pid)
                turn = _turn(run, client, tested, quiet, copies=copies)
                turns.setdefault((name, copies), []).append(turn)
    return [
        Suffered(
            proxy=PROXIES[name],
            condition=condition,
            alone=turns[name, False],
            shadowed=turns[name, True],
        )
        for name in PROXIES
        if name in shadowed
    ]


def _turn(
    run: Run, client: OpenLoopClient, tested: Tested, quiet: Sequence[int], *, copies: bool
) -> Turn:
    if tested.copy is not None:
        tested.copy(copies)
    _wait_until_quiet((*quiet, tested.pid))
    core = run.cores.proxy
    ran, waited = ran_and_waited(tested.serving)
    used, busy = cpu_ticks(process_tree(tested.pid)), 0 if core is None else core_ticks(core)
    began = time.monotonic()
    with tested.meanwhile() if copies else nullcontext():
        report = client.run(tested.port, SECONDS)
        seconds = time.monotonic() - began
        used = cpu_ticks(process_tree(tested.pid)) - used
        busy = 0 if core is None else core_ticks(core) - busy
        ran_then, waited_then = ran_and_waited(tested.serving)
    requests = len(report.latencies)
    beside = () if tested.observer is None else process_tree(tested.observer)
    besides = {entry.pid for entry in beside}
    return Turn(
        report=report,
        ran=(ran_then - ran) / 1e3 / requests,
        waited=(waited_then - waited) / 1e3 / requests,
        rss_kib=sum(
            memory_kib(entry.pid)
            for entry in process_tree(tested.pid)
            if entry.state != "Z" and entry.pid not in besides
        ),
        beside_kib=sum(memory_kib(entry.pid) for entry in beside if entry.state != "Z"),
        disturbed=max(0, busy - used) / TICKS_PER_SECOND / seconds,
    )


def _wait_until_quiet(roots: Sequence[int]) -> None:
    """Wait until none of these trees has work left from the turn before."""
    deadline = time.monotonic() + _MOST_QUIET_SECONDS
    before = [ran_and_waited(root)[0] for root in roots]
    while time.monotonic() < deadline:
        time.sleep(_QUIET_SECONDS)
        now = [ran_and_waited(root)[0] for root in roots]
        if sum(now) - sum(before) < 0.05 * _QUIET_SECONDS * 1e9:
            return
        before = now


def describe_shadow_faults(
    suffered: Sequence[Suffered], *, ahead: bool, strange: Sequence[OpenLoopReport]
) -> RowResult:
    """Every proxy under every condition as a row; `strange` is what the stranger saw."""
    ours = [each for each in suffered if each.proxy in (APART, LATER, TOGETHER)]
    worst, later, shared = (
        max((each for each in ours if each.proxy == name), key=Suffered.ratio)
        for name in (APART, LATER, TOGETHER)
    )
    memory = max(sum(each.memory_mib) for each in ours)
    return RowResult(
        name="shadow_faults",
        title=(
            f"p99 of the primary with a shadow side that misbehaves: {RATE} requests/s, open loop"
        ),
        header=(
            *("shadow side", "proxy", "p99 without", "p99 with", "with / without"),
            *("p50, p90: with / without", "CPU without", "CPU with"),
            *("no core without", "no core with", "RSS", "beside it", "errors"),
        ),
        lines=tuple(map(_line, suffered)),
        targets=(
            Target(
                what=f"worst p99 through Figway x without shadow ({worst.condition})",
                value=worst.ratio(),
                bound=WORST_RATIO,
            ),
            Target(
                what=f"the same before a legacy that takes {LATER_MILLISECONDS} ms "
                f"({later.condition}, {later.added_milliseconds():+.2f} ms)",
                value=later.ratio(),
                bound=WORST_RATIO,
            ),
            Target(
                what=f"the same with the observer on the worker's core ({shared.condition})",
                value=shared.ratio(),
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
            "with / without is the median of p99 over pairs of turns, one with and one without "
            "shadow, and in brackets where that median lies with 95 %; p99 itself is over the "
            "requests of all turns. Figway without shadow is the same process, paused.",
            f"Others had {_disturbed(suffered):.0%} of the proxies' core meanwhile (median turn): "
            "p99, a dozen requests of each turn, scatters with that, p50 and p90 hardly.",
            "CPU and no core: microseconds per request that the process that answers clients ran, "
            "and was ready to run and had no core.",
            "The shadow side comes last on its core: with neighbours it is slow beside its fault.",
            "figway: its observer is on the core of load and origins, and comes last there; one "
            "core: it shares the core of its worker. The origin answers at once but for "
            f"{LATER_MILLISECONDS} ms legacy, which waits so long as an application would.",
            "a stranger: Figway copies nothing either time; with is while a process that is not "
            f"Figway asks the healthy shadow side {_asked_a_second(strange):,.0f} times a second "
            f"({sum(each.errors for each in strange)} failed), from where the observer would.",
            "Client and legacy origin run before everything else on theirs."
            if ahead
            else "Client and legacy origin could not be put before everything else on their core "
            "(not permitted), so their waiting is in the figures.",
        ),
        figures={f"{each.condition} {each.proxy}": _figures(each) for each in suffered},
    )


def _asked_a_second(strange: Sequence[OpenLoopReport]) -> float:
    return sum(len(each.latencies) for each in strange) / (1.1 * SECONDS * len(strange))


def _disturbed(suffered: Sequence[Suffered]) -> float:
    turns = (one for each in suffered for pair in each.pairs for one in pair)
    return Spread.of([one.disturbed for one in turns]).median


def _line(each: Suffered) -> tuple[str, ...]:
    low, high = median_interval(each.ratios())
    return (
        each.condition,
        each.proxy,
        f"{each.milliseconds(shadow=False):.2f} ms",
        f"{each.milliseconds(shadow=True):.2f} ms",
        f"{each.ratio():.2f} ({low:.2f} - {high:.2f})",
        f"{each.ratio(50.0):.2f}, {each.ratio(90.0):.2f}",
        f"{each.median('ran', shadow=False):.0f} us",
        f"{each.median('ran'):.0f} us",
        f"{each.median('waited', shadow=False):.0f} us",
        f"{each.median('waited'):.0f} us",
        f"{each.memory_mib[0]:.0f} MB",
        f"{each.memory_mib[1]:.0f} MB" if each.memory_mib[1] else "-",
        f"{each.errors}",
    )


def _figures(each: Suffered) -> dict[str, float | list[float]]:
    shadowed, alone = zip(*each.pairs, strict=True)
    return {
        "p50_ratio": each.ratio(50.0),
        "p90_ratio": each.ratio(90.0),
        "p99_ratio": each.ratio(),
        "p99_ratios": list(each.ratios()),
        "p99_seconds": [one.report.latency(99.0) for one in shadowed],
        "p99_seconds_alone": [one.report.latency(99.0) for one in alone],
        "cpu_microseconds": [one.ran for one in shadowed],
        "cpu_microseconds_alone": [one.ran for one in alone],
        "no_core_microseconds": [one.waited for one in shadowed],
        "no_core_microseconds_alone": [one.waited for one in alone],
        "client_late_seconds": max(one.report.late for one in (*shadowed, *alone)),
        "rss_kib": max(one.rss_kib for one in each.shadowed),
        "beside_kib": max(one.beside_kib for one in each.shadowed),
        "errors": each.errors,
        "disturbed": [one.disturbed for one in shadowed],
    }
