"""figway compare: two files, one answer, and an exit code that scripts can use."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import yaml

from proxy.cli.main import main

HEAD = "HTTP/1.1 200 OK\nContent-Type: application/json\n\n"
ROUTES = """\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://127.0.0.1:1"]}
  new: {urls: ["http://127.0.0.1:2"]}
routes:
  - id: api
    match: {path: {prefix: /api}}
    new: new
    compare: {rules: [{path: $.n, op: number, abs: 1}]}
  - id: monolith
    match: {path: {prefix: /}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {
        "one.json": '{"n": 1, "tags": ["a", "b"]}',
        "two.json": '{"n": 2, "tags": ["b", "a"]}',
        "one.http": HEAD + '{"n": 1}',
        "two.http": HEAD.replace("200 OK", "404 No") + '{"n": 1}',
        "three.http": HEAD + '{"n": 2}',
        "cut.http": HEAD.replace("\n\n", "\nContent-Length: 99\n\n") + "{}",
        "deep.json": "[" * 5000 + "]" * 5000,
        "other.json": "[" * 5000 + "1" + "]" * 5000,
        "routes.yaml": ROUTES,
        "block.yaml": "compare:\n  rules:\n    - {path: $.n, op: number, abs: 1}\n"
        "    - {path: $.tags, op: unordered}\n",
        "bare.yaml": "rules: [{path: $.n, op: number, abs: 1}, {path: $.tags, op: unordered}]\n",
        "old.yaml": "rules: [{path: $.n, op: ignore, reason: FIG-1, expires: '2020-01-01'}]\n",
        "expected.yaml": "rules:\n"
        "  - {path: $.n, op: expected, reason: FIG-1, expires: '2099-01-01'}\n"
        "  - {path: $.tags, op: unordered}\n",
        "list.yaml": "- {path: $.n, op: number, abs: 1}\n- {path: $.tags, op: unordered}\n",
        "wrong_list.yaml": "- {path: $.n, op: number}\n- {path: $.n, op: nmber}\n",
        "empty.yaml": "",
        "wrong.yaml": "rules:\n  - {path: $.n, op: nmber}\n",
        "wrong_path.yaml": "rules:\n  - {path: a.b, op: unordered}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["one.json", "one.json"], 0, ": equal", id="equal"),
        pytest.param(["one.json", "two.json"], 1, ": different", id="different"),
        pytest.param(
            ["one.json", "two.json", "--rules", "block.yaml"], 0, ": equal by the rules", id="block"
        ),
        pytest.param(
            ["one.json", "two.json", "--rules", "bare.yaml"], 0, ": equal by the rules", id="bare"
        ),
        pytest.param(
            ["one.json", "two.json", "--rules", "list.yaml"], 0, ": equal by the rules", id="list"
        ),
        pytest.param(
            ["one.json", "two.json", "--rules", "expected.yaml"],
            *(0, "different only where a rule expects it"),
            id="expected",
        ),
        pytest.param(
            ["one.http", "three.http", "--rules", "routes.yaml", "--route", "api"],
            *(0, ": equal by the rules"),
            id="route",
        ),
        pytest.param(
            ["one.http", "three.http", "--rules", "routes.yaml", "--route", "monolith"],
            *(1, ": different"),
            id="another route",
        ),
        pytest.param(["one.http", "two.http"], 1, "status", id="status"),
        pytest.param(
            ["one.http", "one.json", "--rules", "bare.yaml"],
            *(1, "status and headers were not compared"),
            id="bare body",
        ),
        pytest.param(
            ["one.json", "two.json", "--rules", "old.yaml"],
            *(1, "the rule for $.n expired on 2020-01-01 and was not applied"),
            id="expired",
        ),
        pytest.param(["deep.json", "other.json"], 2, "cannot be compared: depth", id="too deep"),
    ],
)
def test_the_exit_code_says_what_came_of_it(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *words]) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.json", "one.json"], "none.json: cannot be read: No such file"),
        (["cut.http", "one.http"], "cut.http: is cut off: Content-Length says 99 bytes"),
        (["one.json", "two.json", "--rules", "wrong_list.yaml"], "wrong_list.yaml:2: rules[1].op"),
        (["-", "-"], "only one of the two can be stdin"),
        (["one.json", "two.json", "--rules", "none.yaml"], "none.yaml: cannot be read"),
        (
            ["one.json", "two.json", "--rules", "empty.yaml"],
            "empty.yaml:1: the file is empty: it needs a list of rules, compare: or routes:",
        ),
        (
            ["one.json", "two.json", "--rules", "wrong.yaml"],
            "wrong.yaml:2: rules[0].op: must be one of ignore",
        ),
        (
            ["one.json", "two.json", "--rules", "wrong_path.yaml"],
            "wrong_path.yaml:2: compare.rules[0].path: 'a.b' is no path",
        ),
        (["one.json", "two.json", "--route", "api"], "--route needs --rules FILE"),
        (
            ["one.json", "two.json", "--rules", "routes.yaml"],
            "has several routes: choose one with --route: api, monolith",
        ),
        (
            ["one.json", "two.json", "--rules", "routes.yaml", "--route", "monolit"],
            'there is no route "monolit"; did you mean "monolith"?',
        ),
        (
            ["one.json", "two.json", "--rules", "bare.yaml", "--route", "api"],
            "bare.yaml: has no routes: leave --route api out",
        ),
    ],
)
def test_what_cannot_be_used_is_said(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_rule_for_a_key_with_control_characters_is_one_line_of_yaml(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = 'a\nb\x01 "c" \\ \u2028'
    for name, value in (("old.json", "1"), ("young.json", "2")):
        (folder / name).write_text(json.dumps({key: value}))
    assert main(["compare", "old.json", "young.json"]) == 1
    out = capsys.readouterr().out
    assert r"major  $['a\x0ab\x01 " in out
    (rule,) = (line for line in out.splitlines() if "silenced by: " in line)
    (written,) = yaml.safe_load(rule.partition("silenced by: ")[2])
    assert written["path"] == "$['" + key.replace("\\", "\\\\") + "']"


def test_every_cause_stands_with_both_values_and_its_rule(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["compare", "one.json", "two.json"])
    lines = capsys.readouterr().out.splitlines()
    assert "  legacy     | new" in lines
    assert '  ["a", "b"] | ["b", "a"]' in lines
    assert "  silenced by: - {path: $.tags, op: unordered}" in lines


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "one.json", "two.json", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["result"] == "different"
    assert told["heads_compared"] is False
    assert {cause["paths"][0]: cause["rule"]["op"] for cause in told["causes"]} == {
        "$.n": "expected",
        "$.tags": "unordered",
    }
    assert main(["compare", "one.json", "two.json", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == told


def test_one_side_can_come_from_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped = io.TextIOWrapper(io.BytesIO((HEAD + '{"n": 1}').encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    assert main(["compare", "one.http", "-"]) == 0
    assert "one.http and -: equal" in capsys.readouterr().out


def test_the_type_of_both_can_be_given(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "a").write_bytes(b"a=1&b=2")
    (folder / "b").write_bytes(b"b=2&a=1")
    words = ["compare", "a", "b", "--json", "--type", "application/x-www-form-urlencoded"]
    main(words)
    assert json.loads(capsys.readouterr().out)["shape"].startswith("form")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param([], 1, id="host unknown"),
        pytest.param(["--host", "shop.example"], 0, id="asked with that host"),
        pytest.param(["--host", "other.example"], 1, id="asked with another"),
    ],
)
def test_the_host_that_was_asked_can_be_given(words: list[str], code: int, folder: Path) -> None:
    for name, url in (("a", "https://shop.example/cart"), ("b", "/cart")):
        (folder / f"{name}.http").write_text(f"HTTP/1.1 302 Found\nLocation: {url}\n\n")
    assert main(["compare", "a.http", "b.http", *words]) == code


def test_what_a_terminal_would_act_on_is_escaped(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.txt").write_bytes(b"plain")
    (folder / "b.txt").write_bytes(b"\x1b[2Jplain")
    assert main(["compare", "a.txt", "b.txt"]) == 1
    assert "\x1b" not in capsys.readouterr().out
