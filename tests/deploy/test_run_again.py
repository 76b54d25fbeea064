"""`.ci/run-again` behind a run of pytest in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.child import ROOT

# Fails, and leaves a note; passes where there is one.
FLAKY = """
def test_flaky():
    before = pathlib.Path("before")
    assert before.exists() or before.write_text("") is None and False
"""
PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert False\n"


@dataclass(frozen=True, slots=True)
class Clone:
    """A folder with the script, an environment and tests."""

    path: Path

    def run(self, *tests: str) -> subprocess.CompletedProcess[str]:
        """What `.ci/run` does: the tests, and what failed once more."""
        (self.path / "test_some.py").write_text("import pathlib\n" + "\n".join(tests))
        return subprocess.run(
            "set -o pipefail; .venv/bin/python -m pytest | tee .run/test.log || .ci/run-again",
            shell=True,
            executable="/bin/bash",
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def log(self) -> str:
        """What the end of the run is read from."""
        return (self.path / ".run" / "test.log").read_text()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    for folder in (".ci", ".run", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run-again", tmp_path / ".ci")
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "pytest.ini").touch()
    return Clone(tmp_path)


def test_a_test_that_passes_the_second_time_is_named_and_ends_nothing(clone: Clone) -> None:
    ran = clone.run(PASSES, FLAKY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    flaky, closing = clone.log.splitlines()[-2:]
    assert flaky == "FLAKY test_some.py::test_flaky"
    assert "1 passed" in closing
    assert "1 failed, 1 passed" in clone.log


def test_a_test_that_fails_twice_fails_the_run(clone: Clone) -> None:
    ran = clone.run(PASSES, FLAKY, FAILS)
    assert ran.returncode == 1
    assert "FAILED TWICE test_some.py::test_fails" in ran.stdout.splitlines()
    assert "FLAKY" not in clone.log


def test_many_failed_tests_are_not_run_again(clone: Clone) -> None:
    ran = clone.run(PASSES, *(FAILS.replace("fails", f"fails_{n}") for n in range(4)))
    assert ran.returncode == 1
    assert "4 tests failed, and no more than 3 are run again." in ran.stderr
    assert "FAILED test_some.py::test_fails_3" in ran.stdout.splitlines()


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param([PASSES, "def broken(:"], id="a file that cannot be read"),
        pytest.param([PASSES, FAILS, "def test_z(): raise KeyboardInterrupt"], id="interrupted"),
        pytest.param([PASSES, FAILS, "def test_z():\n  import os; os._exit(3)"], id="killed"),
        pytest.param([FAILS], id="nothing passed"),
    ],
)
def test_a_run_that_did_not_come_to_its_end_is_not_run_again(
    clone: Clone, tests: list[str]
) -> None:
    ran = clone.run(*tests)
    assert ran.returncode == 1
    assert "nothing is run again" in ran.stderr
    assert "FLAKY" not in clone.log
