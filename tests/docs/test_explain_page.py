"""docs/explain.md shows what the command prints, and every option that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from proxy.cli.main import main, parser

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "explain.md").read_text()


def test_the_example_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (routes,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (flags,) = re.findall(r"the flag `(routes: .*?)` it says", PAGE)
    (tmp_path / "routes.yaml").write_text(routes)
    (tmp_path / "flags.yaml").write_text(flags)
    ((command, shown),) = re.findall(r"\$ (figway explain [^\n]*)\n(.*?)```", PAGE, re.DOTALL)
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out == shown


def test_every_option_is_told() -> None:
    (explain,) = (
        action.choices["explain"]
        for action in parser("explain")._actions
        if isinstance(action.choices, dict)
    )
    everywhere = {"--help", "--admin", "--state-dir", "--header"}
    options = {name for action in explain._actions for name in action.option_strings}
    assert {name for name in options if name.startswith("--")} - everywhere == set(
        re.findall(r"--[a-z][a-z-]*", PAGE)
    )
