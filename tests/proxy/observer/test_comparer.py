"""The comparer: light pairs at once, heavy ones elsewhere, and nothing hangs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.compare.comparison import Result
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy
from proxy.exchange import Answer
from proxy.observer import comparer as comparer_module
from proxy.observer import examine as examine_module
from proxy.observer.comparer import Comparer, run
from proxy.observer.examine import Job
from tests.rigs.child import ROOT

POLICY = CompiledPolicy.compile(ComparePolicy())
HANGS = str(Path(__file__).with_name("comparer_that_hangs.py"))


def job(legacy: object, new: object, *more: tuple[bytes, bytes]) -> Job:
    headers = ((b"Content-Type", b"application/json"), *more)
    return Job(
        legacy=Answer(status=200, headers=headers, body=json.dumps(legacy).encode()),
        new=Answer(status=200, headers=headers, body=json.dumps(new).encode()),
        policy=POLICY,
        method="GET",
    )


LARGE = list(range(20_000))
HEAVY = job(LARGE, [*LARGE[:-1], 0])


@pytest.mark.parametrize(
    ("given", "light"),
    [
        pytest.param(job(1, 2), True, id="small"),
        pytest.param(job(LARGE, LARGE), True, id="equal_bytes"),
        pytest.param(HEAVY, False, id="large"),
        pytest.param(
            job(LARGE[:2000], LARGE[1:2000], (b"Content-Encoding", b"gzip")), False, id="coded"
        ),
        pytest.param(
            job(LARGE[:2000], LARGE[1:2000], (b"content-type", b"text/html")), False, id="html"
        ),
    ],
)
def test_what_is_light_is_known_without_looking_inside(given: Job, light: bool) -> None:
    assert given.is_light is light


async def test_a_heavy_pair_is_compared_elsewhere_with_the_same_result() -> None:
    comparer = Comparer()
    try:
        found = await comparer.compare(HEAVY)
        assert found == HEAVY.run()
        assert found.result is Result.DIFFERENT
    finally:
        comparer.close()
        await comparer.ended()


async def test_many_heavy_pairs_share_the_processes() -> None:
    comparer = Comparer(processes=2)
    try:
        found = await asyncio.gather(*(comparer.compare(HEAVY) for _ in range(20)))
        assert {each.result for each in found} == {Result.DIFFERENT}
    finally:
        comparer.close()
        await comparer.ended()


async def test_one_that_hangs_is_killed_and_the_next_is_compared() -> None:
    comparer = Comparer(processes=1, deadline=0.5, command=(HANGS, "first"))
    try:
        found = await comparer.compare(HEAVY)
        assert (found.result, found.incomparable) == (Result.INCOMPARABLE, "budget")
        assert comparer.killed == 1
        comparer._command = ("-m", "proxy.observer.comparer_process")
        comparer._deadline = 20.0
        assert (await comparer.compare(HEAVY)).result is Result.DIFFERENT
    finally:
        comparer.close()
        await comparer.ended()


@pytest.mark.parametrize("fault", ["exits", "garbage"])
async def test_one_that_crashes_costs_its_pair_only(fault: str) -> None:
    comparer = Comparer(processes=1, command=(HANGS, fault))
    try:
        found = await comparer.compare(HEAVY)
        assert found.incomparable == "budget"
    finally:
        comparer.close()
        await comparer.ended()


async def test_what_waits_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparer_module, "WAITING", 2)
    comparer = Comparer(processes=1, deadline=0.5, command=(HANGS, "first"))
    try:
        found = await asyncio.gather(*(comparer.compare(HEAVY) for _ in range(5)))
        assert {each.incomparable for each in found} == {"budget"}
        assert comparer.killed == 2
    finally:
        comparer.close()
        await comparer.ended()


def test_a_defect_in_a_task_is_nothing_found() -> None:
    class Broken:
        is_light = True
        size = 0

        def run(self) -> object:
            raise RecursionError

    assert run(Broken()) is None


def test_a_process_dies_with_the_observer_also_in_the_middle_of_a_pair() -> None:
    """The parent is killed while its child compares: the child must not live on."""
    parent = (
        "import asyncio, sys\n"
        "from tests.proxy.observer.test_comparer import HANGS, HEAVY\n"
        "from proxy.observer.comparer import Comparer\n"
        "async def main():\n"
        "    comparer = Comparer(processes=1, deadline=60, command=(HANGS, 'tells'))\n"
        "    await comparer.compare(HEAVY)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()
        process.wait(20)
        # The pipe is the child's too: its end is the end of the child.
        assert process.stdout.read() == b""


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        pytest.param(ZeroDivisionError(), "internal", id="a_defect"),
        pytest.param(RecursionError(), "internal", id="too_deep"),
        pytest.param(MemoryError(), "budget", id="out_of_memory"),
    ],
)
def test_a_comparison_that_fails_is_an_incomparable_pair(
    monkeypatch: pytest.MonkeyPatch, defect: BaseException, reason: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise defect

    monkeypatch.setattr(examine_module, "compare", fail)
    found = job(1, 2).run()
    assert (found.result, found.incomparable) == (Result.INCOMPARABLE, reason)
