"""Pairs of answers compared per second on one core, beside DeepDiff, and growth with their size."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from bench.pairs import Pair, differing_documents, differing_pages, equal_documents
from bench.processes import HarnessError
from bench.rounds import Spread, ratios
from bench.row import RowResult, Run, Target
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, Profile

KB = 1000
MB = 1000 * KB
SMALL, PAGE, LARGE = 10 * KB, 30 * KB, 5 * MB
GROWTH = (SMALL, 100 * KB, MB, LARGE)
# Figure of the issue: pairs per second, and how much faster than DeepDiff.
EQUAL_RATE, DIFFERING_RATE, FASTER = 20_000, 800, 30
GROWTH_RATIO = 2.0

EQUAL = "10 KB JSON, byte-equal"
DIFFERING = "10 KB JSON, differing"
PEER = "10 KB JSON, differing, DeepDiff"
PAGES = "30 KB HTML, differing"

# Microseconds of one pair, pass by pass.
Timed = Mapping[str, Sequence[float]]


def measure_comparison(run: Run) -> RowResult:
    """Time every kind of pair in turns, in one process without sockets."""
    passes = 3 if run.quick else 15
    policy = CompiledPolicy.compile(ComparePolicy(profile=Profile.PHP))

    def ours(pair: Pair) -> None:
        compare(pair.legacy, pair.new, policy)

    pairs = [differing_documents(SMALL, number) for number in range(100)]
    timed = time_pairs(
        {
            EQUAL: (ours, [equal_documents(SMALL, number) for number in range(100)], 2000),
            DIFFERING: (ours, pairs, 200),
            PEER: (deep_diff(), pairs, 5),
            PAGES: (ours, [differing_pages(PAGE, number) for number in range(50)], 50),
        },
        passes=passes,
    )
    grown = time_pairs(
        {
            size_name(size): (ours, [differing_documents(size, 1)], max(1, MB // size))
            for size in GROWTH
        },
        passes=passes,
    )
    return describe_comparison(timed, grown)


def deep_diff() -> Callable[[Pair], object]:
    """Two JSON bodies compared by DeepDiff with its defaults. Raises HarnessError without it."""
    try:
        diff = import_module("deepdiff").DeepDiff
    except ImportError:
        raise HarnessError("DeepDiff is missing: pip install -e '.[bench]'") from None
    return lambda pair: diff(json.loads(pair.legacy.body), json.loads(pair.new.body))


def time_pairs(
    cases: Mapping[str, tuple[Callable[[Pair], object], Sequence[Pair], int]], *, passes: int
) -> dict[str, list[float]]:
    """Microseconds of CPU per pair, pass by pass, the cases taking turns.

    A case is what compares, the pairs it walks through, and how many comparisons a pass has.
    """
    timed: dict[str, list[float]] = {name: [] for name in cases}
    at = dict.fromkeys(cases, 0)
    for compares, pairs, _ in cases.values():
        compares(pairs[0])
    gc.collect()
    gc.freeze()
    try:
        for _ in range(passes):
            for name, (compares, pairs, count) in cases.items():
                chosen = [pairs[(at[name] + n) % len(pairs)] for n in range(count)]
                at[name] += count
                began = time.process_time_ns()
                for pair in chosen:
                    compares(pair)
                timed[name].append((time.process_time_ns() - began) / 1000 / count)
    finally:
        gc.unfreeze()
    return timed


def size_name(size: int) -> str:
    """`10 KB`, `5 MB`: as the table names a size."""
    return f"{size // MB} MB" if size >= MB else f"{size // KB} KB"


def describe_comparison(timed: Timed, grown: Timed) -> RowResult:
    """Microseconds per pair of every kind, and of differing JSON of growing size, as a row."""
    spreads = {name: Spread.of(values) for name, values in {**timed, **grown}.items()}
    per_byte = {size: spreads[size_name(size)].median / size for size in GROWTH}
    slower = ratios(timed, DIFFERING, PEER).median
    growth = per_byte[LARGE] / per_byte[SMALL]
    return RowResult(
        name="comparison",
        title="Comparing two answers, one core",
        header=("pair", "pairs/s", "time per pair", "lowest - highest", "per KB"),
        lines=(
            *(_line(name, spreads[name], _kilobytes(name)) for name in timed),
            *(
                _line(f"{size_name(size)} JSON, differing", spreads[size_name(size)], size / KB)
                for size in GROWTH
            ),
        ),
        targets=(
            Target(
                what=f"{EQUAL}, time per pair ({EQUAL_RATE:,} pairs/s)",
                value=spreads[EQUAL].median,
                bound=1e6 / EQUAL_RATE,
                unit="µs",
            ),
            Target(
                what=f"{DIFFERING}, time per pair ({DIFFERING_RATE:,} pairs/s)",
                value=spreads[DIFFERING].median,
                bound=1e6 / DIFFERING_RATE,
                unit="µs",
            ),
            Target(
                what=f"time x DeepDiff on the same pairs (1/{FASTER})",
                value=slower,
                bound=1 / FASTER,
            ),
            Target(
                what="time per byte at 5 MB x at 10 KB",
                value=growth,
                bound=GROWTH_RATIO,
                aim=1.2,
            ),
        ),
        notes=(
            "Whole comparisons: headers, decoding, parsing, differences, causes and fingerprints, "
            "with the php profile. Decoded from bytes both sides, as DeepDiff's are by json.loads.",
            "The differing JSON has a rounded price, counts that are strings, a list in another "
            "order and a time an hour late; the pages one price and one link.",
            f"DeepDiff takes {1 / slower:.0f} x our time; it runs with its defaults, which take a "
            "moved element for changed ones.",
        ),
        figures={
            "microseconds": {name: list(values) for name, values in timed.items()},
            "growth_microseconds": {name: list(values) for name, values in grown.items()},
            "deepdiff_x_ours": 1 / slower,
            "time_per_byte_ratio": growth,
        },
    )


def _kilobytes(name: str) -> float:
    return float(name.partition(" ")[0])


def _line(name: str, spread: Spread, kilobytes: float) -> tuple[str, ...]:
    return (
        name,
        f"{1e6 / spread.median:,.0f}" if spread.median < 1e5 else f"{1e6 / spread.median:.1f}",
        _time(spread.median),
        f"{_time(spread.low)} - {_time(spread.high)}",
        f"{spread.median / kilobytes:.1f} µs",
    )


def _time(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 1000 else f"{microseconds:.1f} µs"
