"""Priorities of the benchmark: what the kernel says of a process that was put ahead or behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.priority import ahead, put_ahead, put_behind, ran_and_waited, shield, threads


@pytest.fixture
def child() -> Iterator[int]:
    """A process of its own session that has a child, which works for half a second of CPU."""
    command = (
        "import subprocess, sys; print('up', flush=True); "
        "subprocess.run([sys.executable, '-c', sys.argv[1]])"
    )
    work = "import time, sys\nwhile time.process_time() < 0.5: pass\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", command, work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


def test_a_tree_is_put_behind_with_everything_in_it(child: int) -> None:
    put_behind(child)
    assert {os.sched_getscheduler(thread) for thread in threads(child)} == {os.SCHED_IDLE}


def test_a_tree_is_put_ahead_where_that_is_allowed(child: int) -> None:
    allowed = put_ahead(child)
    policy = os.SCHED_RR if allowed else os.SCHED_OTHER
    assert os.sched_getscheduler(child) == policy


def test_shielding_leaves_the_order_inside_a_tree(child: int) -> None:
    os.sched_setscheduler(child, os.SCHED_IDLE, os.sched_param(0))
    shield(child)
    assert os.sched_getscheduler(child) == os.SCHED_IDLE


def test_a_tree_has_run_as_long_as_all_of_it_together(child: int) -> None:
    # Of which the child's child has the half second, and its parent hardly anything.
    while ran_and_waited(child)[0] < 0.5e9:
        pass
    assert ran_and_waited(child)[1] >= 0


def test_this_thread_is_ahead_for_the_block_alone() -> None:
    before = os.sched_getscheduler(0)
    with ahead():
        assert os.sched_getscheduler(0) in {before, os.SCHED_RR}
    assert os.sched_getscheduler(0) == before
