"""CPU time and memory are read from /proc as proc(5) describes it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.proc import (
    ProcessEntry,
    command_line,
    cpu_ticks,
    descendants,
    memory_kib,
    parse_core_ticks,
    parse_memory,
    process_tree,
)

STAT = (
    "4242 (php (fpm) 8.2) S 17 4242 17 0 -1 4194560 5119 99 3 1 "
    "120 34 5 6 20 0 4 0 987654 23347200 3381 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 "
    "0 0 0 0 0 0 0 0 0 0 0 0 0"
)


def entry(pid: int, parent: int, *, own: int = 0, reaped: int = 0) -> ProcessEntry:
    return ProcessEntry(
        pid=pid,
        name="x",
        state="S",
        parent=parent,
        own_ticks=own,
        reaped_ticks=reaped,
        started_ticks=1,
    )


def test_a_stat_line_is_read_although_its_name_holds_spaces_and_parentheses() -> None:
    assert ProcessEntry.parse(STAT) == ProcessEntry(
        pid=4242,
        name="php (fpm) 8.2",
        state="S",
        parent=17,
        own_ticks=120 + 34,
        reaped_ticks=5 + 6,
        started_ticks=987654,
    )


def test_a_tree_holds_descendants_only_and_parents_come_first() -> None:
    family = [entry(9, 5), entry(5, 2), entry(2, 1), entry(7, 1), entry(8, 2)]

    assert [one.pid for one in descendants(2, family)] == [2, 5, 8, 9]


def test_a_tree_that_has_ended_is_empty() -> None:
    assert descendants(77, [entry(2, 1)]) == ()


def test_the_time_of_ended_children_counts_for_the_tree() -> None:
    assert cpu_ticks((entry(2, 1, own=10, reaped=3), entry(5, 2, own=7))) == 20


def test_memory_is_read_by_its_field() -> None:
    status = "Name:\tnginx\nVmHWM:\t    9024 kB\nVmRSS:\t    8812 kB\nThreads:\t1\n"

    assert parse_memory(status, "VmHWM") == 9024
    assert parse_memory(status, "VmRSS") == 8812
    with pytest.raises(KeyError, match="VmSwap"):
        parse_memory(status, "VmSwap")


def test_a_core_is_busy_with_everything_but_waiting() -> None:
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 4 1000 2000 8 16 32 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n"

    assert parse_core_ticks(stat, 0) == 1 + 2 + 4 + 8 + 16 + 32
    with pytest.raises(KeyError, match="7"):
        parse_core_ticks(stat, 7)


def test_this_process_and_its_child_are_a_tree() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True
    ) as child:
        pids = [one.pid for one in process_tree(os.getpid())]
        assert pids[0] == os.getpid()
        assert child.pid in pids
        assert memory_kib(child.pid) > 0
        child.communicate("\n")

    assert ProcessEntry.of(child.pid) is None
    assert command_line(child.pid) == ""
