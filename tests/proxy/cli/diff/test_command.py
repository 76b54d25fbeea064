"""figway diff: what it prints, and what makes its exit code."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.main import main
from tests.proxy.replay.two_versions import MONOLITH, PRODUCT, UPSTREAMS, combined

LOG = "\n".join(
    [
        *(combined(f"/product/{n}?q=secret", n) for n in range(90)),
        *(combined("/cart", n) for n in range(90)),
        '192.0.2.99 - - [22/Nov/2026:10:01:30 +0000] "-" 408 0 "-" "-"',
        "PHP Warning: something",
    ]
)


def write(folder: Path, name: str, stage: str) -> str:
    (folder / name).write_text(f"{UPSTREAMS}routes:\n  - {{{PRODUCT}{stage}}}\n{MONOLITH}")
    return name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "legacy.yaml", "legacy")
    write(tmp_path, "canary.yaml", "canary, max_percent: 50")
    write(tmp_path, "live.yaml", "live")
    (tmp_path / "half.yaml").write_text("routes: {product: {percent: 50}}\n")
    (tmp_path / "back.yaml").write_text("rollback: true\n")
    (tmp_path / "access.log").write_text(LOG)
    return tmp_path


def diff(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["diff", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param("legacy.yaml legacy.yaml", 0, id="the same file"),
        pytest.param("legacy.yaml live.yaml", 1, id="another file"),
        pytest.param("legacy.yaml live.yaml --fail-on never", 0, id="another file, only told"),
        pytest.param("legacy.yaml live.yaml --access-log access.log", 1, id="requests move"),
        pytest.param("--access-log access.log legacy.yaml live.yaml", 1, id="the log first"),
        pytest.param("live.yaml --access-log access.log live.yaml", 0, id="the log between"),
        pytest.param("legacy.yaml canary.yaml --access-log access.log", 0, id="no flag, no move"),
        pytest.param(
            "legacy.yaml canary.yaml --access-log access.log --at-ceiling", 1, id="at the ceiling"
        ),
        pytest.param(
            "live.yaml legacy.yaml --access-log access.log --fail-on to-new", 0, id="to legacy only"
        ),
        pytest.param(
            "legacy.yaml live.yaml --access-log access.log --fail-on to-new", 1, id="to new"
        ),
        pytest.param(
            "legacy.yaml live.yaml --access-log access.log --fail-on overload", 1, id="new is full"
        ),
        pytest.param(
            "legacy.yaml live.yaml --access-log access.log --fail-on legacy-overload",
            0,
            id="legacy is not",
        ),
        pytest.param(
            "live.yaml live.yaml --flags-after back.yaml --access-log access.log --scale 10"
            " --fail-on legacy-overload",
            1,
            id="a rollback that legacy does not bear",
        ),
    ],
)
def test_the_exit_code_is_what_fail_on_names(
    words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, told = diff(*words.split(), capsys=capsys)
    assert found == code
    assert bool(told["fails"]) == bool(code)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("gone.yaml live.yaml", "gone.yaml: cannot be read", id="no file"),
        pytest.param("half.yaml live.yaml", "half.yaml", id="no routes.yaml"),
        pytest.param("live.yaml live.yaml --flags gone", "gone: cannot be read", id="no flags"),
        pytest.param("live.yaml live.yaml --flags live.yaml", "live.yaml:", id="not a flag file"),
        pytest.param(
            "live.yaml live.yaml --access-log gone.log", "gone.log: cannot be read", id="no log"
        ),
        pytest.param(
            "live.yaml live.yaml --access-log live.yaml",
            "no line tells of a request; live.yaml:1: neither combined format nor JSON",
            id="not a log",
        ),
        pytest.param(
            "live.yaml live.yaml --fail-on to-new", "needs --access-log", id="a log is missing"
        ),
        pytest.param(
            "live.yaml live.yaml --at-ceiling --flags half.yaml", "take one of them", id="both"
        ),
        pytest.param("live.yaml live.yaml --scale 0", "a number above 0", id="no scale"),
    ],
)
def test_what_cannot_be_used_is_named(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["diff", *words.split()])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("way", ["plain", "gz", "stdin", "gz on stdin"])
def test_logs_are_read_from_anywhere(
    way: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = gzip.compress(LOG.encode()) if way.startswith("gz") else LOG.encode()
    (folder / "x").write_bytes(content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    name = "-" if way.endswith("stdin") else "x"
    _, told = diff(
        "legacy.yaml", "canary.yaml", "--flags", "half.yaml", "--access-log", name, capsys=capsys
    )
    assert told["forecast"]["requests"] == 180
    assert told["forecast"]["changed"] == pytest.approx(45)
    assert [(bad["reason"], bad["count"]) for bad in told["bad_lines"]] == [
        ("the client sent no request that could be read", 1),
        ("neither combined format nor JSON", 1),
    ]
    assert told["bad_lines"][1]["place"] == f"{'stdin' if name == '-' else 'x'}:182"


def test_several_logs_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = diff(
        *("legacy.yaml", "live.yaml", "--access-log", "access.log", "access.log"), capsys=capsys
    )
    assert told["forecast"]["requests"] == 360
    catalog = told["forecast"]["upstreams"][1]
    assert catalog["after"]["peak"] == pytest.approx(180 / 89)
    assert catalog["overloaded"]


def test_text_tells_flows_loads_and_doubts(capsys: pytest.CaptureFixture[str]) -> None:
    words = "legacy.yaml canary.yaml --flags half.yaml --access-log access.log"
    assert main(["diff", *words.split()]) == 1
    out = capsys.readouterr().out
    assert "route product: stage legacy -> canary" in out
    assert "45 (25 %) change upstream: 45 to the new side" in out
    assert "product  45        legacy -> catalog  stage_legacy -> bucket_in  GET /product/0" in out
    assert "90 requests have no sticky key in the log: they count as shares" in out
    assert "the first is access.log:182: PHP Warning: something" in out
    assert "secret" not in out


def test_markdown_is_a_comment_that_quotes_nobody(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "evil.log").write_text(
        combined("/product/`a`|@team<img>", 1) + "\n" + combined("/product/1", 2) + "\nnope\n"
    )
    words = "legacy.yaml live.yaml --access-log evil.log --format md"
    assert main(["diff", *words.split()]) == 1
    out = capsys.readouterr().out
    assert out.startswith("### Figway: 2 (100 %) change upstream: 2 to the new side\n")
    assert "**Fails: requests change upstream.**" in out
    assert "| `GET /product/'a'%7C@team<img>` |" in out
    assert "192.0.2" not in out
    assert "nope" not in out


def test_the_same_routes_and_no_log_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "live.yaml", "live.yaml"]) == 0
    out = capsys.readouterr().out
    assert "the same routes" in out
    assert "--access-log FILE tells which requests that moves" in out


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("", id="nothing"),
        pytest.param("live.yaml --access-log access.log", id="one version"),
        pytest.param("--access-log live.yaml live.yaml", id="no log"),
    ],
)
def test_two_versions_are_needed(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *words.split()]) == 2
    assert "two versions of routes.yaml are needed" in capsys.readouterr().err
