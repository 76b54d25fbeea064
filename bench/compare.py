"""Compare a proxy that already runs with nginx: a tool for whoever works on the data plane.

    python -m bench.compare --name figway --pid PID --port PORT

The proxy must forward to the origin, which this command starts on fixed ports: legacy on 9601,
new on 9602. `--command` starts the proxy too: give it the whole command line in one argument.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.machine import share_cores
from bench.origin import start_origin
from bench.peers import PEERS, start_peer
from bench.ports import free_ports, wait_until_answering
from bench.processes import HarnessError, OwnedProcess
from bench.rounds import Measured, Runner, Spread, measure_rounds, ratios
from bench.visitors import write_visitors


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", default="figway")
    parser.add_argument("--pid", type=int, help="root of the running process tree")
    parser.add_argument("--port", type=int, help="where it listens on 127.0.0.1")
    parser.add_argument("--command", help="start this instead of --pid; it listens on --port")
    parser.add_argument("--peers", default="nginx", help="comma separated, or none or all")
    parser.add_argument("--legacy-port", type=int, default=9601)
    parser.add_argument("--new-port", type=int, default=9602)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pause", type=int, default=0, metavar="MS", help="per connection")
    parser.add_argument("--routes", type=int, default=19, help="paths are /s0/... to /sN/...")
    options = parser.parse_args()
    try:
        _compare(options)
    except HarnessError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _compare(options: argparse.Namespace) -> None:
    cores = share_cores()
    if cores.load is not None:
        os.sched_setaffinity(0, {cores.load})
    names = {"all": [peer.name for peer in PEERS], "none": []}.get(
        options.peers, options.peers.split(",")
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="figway-bench-")))
        origin = stack.enter_context(
            start_origin(folder / "origin", options.legacy_port, options.new_port, cores.load)
        )
        wait_until_answering(origin, options.legacy_port)
        runners = []
        for peer in PEERS:
            if peer.name in names:
                (port,) = free_ports(1)
                process = start_peer(
                    peer, folder / peer.name, port, options.legacy_port, cores.proxy
                )
                stack.enter_context(process)
                runners.append(Runner(name=peer.name, pid=process.pid, port=port))
        if options.command:
            process = OwnedProcess(
                options.name, shlex.split(options.command), core=cores.proxy, log=folder / "log"
            )
            stack.enter_context(process)
            wait_until_answering(process, options.port)
            runners.append(Runner(name=options.name, pid=process.pid, port=options.port))
        elif options.pid:
            runners.append(Runner(name=options.name, pid=options.pid, port=options.port))
        visitors = write_visitors(folder / "visitors", options.routes, 1000)
        measured = measure_rounds(
            runners,
            visitors,
            cores,
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
            pause_milliseconds=options.pause,
        )
    _print(measured)


def _print(measured: Measured) -> None:
    cpu = measured.values(lambda one: one.cpu_microseconds)
    print(f"{'proxy':10} {'CPU us/request':>22} {'busiest':>8} {'req/s':>8} {'p50 ms':>7}"
          f" {'p99 ms':>7} {'errors':>6} {'RSS MB':>7} {'x nginx':>8}")  # fmt: skip
    for name, rounds in measured.rounds.items():
        spread = Spread.of(cpu[name])
        busiest = Spread.of([one.busiest_microseconds for one in rounds])
        reports = [one.report for one in rounds]
        ratio = f"{ratios(cpu, name, 'nginx').median:8.2f}" if "nginx" in cpu else " " * 8
        print(
            f"{name:10} {spread.median:7.1f} ({spread.low:.1f}-{spread.high:.1f})".ljust(33)
            + f" {busiest.median:8.1f}"
            f" {Spread.of([one.per_second for one in reports]).median:8.0f}"
            f" {Spread.of([one.latency[50.0] for one in reports]).median * 1e3:7.2f}"
            f" {Spread.of([one.latency[99.0] for one in reports]).median * 1e3:7.2f}"
            f" {sum(one.errors for one in reports):6}"
            f" {rounds[-1].rss_kib / 1024:7.1f} {ratio}"
        )
    print(measured.note())


if __name__ == "__main__":
    sys.exit(main())
