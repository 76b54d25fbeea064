"""Memory of 10,000 idle kept-alive connections."""

from __future__ import annotations

import asyncio

import uvloop

from bench.crowd import Crowd, raise_descriptor_limit
from bench.field import running_field
from bench.proc import memory_kib, process_tree
from bench.row import Figure, RowResult, Run, Target

KB_EACH = 15


def measure_idle(run: Run) -> RowResult:
    """Open the crowd on Figway and, for comparison, on nginx, HAProxy and Envoy."""
    size = 1_000 if run.quick else 10_000
    raise_descriptor_limit(size)
    names = ("nginx", "haproxy", "envoy")
    folder = run.folder / "idle"
    folder.mkdir()
    lines = []
    figures: dict[str, Figure] = {}
    each_of: dict[str, float] = {}
    lost: dict[str, int] = {}
    with running_field(folder, run.cores, names=names) as field:
        for runner in field.runners:
            # For Figway the worker, which holds the connections; for a peer all it runs.
            pids = (
                (field.figway.only_worker(),)
                if runner.name == "figway"
                else tuple(entry.pid for entry in process_tree(runner.pid))
            )
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
                before, after, served, alive = loop.run(_measure(runner.port, pids, size))
            each = each_of[runner.name] = (after - before) * 1.024 / max(served, 1)
            lost[runner.name] = size - alive
            lines.append(
                (
                    runner.name,
                    f"{each:.1f} KB",
                    f"{before / 1024:.1f} -> {after / 1024:.1f} MiB",
                    f"{served:,} of {size:,}",
                    f"{alive:,} of {size:,}",
                )
            )
            figures[runner.name] = {
                "kb_per_connection": each,
                "rss_before_kib": before,
                "rss_after_kib": after,
                "served": served,
                "served_again": alive,
            }
    return RowResult(
        name="idle",
        title=f"{size:,} idle kept-alive connections, each served once",
        header=("proxy", "memory of each", "RSS before -> with all", "served", "served again"),
        lines=tuple(lines),
        targets=(
            Target(
                what="Figway, each connection",
                value=each_of["figway"],
                bound=KB_EACH,
                unit="KB",
            ),
            Target(
                what="connections that Figway did not take, or lost while idle",
                value=lost["figway"],
                bound=0,
            ),
        ),
        notes=(
            "Resident memory of the process, without the kernel's own socket structures.",
            "Before the first reading 200 connections are served, so that pools and code are warm.",
        ),
        figures=figures,
    )


async def _measure(port: int, pids: tuple[int, ...], size: int) -> tuple[int, int, int, int]:
    """Resident KiB before and with the crowd, how many were served, and how many once more."""
    async with Crowd(port, 200) as warm:
        await warm.ask_everyone()
    before = sum(memory_kib(pid) for pid in pids)
    async with Crowd(port, size) as crowd:
        # The last answers have just been read; a second of silence lets the proxy settle.
        await asyncio.sleep(1)
        after = sum(memory_kib(pid) for pid in pids)
        alive = await crowd.ask_everyone()
    return before, after, crowd.served, alive
