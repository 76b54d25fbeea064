"""`.ci/install-system` on machines that are not this one: a PATH with stand-ins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rigs.child import ROOT

NEEDED = ("dirname", "bash", "env", "tr", "sort", "mktemp", "cat", "rm", "sh")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH of one folder with nothing but the shell's usual tools. Nobody is root there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        tool = shutil.which(name)
        assert tool is not None
        (folder / name).symlink_to(tool)
    stand_in(folder, "id", "echo 1000")
    return folder


def stand_in(machine: Path, name: str, script: str) -> None:
    tool = machine / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def install(machine: Path, job: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".ci" / "install-system", job],
        env={"PATH": str(machine), "TMPDIR": str(machine.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        (
            "apt-get",
            "sudo apt-get install --no-install-recommends php-cli php-mbstring php-sqlite3",
        ),
        ("dnf", "sudo dnf install php-cli php-mbstring php-pdo"),
        ("apk", "sudo apk add php83 php83-mbstring php83-pdo_sqlite php83-session"),
    ],
)
def test_who_may_not_install_is_told_what_to_type(
    machine: Path, manager: str, command: str
) -> None:
    stand_in(machine, manager, "echo must not be called; exit 99")
    done = install(machine, "run")
    assert done.returncode == 1
    assert "Missing: php" in done.stderr
    assert command in [line.strip() for line in done.stderr.splitlines()]
    assert "must not be called" not in done.stdout + done.stderr


def test_sudo_without_a_password_is_used(machine: Path) -> None:
    calls = machine.parent / "calls"
    stand_in(machine, "sudo", f'printf "%s\\n" "$*" >> {calls}; [ "$2" = true ] || make_php')
    stand_in(machine, "dnf", "exit 99")
    # The stand-in for an installed PHP says yes to every question.
    stand_in(
        machine,
        "make_php",
        f"echo '#!/bin/sh' > {machine}/php; {shutil.which('chmod')} 755 {machine}/php",
    )
    done = install(machine, "run")
    assert done.returncode == 0, done.stderr
    assert calls.read_text().splitlines() == [
        "-n true",
        "-n dnf install -y -q php-cli php-mbstring php-pdo",
    ]


def test_a_failed_installation_shows_why_and_what_to_type(machine: Path) -> None:
    stand_in(machine, "brew", "echo the cellar is full; exit 1")
    done = install(machine, "run")
    assert done.returncode == 1
    assert "the cellar is full" in done.stderr
    assert "brew install php" in done.stderr


def test_an_installation_that_brings_too_little_is_no_success(machine: Path) -> None:
    stand_in(machine, "brew", "exit 0")
    done = install(machine, "run")
    assert done.returncode == 1
    assert "yet this is still missing: php" in done.stderr


def test_a_machine_without_a_package_manager_is_told_so(machine: Path) -> None:
    done = install(machine, "run")
    assert done.returncode == 1
    assert "no apt-get, dnf, apk or brew was found" in done.stderr


def test_what_is_there_is_not_installed_again(machine: Path) -> None:
    stand_in(machine, "php", "exit 0")
    stand_in(machine, "apt-get", "exit 99")
    done = install(machine, "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_job_is_refused(machine: Path) -> None:
    done = install(machine, "everything")
    assert done.returncode == 2
    assert "Say python, run, fleet, run-fleet, bench or test" in done.stderr


def test_a_machine_without_python_is_told_what_to_type(machine: Path) -> None:
    stand_in(machine, "apt-get", "exit 99")
    # What Ubuntu 22.04 brings is too old.
    stand_in(machine, "python3", "exit 1")
    done = subprocess.run(
        [ROOT / ".ci" / "find-python"],
        env={"PATH": str(machine), "TMPDIR": str(machine.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "sudo apt-get install --no-install-recommends python3 python3-venv" in done.stderr
    assert "No Python >= 3.11 with venv was found" in done.stderr
    assert "PYTHON=/path/to/python3.12 make" in done.stderr


def test_a_python_that_is_named_is_taken(machine: Path) -> None:
    stand_in(machine, "python3", "exit 1")
    stand_in(machine, "mine", "exit 0")
    done = subprocess.run(
        [ROOT / ".ci" / "find-python"],
        env={"PATH": str(machine), "PYTHON": str(machine / "mine")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(machine / "mine"))
