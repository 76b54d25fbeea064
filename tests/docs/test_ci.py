"""docs/ci.md shows cases that load, commands that there are, and a workflow that can be read."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
import yaml

from proxy.cli.main import COMMANDS, parser
from proxy.conformance.case_file import load_cases, parse_cases
from proxy.conformance.schema import cases_schema

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text()
CASES, WORKFLOW = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMAND = re.compile(r"figway (?:check|test|diff|conform|compare|shadow|schema)\b[^`\n|]*")
PLUGIN = (ROOT / "figway_pytest.py").read_text()


def commands() -> list[str]:
    """Every command of the page, without what the shell does with its output."""
    blocks = PAGE.replace("\n          --", " --").split("```")[1::2]
    lines = [line for block in blocks for line in block.splitlines()]
    found = [m[0] for line in lines for m in COMMAND.finditer(line.partition("#")[0])]
    return [re.split(r"\s*>", line)[0].strip() for line in found]


def test_the_example_of_cases_loads() -> None:
    file = parse_cases(CASES.encode(), "docs/ci.md")
    assert len(file.cases) == 5
    assert any(len(case.steps) > 1 for case in file.cases)


def test_the_cases_of_the_shop_load() -> None:
    assert len(load_cases(ROOT / "cases.yaml").cases) >= 10


def test_every_key_of_a_case_is_told() -> None:
    definitions = cases_schema()["definitions"]
    for name in ("ConformanceCase", "CaseRequest", "Answer", "Step", "Capture"):
        for key in definitions[name]["properties"]:
            if key != "name":
                assert f"`{key}`" in PAGE, f"{name}.{key}"


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    known = {name for name, _, _ in COMMANDS}
    assert words[0] in known
    args = parser(words[0]).parse_args(words)
    assert isinstance(args, argparse.Namespace)


def test_there_are_commands_to_be_looked_at() -> None:
    assert len(commands()) >= 8


def test_every_option_of_the_plugin_is_told_and_no_other() -> None:
    assert set(re.findall(r"--figway-[a-z-]+", PAGE)) == set(
        re.findall(r'"(--figway-[a-z-]+)"', PLUGIN)
    )


def test_the_workflow_is_one() -> None:
    # To YAML 1.1 the key `on` is a boolean.
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    assert set(jobs) == {"conform", "evidence"}
    for job in jobs.values():
        assert all("run" in step or "uses" in step for step in job["steps"])
