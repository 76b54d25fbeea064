"""figway explain without a running figway: the files alone speak, and it says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.main import main
from tests.proxy.replay.two_versions import MONOLITH, PRODUCT, UPSTREAMS

ASK = ("explain", "GET", "http://shop.example/product/saw", "--config", "routes.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    text = f"{UPSTREAMS}routes:\n  - {{{PRODUCT}canary, group: purchase}}\n{MONOLITH}"
    (tmp_path / "routes.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(
            "groups:\n  purchase: {percent: 100}\n",
            ["reason bucket_in", "flags.yaml:2"],
            id="a percentage",
        ),
        pytest.param(
            "groups:\n  purchase: {rollback: true}\n",
            ["reason rollback_group", "flags.yaml:2"],
            id="a rollback of the group",
        ),
        pytest.param("rollback: true\n", ["reason rollback_all", "flags.yaml"], id="of everything"),
    ],
)
def test_it_names_the_line_that_decided(
    folder: Path, flags: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flags.yaml").write_text(flags)
    assert main([*ASK, "--flags", "flags.yaml"]) == 0
    out = capsys.readouterr().out
    for words in said:
        assert words in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param([], "from nowhere: no flags were read, --flags names a file", id="no file"),
        pytest.param(
            ["--flags", "flags.yaml"], "from nowhere: flags.yaml does not speak of it", id="a file"
        ),
    ],
)
def test_it_says_why_there_is_no_flag(
    folder: Path, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flags.yaml").write_text("rollback: false\n")
    assert main([*ASK, *flags]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param("groups: [purchase]\n", "flags.yaml:1", id="a mistake"),
        pytest.param(None, "flags.yaml: cannot be read: No such file", id="no file"),
    ],
)
def test_flags_that_cannot_be_used_are_named(
    folder: Path, flags: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if flags is not None:
        (folder / "flags.yaml").write_text(flags)
    assert main([*ASK, "--flags", "flags.yaml"]) == 2
    assert message in capsys.readouterr().err
