"""figway check, test and schema, as a person or a pipeline runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from proxy.cli.main import main
from proxy.config.lint import RULES
from proxy.config.schema import schema_text
from tests.proxy.config.lint.shop import shop

CLEAN = shop("id: a, match: {path: {prefix: /a}}, new: catalog")
NOTE = shop("id: a, match: {path: {exact: /a}}, new: catalog")
WARNING = shop("id: a, match: {path: {prefix: /a}}, new: catalog, stage: shadow")
ERROR = shop("id: a, match: {path: {prefix: /a}}, new: catlog")
TESTED = CLEAN + b"tests:\n  - {name: %s, request: {url: /a}, expect: {route: %s}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def figway(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("text", "code", "last"),
    [
        pytest.param(CLEAN, 0, "routes.yaml: nothing wrong", id="clean"),
        pytest.param(NOTE, 0, "routes.yaml: nothing wrong, 1 note", id="note"),
        pytest.param(WARNING, 1, "routes.yaml: 1 warning", id="warning"),
        pytest.param(ERROR, 1, "routes.yaml: 1 error", id="error"),
        pytest.param(b"", 1, "routes.yaml: 1 error", id="empty"),
    ],
)
def test_check_fails_for_errors_and_warnings(
    folder: Path, capsys: pytest.CaptureFixture[str], text: bytes, code: int, last: str
) -> None:
    (folder / "routes.yaml").write_bytes(text)
    got, out, _ = figway(capsys, "check")
    assert (got, out.splitlines()[-1]) == (code, last)


def test_a_finding_is_one_line_with_file_line_severity_rule_key_and_mend(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.yaml").write_bytes(WARNING)
    _, out, _ = figway(capsys, "check", "r.yaml")
    assert out.splitlines()[0] == (
        "r.yaml:7: warning STAGE003: routes[0].stage: route a is in stage shadow and copies "
        "nothing (set shadow.sample)"
    )


def test_a_file_that_cannot_be_read_is_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = figway(capsys, "check", "none.yaml")
    assert (code, out) == (2, "")
    assert "none.yaml: cannot be read: No such file or directory" in err


def test_a_live_file_that_cannot_be_used_is_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "routes.yaml").write_bytes(CLEAN)
    (folder / "live.yaml").write_bytes(ERROR)
    code, _, err = figway(capsys, "check", "--against", "live.yaml")
    assert code == 2
    assert 'live.yaml:7: routes[0].new: there is no upstream "catlog"' in err


def test_check_against_the_live_file_judges_the_change(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "live.yaml").write_bytes(CLEAN)
    (folder / "routes.yaml").write_bytes(
        shop("id: a, match: {path: {prefix: /a}}, new: catalog, stage: live")
    )
    code, out, _ = figway(capsys, "check", "--against", "live.yaml")
    assert code == 1
    assert "routes.yaml:7: error STAGE001: routes[0].stage: route a goes from legacy to live" in out


@pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
def test_json_has_the_findings_and_their_counts(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (folder / "routes.yaml").write_bytes(ERROR)
    code, out, _ = figway(capsys, "check", *words)
    said = json.loads(out)
    assert code == 1
    assert (said["errors"], said["warnings"], said["notes"]) == (1, 0, 0)
    assert said["findings"] == [
        {
            "file": "routes.yaml",
            "line": 7,
            "column": said["findings"][0]["column"],
            "rule": "LOAD004",
            "severity": "error",
            "key": "routes[0].new",
            "message": 'there is no upstream "catlog"; did you mean "catalog"? there is catalog, '
            "search",
            "mend": "",
        }
    ]


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _list(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "items": items}


# The part of the SARIF 2.1.0 schema that code hosts insist on.
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_TEXT = _object("text", text={"type": "string"})
_POSITION = {"type": "integer", "minimum": 1}
_PLACE = _object(
    "artifactLocation",
    artifactLocation=_object("uri", uri={"type": "string"}),
    region=_object("startLine", startLine=_POSITION, startColumn=_POSITION),
)
_RULE = _object(
    "id shortDescription",
    shortDescription=_TEXT,
    help=_TEXT,
    defaultConfiguration=_object("", level=_LEVEL),
)
_RESULT = _object(
    "ruleId ruleIndex level message locations",
    level=_LEVEL,
    message=_TEXT,
    locations=_list(_object("physicalLocation", physicalLocation=_PLACE), 1),
)
_RUN = _object(
    "tool results",
    tool=_object("driver", driver=_object("name rules", rules=_list(_RULE))),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT),
)
_SARIF = _object("$schema version runs", version={"const": "2.1.0"}, runs=_list(_RUN, 1))


def test_sarif_names_rule_file_and_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:

    (folder / "deploy").mkdir()
    (folder / "deploy" / "my routes.yaml").write_bytes(WARNING)
    code, out, _ = figway(capsys, "check", "deploy/my routes.yaml", "--format", "sarif")
    log = json.loads(out)
    assert code == 1
    jsonschema.validate(log, _SARIF)
    run = log["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    (result,) = run["results"]
    assert (
        run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "STAGE003"
    )
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "deploy/my%20routes.yaml"
    assert place["region"]["startLine"] == 7
    assert result["level"] == "warning"


def test_sarif_of_a_clean_file_has_no_results(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "routes.yaml").write_bytes(CLEAN)
    code, out, _ = figway(capsys, "check", "--format", "sarif")
    assert (code, json.loads(out)["runs"][0]["results"]) == (0, [])


def test_schema_prints_what_editors_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert figway(capsys, "schema") == (0, schema_text(), "")


def test_test_passes_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "routes.yaml").write_bytes(TESTED % (b"fine", b"a"))
    code, out, _ = figway(capsys, "test")
    assert (code, out.splitlines()) == (0, ["ok      fine", "1 test passed"])


def test_test_names_what_failed_and_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "routes.yaml").write_bytes(TESTED % (b"wrong", b"used"))
    code, out, _ = figway(capsys, "test")
    assert code == 1
    assert out.splitlines() == [
        "FAILED  wrong",
        "        routes.yaml:13: route is a, expected used",
        "        got route a, upstream legacy, reason stage_legacy, path /a",
        "1 of 1 test failed",
    ]


def test_test_writes_junit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "routes.yaml").write_bytes(TESTED % (b'"a < b & \\"c\\""', b"used"))
    code, _, _ = figway(capsys, "test", "--junit", "out.xml")
    root = ElementTree.parse(folder / "out.xml").getroot()
    assert code == 1
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    (case,) = root.iter("testcase")
    assert (case.get("name"), case.get("line")) == ('a < b & "c"', "13")
    (failure,) = case
    assert failure.get("message") == "route is a, expected used"


def test_test_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "routes.yaml").write_bytes(TESTED % (b"fine", b"a"))
    code, out, _ = figway(capsys, "test", "--json")
    said = json.loads(out)
    assert (code, said["passed"], said["failed"]) == (0, 1, 0)
    assert said["tests"][0]["reason"] == "stage_legacy"


@pytest.mark.parametrize("text", [ERROR, b"", None])
def test_test_of_a_file_that_cannot_be_used_is_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], text: bytes | None
) -> None:
    if text is not None:
        (folder / "routes.yaml").write_bytes(text)
    code, out, err = figway(capsys, "test")
    assert (code, out) == (2, "")
    assert "routes.yaml" in err


def test_a_junit_file_that_cannot_be_written_is_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "routes.yaml").write_bytes(CLEAN)
    code, _, err = figway(capsys, "test", "--junit", "no/such/folder.xml")
    assert code == 2
    assert "no/such/folder.xml: cannot be written" in err
