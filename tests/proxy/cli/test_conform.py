"""figway conform: cases against two servers, told to people, programs and CI."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from proxy.cli.main import main
from tests.proxy.conformance.two_sides import ROUTES, by_target, http, json_answer
from tests.rigs.scripted_origin import ScriptedOrigin, closed_port

CASES = """\
version: 1
cases:
  - name: the same saw
    request: {url: /product/saw}
  - name: another drill
    request: {url: /product/drill}
    expect: {status: 200}
  - name: a cart
    request: {url: /cart}
  - name: later
    skip: FIG-3
    request: {url: /product/later}
"""


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The options for two origins that agree about the saw and not about the drill."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.yaml").write_text(CASES)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    saw, drill = b"/product/saw", b"/product/drill"
    with (
        ScriptedOrigin(by_target({saw: json_answer(1), drill: json_answer({"a": 1})})) as legacy,
        ScriptedOrigin(by_target({saw: json_answer(1), drill: json_answer({"a": "1"})})) as new,
    ):
        yield ["conform", "cases.yaml", "--legacy", legacy.url, "--new", new.url]


def test_failures_are_told_for_people(sides: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(sides) == 1
    out = capsys.readouterr().out
    assert "ok      the same saw\n" in out
    assert "FAILED  another drill\n        cases.yaml:5: GET /product/drill, route product\n" in out
    assert '          legacy | new\n          1      | "1"\n' in out
    assert f"--path-as-is {sides[3]}/product/drill  # legacy\n" in out
    assert "skipped a cart (nothing to compare: route monolith has no new side)\n" in out
    assert "skipped later (FIG-3)\n" in out
    assert "cases.yaml: 1 passed, 1 failed, 2 skipped" in out


def test_json_and_junit_tell_the_same(
    sides: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*sides, "--json", "--junit", "out.xml"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["failed"], told["error"], told["skipped"]) == (1, 1, 0, 2)
    drill = told["cases"][1]
    assert drill["line"] == 5
    (step,) = drill["steps"]
    assert step["route"] == "product"
    assert step["legacy"]["status"] == step["new"]["status"] == 200
    assert step["comparison"]["severity"] == "critical"
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("4", "1", "2")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["another drill"].find("failure")
    assert failure is not None
    assert "$.a" in (failure.get("message") or "")
    assert "curl" in (failure.text or "")
    assert cases["another drill"].get("classname") == "product"
    assert cases["the same saw"].find("failure") is None


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--only", "saw"], 0, "1 passed ("),
        (["--only", "drill", "--fail-fast"], 1, "1 failed ("),
        (["--concurrency", "4"], 1, "1 passed, 1 failed, 2 skipped"),
        (["--timeout", "30s"], 1, "1 failed"),
    ],
)
def test_options_choose_what_is_run(
    sides: list[str], words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sides, *words]) == code
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_run_in_which_nothing_was_run_proves_nothing(
    sides: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sides, "--only", "cart", *words]) == 2
    assert "no case was run, so nothing was proven: nothing to compare: route monolith" in (
        capsys.readouterr().err
    )


def test_addresses_can_come_from_routes_yaml(
    sides: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    filled = ROUTES.replace("http://127.0.0.1:1", sides[3]).replace("http://127.0.0.1:2", sides[5])
    (tmp_path / "live.yaml").write_text(filled)
    assert main(["conform", "cases.yaml", "--only", "saw", "--routes", "live.yaml"]) == 0


def test_an_unreachable_side_ends_it_with_what_was_run(
    sides: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    assert main([*sides[:4], "--new", url, "--junit", "out.xml"]) == 2
    assert f"cannot connect to the new side at {url}" in capsys.readouterr().err
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert root.get("errors") == "1"
    assert main([*sides[:4], "--new", url, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert url in told["unreachable"]


def test_a_report_that_cannot_be_written_is_said_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.yaml").write_text(CASES)
    (tmp_path / "folder.xml").mkdir()
    with ScriptedOrigin() as origin:
        words = ["conform", "cases.yaml", "--legacy", origin.url, "--new", origin.url]
        for name in ("none/x.xml", "folder.xml"):
            assert main([*words, "--junit", name]) == 2
            assert f"{name}: cannot be written" in capsys.readouterr().err
        assert not origin.conversations


def test_an_earlier_report_stays_while_nothing_was_run(sides: list[str], tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_text("<old/>")
    (tmp_path / "cases.yaml").write_text(CASES.replace("/product/saw", "/${NO_SUCH_VALUE}"))
    for name in ("old.xml", "young.xml"):
        assert main([*sides, "--junit", name]) == 2
    assert (tmp_path / "old.xml").read_text() == "<old/>"
    assert not (tmp_path / "young.xml").exists()


def test_a_report_goes_into_a_pipe_whole(sides: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        assert main([*sides, "--junit", "pipe"]) == 1
        assert ElementTree.fromstring(read.result(timeout=20)).get("tests") == "4"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conform", "none.yaml"], "none.yaml: cannot be read"),
        (["conform", "cases.yaml", "--new", "x=http://a:1"], "there is no new upstream x"),
        (["conform", "cases.yaml", "--routes", "none.yaml"], "none.yaml: cannot be read"),
        (
            ["conform", "cases.yaml", "--only", "nothing"],
            "no case of cases.yaml has that in its name",
        ),
        (["conform", "cases.yaml", "--from-log", "x"], "--from-log is for recording"),
        (
            ["conform", "cases.yaml", "--junit", "/none/x.xml", "--only", "later"],
            "/none/x.xml: cannot be written",
        ),
        (["conform", "value.yaml"], "value.yaml:3: case 'a': ${NO_SUCH_VALUE} has no value"),
        (["conform", "record"], "record needs one of --from-log FILE and --from-shadow"),
    ],
)
def test_what_cannot_be_used_is_said(
    sides: list[str],
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    value = 'version: 1\ncases:\n  - name: a\n    request: {url: "/${NO_SUCH_VALUE}"}\n'
    (tmp_path / "value.yaml").write_text(value)
    assert main(words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--concurrency", "0"], ["--timeout", "3"], ["--fail-on", "x"]])
def test_wrong_usage_is_refused(sides: list[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*sides, *words])
    assert ended.value.code == 2


def test_secrets_of_the_environment_are_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_TOKEN", "s3cr3t-value")
    (tmp_path / "cases.yaml").write_text(
        'version: 1\nheaders: {Authorization: "Bearer ${SHOP_TOKEN}"}\ncases:\n'
        '  - name: a\n    request: {url: "/a?t=${SHOP_TOKEN}"}\n'
    )
    with (
        ScriptedOrigin(by_target({b"/a?t=s3cr3t-value": http(200, "x")})) as legacy,
        ScriptedOrigin(by_target({b"/a?t=s3cr3t-value": http(404, "x")})) as new,
    ):
        words = ["conform", "cases.yaml", "--legacy", legacy.url, "--new", new.url]
        assert main([*words, "--junit", "out.xml"]) == 1
        assert main([*words, "--json"]) == 1
        assert legacy.requests[0].values(b"Authorization") == [b"Bearer s3cr3t-value"]
    captured = capsys.readouterr()
    assert "Bearer ${SHOP_TOKEN}" in captured.out
    for text in (captured.out, captured.err, (tmp_path / "out.xml").read_text()):
        assert "s3cr3t" not in text
