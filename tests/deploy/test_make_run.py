"""`make run` in a copy of this tree: what it starts, what it says, that nothing is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.child import ROOT, Child, accepts, free_ports
from tests.rigs.shop import Visitor

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".run", ".figway", "var", "__pycache__", ".*_cache", ".hypothesis", "tests"
)
VARIABLES = ("RUN_SHOP_PORT", "RUN_CATALOG_PORT", "RUN_PORT", "RUN_ADMIN_PORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """A copy of the tree that has not been run yet, with ports of its own."""

    folder: Path
    ports: tuple[int, int, int, int]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that choose the ports, and a small shop."""
        chosen = {name: str(port) for name, port in zip(VARIABLES, self.ports, strict=True)}
        return {**chosen, "RUN_PRODUCTS": "60"}

    def run(self, *command: str, **environment: str) -> Child:
        """Start a command in the copy."""
        return Child(
            command,
            log=self.folder / "output.txt",
            environment={**self.environment, **environment},
            directory=self.folder,
        )

    def processes(self) -> list[str]:
        """The command lines of every process that runs from this copy."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                place = os.readlink(process / "cwd")
            except OSError:
                continue
            if command and Path(place).is_relative_to(self.folder):
                found.append(f"{process.name}: {command}")
        return found


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    folder = tmp_path / "figway"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT, symlinks=True)
    # Making another environment would test pip. This one is the tests' own, and up to date.
    environment = folder / ".venv"
    environment.mkdir()
    for part in (ROOT / ".venv").iterdir():
        if not part.name.startswith(".figway"):
            (environment / part.name).symlink_to(part)
    (environment / ".figway").touch()
    shop, catalog, front, admin = free_ports(4)
    return Clone(folder=folder, ports=(shop, catalog, front, admin))


MAKE_RUN = ("make", "run")
RUNNER = (sys.executable, "-m", "deploy.run")


def test_make_run_opens_the_shop_and_ctrl_c_closes_it(clone: Clone) -> None:
    with clone.run(*MAKE_RUN) as run:
        text = run.wait_for_output("Ctrl-C stops all of it.", 90)
        _, _, front, admin = clone.ports
        page = re.search(rf"curl -sI http://127.0.0.1:{front}(/product/[a-z0-9-]+)", text)
        assert page is not None, text
        assert len(re.findall(r"^  \d\. ", text, re.MULTILINE)) == 5
        # With other ports, the file of the repository is not the one in use.
        assert "Its routes are in .run/routes.yaml" in text
        assert Visitor(front).get(page[1]).header("x-powered-by") is not None

        # The command as it is printed, by a shell, in the folder of the clone.
        [percent] = re.findall(r"^ +(.*figway percent .*)$", text, re.MULTILINE)
        assert f"FIGWAY_ADMIN=http://127.0.0.1:{admin} " in percent
        moved = subprocess.run(
            percent, shell=True, cwd=clone.folder, capture_output=True, text=True, check=False
        )
        assert moved.returncode == 0, moved.stderr
        assert Visitor(front).get(page[1]).header("x-served-by") == "catalog"

        # A terminal sends Ctrl-C to everybody in the foreground: make and what it runs.
        run.signal_group(signal.SIGINT)
        run.process.wait(60)
        assert "Stopping ..." in run.output()
        assert not any(accepts(port) for port in clone.ports)
        assert clone.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_runner_ends_with_0_when_it_is_told_to_stop(
    clone: Clone, number: signal.Signals
) -> None:
    with clone.run(*RUNNER) as run:
        run.wait_for_output("Ctrl-C stops all of it.", 90)
        run.process.send_signal(number)
        assert run.process.wait(60) == 0
        assert clone.processes() == []


def test_a_signal_while_it_starts_stops_it_too(clone: Clone) -> None:
    with clone.run(*RUNNER) as run:
        run.wait_for_output("Starting the shop", 60)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0
        assert "things to try" not in run.output()
        assert clone.processes() == []


def test_a_port_in_use_is_named_with_who_holds_it_and_the_mend(clone: Clone) -> None:
    with socket.create_server(("127.0.0.1", clone.ports[1])), clone.run(*RUNNER) as run:
        assert run.process.wait(60) == 1
    text = run.output()
    port = clone.ports[1]
    assert f"port {port} for the catalog service is in use by" in text
    assert f"(process {os.getpid()})" in text
    assert f"kill {os.getpid()}" in text
    assert f"RUN_CATALOG_PORT={port % 50000 + 10000} make run" in text
    assert "Starting" not in text
    assert not any(accepts(port) for port in clone.ports)


def test_every_port_in_use_is_named_at_once(clone: Clone) -> None:
    shop, _, _, admin = clone.ports
    with (
        socket.create_server(("127.0.0.1", shop)),
        socket.create_server(("127.0.0.1", admin)),
        clone.run(*RUNNER) as run,
    ):
        assert run.process.wait(60) == 1
    assert f"port {shop} for the PHP shop is in use" in run.output()
    assert f"port {admin} for Figway's admin listener is in use" in run.output()


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        pytest.param({"RUN_PORT": "eighty"}, "RUN_PORT must be a port", id="no number"),
        pytest.param({"RUN_PORT": "0"}, "RUN_PORT must be a port", id="zero"),
        pytest.param(
            {"RUN_PORT": "18099", "RUN_SHOP_PORT": "18099"},
            "RUN_SHOP_PORT and RUN_PORT are both 18099",
            id="the same twice",
        ),
        pytest.param({"RUN_PRODUCTS": "lots"}, "--products must be a whole number", id="products"),
    ],
)
def test_a_wrong_variable_is_named(
    clone: Clone, environment: dict[str, str], complaint: str
) -> None:
    with clone.run(*RUNNER, **environment) as run:
        assert run.process.wait(60) == 1
    assert complaint in run.output()
    assert clone.processes() == []


def test_one_that_dies_ends_all_and_is_named_with_its_last_words(clone: Clone) -> None:
    with clone.run(*RUNNER) as run:
        run.wait_for_output("Ctrl-C stops all of it.", 90)
        [catalog] = [p for p in clone.processes() if "new_services.catalog" in p]
        os.kill(int(catalog.partition(":")[0]), signal.SIGKILL)
        assert run.process.wait(60) == 1
    assert "the catalog service ended by signal 9" in run.output()
    assert "catalog.log:" in run.output()
    assert "took over 60 products" in run.output()
    assert clone.processes() == []


def test_one_that_cannot_start_is_named_with_its_last_words(clone: Clone) -> None:
    (clone.folder / "routes.yaml").write_text("version: 99\n")
    with clone.run(*RUNNER) as run:
        assert run.process.wait(90) == 1
    assert "Figway ended with status" in run.output()
    assert "figway.log:" in run.output()
    assert clone.processes() == []


def test_make_alone_says_what_there_is(clone: Clone) -> None:
    with clone.run("make") as run:
        assert run.process.wait(30) == 0
    for target in ("run", "run-fleet", "demo-shadow", "test", "check", "bench", "clean", "help"):
        assert f"make {target} " in run.output()


def test_an_environment_that_is_up_to_date_is_not_made_again(clone: Clone) -> None:
    with clone.run("make", "-n", "run") as run:
        assert run.process.wait(30) == 0
    assert "make-venv" not in run.output()
    (clone.folder / "pyproject.toml").touch()
    with clone.run("make", "-n", "run") as run:
        assert run.process.wait(30) == 0
    assert "make-venv" in run.output()
