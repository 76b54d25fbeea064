"""figway serve, before it serves: what stands in the way, and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIGWAY_CONFIG", raising=False)
    return tmp_path


def test_without_routes_it_says_how_to_name_them_and_makes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    assert "1 problem:\n" in said
    assert f"{folder}/routes.yaml: cannot be read: No such file or directory" in said
    assert "--config or FIGWAY_CONFIG names the routes; docs/routes.md has an example" in said
    assert list(folder.iterdir()) == []


def test_a_file_with_mistakes_is_told_of_without_that(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    assert "2 problems:\n" in said
    assert "names the routes" not in said
