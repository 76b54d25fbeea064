"""`make run-fleet` in a copy of this tree: what it starts, what it survives, what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.leftovers import Leftovers
from tests.deploy.test_make_run import Clone, clone
from tests.rigs.child import ROOT, Child, accepts, free_ports
from tests.rigs.shop import Visitor

__all__ = ["clone"]

RUNNER = (sys.executable, "-m", "deploy.run_fleet")
VARIABLES = (
    *("RUN_SHOP_PORT", "RUN_CATALOG_PORT", "RUN_REDIS_PORT", "RUN_POSTGRES_PORT"),
    *("RUN_UNLEASH_PORT", "RUN_PORT_1", "RUN_PORT_2", "RUN_PORT_3"),
    *("RUN_ADMIN_PORT_1", "RUN_ADMIN_PORT_2", "RUN_ADMIN_PORT_3"),
)
# It starts eleven programs, on a machine that may have other work.
pytestmark = pytest.mark.timeout(300)
READY = "Ctrl-C stops all of it."


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetClone:
    """A copy of the tree, with the installed servers of this one, and ports of its own."""

    clone: Clone
    ports: dict[str, int]
    # Where databases are made: outside of pytest's folders, which their account cannot enter.
    databases: Path

    @property
    def folder(self) -> Path:
        return self.clone.folder / ".run" / "fleet"

    def run(self, *command: str, **environment: str) -> Child:
        """Start a command in the copy; an outage lasts a second."""
        chosen = {name: str(port) for name, port in self.ports.items()}
        usual = {"RUN_OUTAGE_SECONDS": "1", "TMPDIR": str(self.databases)}
        return self.clone.run(*command, **{**usual, **chosen, **environment})

    def typed(self, command: str) -> subprocess.CompletedProcess[str]:
        """A printed command, by a shell, in the folder of the clone."""
        return subprocess.run(
            command,
            shell=True,
            cwd=self.clone.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def nothing_is_left(self) -> bool:
        """No port, no process, no folder."""
        return (
            not any(accepts(port) for port in self.ports.values())
            and self.clone.processes() == []
            and not (self.clone.folder / ".run" / "fleet.json").exists()
            and list(self.databases.iterdir()) == []
        )


@pytest.fixture
def fleet(clone: Clone) -> Iterator[FleetClone]:
    (clone.folder / ".run").mkdir()
    (clone.folder / ".run" / "unleash").symlink_to(ROOT / ".run" / "unleash")
    (clone.folder / ".venv" / ".figway-fleet").touch()
    with TemporaryDirectory(prefix="figway-test-") as folder:
        databases = Path(folder)
        databases.chmod(0o755)
        ports = dict(zip(VARIABLES, free_ports(11), strict=True))
        yield FleetClone(clone=clone, ports=ports, databases=databases)


def pid(fleet: FleetClone, name: str) -> int:
    return int((fleet.folder / f"{name}.pid").read_text())


def test_make_run_fleet_opens_three_replicas_and_ctrl_c_closes_them(fleet: FleetClone) -> None:
    with fleet.run("make", "run-fleet") as run:
        text = run.wait_for_output(READY, 110)
        assert len(re.findall(r"^  \d\. ", text, re.MULTILINE)) == 6
        page = re.search(r"curl -sI http://127\.0\.0\.1:\$p(/product/[a-z0-9-]+)", text)
        assert page is not None
        fronts = [fleet.ports[f"RUN_PORT_{number}"] for number in (1, 2, 3)]
        for front in fronts:
            assert Visitor(front).get(page[1]).status == 200
        commands = re.findall(r"^ +(figway .*)$", text, re.MULTILINE)
        [first] = re.findall(r"^ +(\. .*/env)$", text, re.MULTILINE)
        assert len(commands) == 6
        for command in commands:
            done = fleet.typed(f"{first}; {command}")
            assert done.returncode == 0, (command, done)

        # What the shared servers know is not on a command line, which everybody can read.
        redis = (fleet.folder / "redis.conf").read_text()
        secret = re.search(r"requirepass (\S+)", redis)
        assert secret is not None
        assert not any(secret[1] in process for process in fleet.clone.processes())

        # What is killed comes back, and the rest goes on.
        before = pid(fleet, "redis")
        os.kill(before, signal.SIGKILL)
        run.wait_for_output("Redis ended; it is started again in 1 s.", 30)
        assert Visitor(fronts[2]).get("/robots.txt").status == 200
        run.wait_for_output("Redis is back.", 30)
        assert pid(fleet, "redis") != before

        second = Child(
            RUNNER,
            log=fleet.clone.folder / "second.txt",
            environment={name: str(port) for name, port in fleet.ports.items()},
            directory=fleet.clone.folder,
        )
        with second:
            assert second.process.wait(60) == 1
            assert "it runs already, as process " in second.output()

        run.signal_group(signal.SIGINT)
        run.process.wait(60)
        assert "Stopping ..." in run.output()
        assert fleet.nothing_is_left()


def test_a_killed_run_is_tidied_up_by_the_next_one(fleet: FleetClone) -> None:
    with fleet.run(*RUNNER) as run:
        run.wait_for_output("Starting three replicas", 90)
        assert accepts(fleet.ports["RUN_REDIS_PORT"])
        run.process.kill()
        run.process.wait()
    assert accepts(fleet.ports["RUN_REDIS_PORT"])
    with fleet.run(*RUNNER) as run:
        text = run.wait_for_output("Starting the shop", 60)
        left = text.partition("Ended what a killed run had left: ")[2].splitlines()[0]
        for name in ("Redis", "Unleash", "Unleash's database", "the PHP shop"):
            assert name in left.rstrip(".").split(", ")
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0
        assert fleet.nothing_is_left()


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        pytest.param(
            {"RUN_OUTAGE_SECONDS": "soon"}, "RUN_OUTAGE_SECONDS must be a number", id="no number"
        ),
        pytest.param({"RUN_REDIS_PORT": "0"}, "RUN_REDIS_PORT must be a port", id="no port"),
        pytest.param(
            {"RUN_PORT_1": "18099", "RUN_ADMIN_PORT_3": "18099"},
            "RUN_PORT_1 and RUN_ADMIN_PORT_3 are both 18099",
            id="the same twice",
        ),
    ],
)
def test_a_wrong_variable_is_named(
    fleet: FleetClone, environment: dict[str, str], complaint: str
) -> None:
    with fleet.run(*RUNNER, **environment) as run:
        assert run.process.wait(60) == 1
    assert complaint in run.output()
    assert fleet.nothing_is_left()


def test_a_port_in_use_is_named_with_the_mend(fleet: FleetClone) -> None:
    port = fleet.ports["RUN_REDIS_PORT"]
    with socket.create_server(("127.0.0.1", port)), fleet.run(*RUNNER) as run:
        assert run.process.wait(60) == 1
    assert f"port {port} for Redis is in use by" in run.output()
    assert f"RUN_REDIS_PORT={port % 50000 + 10000} make run-fleet" in run.output()
    assert fleet.nothing_is_left()


def test_without_the_unleash_server_it_says_what_to_type(fleet: FleetClone) -> None:
    (fleet.clone.folder / ".run" / "unleash").unlink()
    with fleet.run(*RUNNER) as run:
        assert run.process.wait(110) == 1
    assert "The Unleash server is missing: .ci/install-system fleet" in run.output()
    assert fleet.nothing_is_left()


# What a killed run left


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


def test_what_was_left_is_ended_and_only_that(tmp_path: Path) -> None:
    left, other = sleeper(), sleeper()
    try:
        folder = tmp_path / "made"
        folder.mkdir()
        leftovers = Leftovers(file=tmp_path / "record.json")
        leftovers.write([(left.pid, "left"), (other.pid, "other")], folder)
        # The number of one that ended long ago belongs to somebody else now.
        record = json.loads(leftovers.file.read_text())
        [entry] = [entry for entry in record["processes"] if entry["name"] == "other"]
        entry["began"] = "long ago"
        leftovers.file.write_text(json.dumps(record))
        assert leftovers.clear() == ["left"]
        assert left.wait(10) == -signal.SIGTERM
        assert other.poll() is None
        assert not folder.exists()
        assert leftovers.clear() == []
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"folder": "x"}', '{"folder": 1, "processes": []}']
)
def test_a_record_that_cannot_be_read_ends_nothing(tmp_path: Path, text: str) -> None:
    leftovers = Leftovers(file=tmp_path / "record.json")
    leftovers.file.write_text(text)
    assert leftovers.clear() == []
