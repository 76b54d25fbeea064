"""1 GB up and down through Figway, with a receiver that stalls: memory must stay flat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import uvloop

from bench.bulk import STALL_SECONDS, BulkOrigin, Transfer, download, upload
from bench.figway import Figway
from bench.ports import free_ports
from bench.proc import memory_kib, reset_peak
from bench.processes import HarnessError
from bench.row import Figure, RowResult, Run, Target
from bench.table import write_table

MIB = 1024 * 1024
GROWTH_MIB = 32


def measure_bodies(run: Run) -> RowResult:
    """Send and fetch the body with both framings and read the worker's highest memory each time."""
    length = 128 * MIB if run.quick else 1024 * MIB
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(run, length))


async def _measure(run: Run, length: int) -> RowResult:
    folder = run.folder / "bodies"
    (origin_port,) = free_ports(1)
    origin = BulkOrigin(stall_uploads=True)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", origin_port)
    files = write_table(folder / "table", routes=2, legacy_port=origin_port, new_port=origin_port)
    lines = []
    growth: dict[str, float] = {}
    figures: dict[str, Figure] = {}
    async with server:
        figway = await asyncio.to_thread(
            lambda: Figway(folder / "figway", files, core=run.cores.proxy)
        )
        with figway:
            worker = figway.only_worker()
            cases: dict[str, Callable[[], Awaitable[Transfer]]] = {
                "up, Content-Length": partial(upload, figway.port, length, chunked=False),
                "up, chunked": partial(upload, figway.port, length, chunked=True),
                "down, Content-Length": partial(
                    download, figway.port, origin, length, chunked=False
                ),
                "down, chunked": partial(download, figway.port, origin, length, chunked=True),
            }
            for name, transfer in cases.items():
                before = memory_kib(worker)
                reset_peak(worker)
                async with asyncio.timeout(300):
                    done = await transfer()
                peak = memory_kib(worker, "VmHWM")
                if not done.intact:
                    raise HarnessError(
                        f"{name}: {done.sent} was sent, {done.arrived} arrived"
                        f"\n{figway.process.log_tail()}"
                    )
                growth[name] = (peak - before) / 1024
                rate = length / MIB / (done.seconds - STALL_SECONDS)
                lines.append(
                    (
                        name,
                        f"{growth[name]:.1f} MiB",
                        f"{before / 1024:.1f} -> {peak / 1024:.1f} MiB",
                        f"{rate:,.0f} MiB/s",
                        "yes" if done.intact else "NO",
                    )
                )
                figures[name] = {
                    "rss_before_kib": before,
                    "rss_peak_kib": peak,
                    "seconds": done.seconds,
                    "mib_per_second": rate,
                }
    return RowResult(
        name="bodies",
        title=f"{length // MIB:,} MiB through Figway, up and down",
        header=("body", "growth of the worker", "RSS before -> peak", "rate", "intact"),
        lines=tuple(lines),
        targets=(
            Target(what="largest growth", value=max(growth.values()), bound=GROWTH_MIB, unit="MiB"),
        ),
        notes=(
            f"The receiver stops reading for {STALL_SECONDS:.0f} s in the middle of every body: "
            "a proxy without backpressure would take the other half into memory.",
            "Load and origin share one Python process, which bounds the rate.",
        ),
        figures=figures,
    )
