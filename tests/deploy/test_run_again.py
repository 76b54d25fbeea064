"""`.ci/run-again` behind `make test` in a folder of its own, with a few tests of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.child import ROOT

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert False\n"
BEFORE = 'import pathlib, pytest\nBEFORE = pathlib.Path("before")\n'
# Fails, and leaves a note; passes where there is one.
FLAKY = """
def test_flaky():
    if not BEFORE.exists():
        BEFORE.touch()
        assert False
"""
SKIPS = f"{FLAKY}    pytest.skip('not now')\n"
ANOTHER_NAME = """
import os
@pytest.mark.parametrize("number", [os.getpid()])
def test_named(number): assert False
"""
# What a plugin does when the disk is full: tests behind it are never run.
INTERNAL_ERROR = """
def pytest_runtest_protocol(item):
    if "never" in item.name:
        raise OSError("no space left")
"""
ABORTS = """
import atexit, os
atexit.register(os.abort)
"""


@dataclass(frozen=True, slots=True)
class Clone:
    """A folder with the script, an environment and tests."""

    path: Path

    def run(self, *tests: str, conftest: str = "") -> subprocess.CompletedProcess[str]:
        """What `.ci/run` does: the tests, and what failed once more."""
        (self.path / "test_some.py").write_text(BEFORE + "\n".join(tests))
        (self.path / "conftest.py").write_text(conftest)
        unwanted = ("PYTEST_", "FORCE_COLOR", "PY_COLORS", "MAKE", "MFLAGS")
        return subprocess.run(
            "set -o pipefail; make test 2>&1 | tee .run/test.log || .ci/run-again",
            shell=True,
            executable="/bin/bash",
            cwd=self.path,
            env={k: v for k, v in os.environ.items() if not k.startswith(unwanted)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def log(self) -> list[str]:
        """What the end of the run is read from."""
        return (self.path / ".run" / "test.log").read_text().splitlines()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    for folder in (".ci", ".run", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run-again", tmp_path / ".ci")
    shutil.copy(ROOT / "Makefile", tmp_path)
    # What is installed before the tests is not what this is about.
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv" / ".figway-test").touch()
    for name, script in {
        ".ci/install-system": "exit 0",
        ".venv/bin/python": f'exec {sys.executable} "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "pytest.ini").touch()
    return Clone(tmp_path)


def test_a_test_that_passes_the_second_time_is_named_and_ends_nothing(clone: Clone) -> None:
    ran = clone.run(PASSES, FLAKY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    closing, flaky = clone.log[-2:]
    assert flaky == "FLAKY test_some.py::test_flaky"
    assert "= 1 passed in" in closing
    assert any("= 1 failed, 1 passed in" in line for line in clone.log)


def test_what_fails_twice_fails_the_run_and_is_named_alone(clone: Clone) -> None:
    ran = clone.run(PASSES, FLAKY, FAILS)
    assert ran.returncode == 1
    assert [line for line in ran.stdout.splitlines() if line.startswith("FAILED TWICE")] == [
        "FAILED TWICE test_some.py::test_fails"
    ]
    assert not any(line.startswith("FLAKY") for line in clone.log)


def test_many_failed_tests_are_not_run_again(clone: Clone) -> None:
    ran = clone.run(PASSES, *(FAILS.replace("fails", f"fails_{n}") for n in range(4)))
    assert ran.returncode == 1
    assert "4 tests failed, and no more than 3 are run again." in ran.stderr
    assert "FAILED test_some.py::test_fails_3" in ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        pytest.param([SKIPS], "Not every one", id="skipped"),
        pytest.param([ANOTHER_NAME], "did not come to its end (pytest's exit code: 4)", id="gone"),
    ],
)
def test_who_was_not_run_again_did_not_pass(clone: Clone, tests: list[str], said: str) -> None:
    ran = clone.run(PASSES, *tests)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert not any(line.startswith("FLAKY") for line in clone.log)


@pytest.mark.parametrize(
    ("tests", "conftest", "code"),
    [
        pytest.param([PASSES, "def broken(:"], "", "2", id="a file that cannot be read"),
        pytest.param([FLAKY, "def test_z(): raise KeyboardInterrupt"], "", "2", id="interrupted"),
        pytest.param([FLAKY, "def test_z():\n  import os; os._exit(3)"], "", "3", id="killed"),
        pytest.param([FLAKY, "def test_never(): 0"], INTERNAL_ERROR, "3", id="internal error"),
        pytest.param([PASSES, FLAKY], ABORTS, "134", id="aborted behind its closing line"),
    ],
)
def test_a_run_that_did_not_come_to_its_end_is_not_run_again(
    clone: Clone, tests: list[str], conftest: str, code: str
) -> None:
    ran = clone.run(*tests, conftest=conftest)
    assert ran.returncode == 1
    assert f"did not come to its end (pytest's exit code: {code})" in ran.stderr
    assert not any(line.startswith("FLAKY") for line in clone.log)
