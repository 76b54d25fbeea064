"""The report says what was missed, and replaces its block of the README and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.machine import Machine
from bench.processes import HarnessError
from bench.report import (
    Report,
    as_json,
    as_markdown,
    as_text,
    missed,
    replace_block,
    write_results,
)
from bench.row import RowResult, Target

KEPT = Target(what="Figway x nginx", value=1.4, bound=2.5, aim=1.5)
BROKEN = Target(what="growth", value=40.0, bound=32, unit="MiB")

REPORT = Report(
    date="2026-11-22 13:05",
    command="python -m bench --quick",
    quick=True,
    machine=Machine(
        cores=2,
        processor="A processor",
        memory_gib=23.5,
        kernel="6.1.0",
        python="3.11.7",
        load_average=0.4,
    ),
    versions={"nginx": "1.22.1"},
    rows=(
        RowResult(
            name="cost",
            title="Cost",
            header=("proxy", "CPU"),
            lines=(("nginx", "19.2 µs"), ("figway", "27.0 µs")),
            targets=(KEPT, BROKEN),
            notes=("A note.",),
            figures={"figway": {"cpu_microseconds": [27.0]}},
        ),
    ),
)


def test_a_target_on_its_bound_is_met() -> None:
    assert Target(what="x", value=32, bound=32).met
    assert not Target(what="x", value=32.001, bound=32).met


def test_a_target_says_value_bound_aim_and_outcome() -> None:
    assert KEPT.sentence() == "met: Figway x nginx 1.4 (must be <= 2.5; aim 1.5 reached)"
    assert BROKEN.sentence() == "MISSED: growth 40 MiB (must be <= 32 MiB)"


def test_missed_targets_are_listed_with_their_row() -> None:
    assert missed(REPORT.rows) == ("cost: MISSED: growth 40 MiB (must be <= 32 MiB)",)


def test_the_terminal_gets_aligned_columns() -> None:
    lines = as_text(REPORT).splitlines()

    assert "  proxy        CPU" in lines
    assert "  figway   27.0 µs" in lines


def test_markdown_holds_the_table_its_date_and_the_command() -> None:
    text = as_markdown(REPORT)

    assert "| figway | 27.0 µs |" in text
    assert "Measured on 2026-11-22 13:05 with `python -m bench --quick` on 2 cores" in text
    assert "- MISSED: growth 40 MiB" in text


def test_json_holds_every_figure_and_whether_each_target_was_met() -> None:
    document = json.loads(as_json(REPORT))

    (row,) = document["rows"]
    assert [target["met"] for target in row["targets"]] == [True, False]
    assert row["figures"] == {"figway": {"cpu_microseconds": [27.0]}}
    assert document["machine"]["cores"] == 2


def test_results_are_written_by_date_and_as_the_latest(tmp_path: Path) -> None:
    file = write_results(REPORT, tmp_path / "results")

    assert file.name == "2026-11-22T1305.json"
    assert (tmp_path / "results" / "latest.json").read_text() == file.read_text()
    assert (tmp_path / "results" / "latest.md").read_text() == as_markdown(REPORT)


def test_only_the_block_of_the_readme_changes() -> None:
    before = "# Figway\n<!-- bench -->\nold\n<!-- /bench -->\nThe end.\n"

    once = replace_block(before, "new\n")

    assert once == "# Figway\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\nThe end.\n"
    assert replace_block(once, "new\n") == once


@pytest.mark.parametrize(
    "readme",
    [
        pytest.param("# Figway\n", id="no markers"),
        pytest.param("<!-- bench -->\n", id="no end"),
        pytest.param("<!-- /bench -->\n<!-- bench -->\n", id="wrong order"),
        pytest.param("<!-- bench --><!-- /bench --><!-- bench -->", id="twice"),
    ],
)
def test_a_readme_without_a_clear_block_is_refused(readme: str) -> None:
    with pytest.raises(HarnessError, match="<!-- bench -->"):
        replace_block(readme, "new")
