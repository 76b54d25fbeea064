"""The pytest plugin: route tests and cases are items like any others, and nobody else notices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.proxy.conformance.two_sides import ROUTES, by_target, json_answer
from tests.rigs.scripted_origin import ScriptedOrigin, closed_port

pytest_plugins = ["pytester"]

TESTS = (
    ROUTES
    + """\
tests:
  - name: a product stays on legacy
    request: {url: "http://shop.example/product/saw"}
    expect: {route: product, upstream: legacy}
  - name: a product is on the new side
    request: {url: "http://shop.example/product/saw"}
    expect: {side: new}
"""
)
CASES = """\
version: 1
cases:
  - name: the same saw
    request: {url: /product/saw}
  - name: another drill
    request: {url: /product/drill}
  - name: later
    skip: FIG-3
    request: {url: /product/later}
"""
SAW, DRILL = b"/product/saw", b"/product/drill"


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*words, "-p", "no:cacheprovider")


def test_each_route_test_is_an_item(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("routes.yaml").write_text(TESTS)
    result = run(pytester, "--figway-routes", "routes.yaml", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "routes.yaml::a product stays on legacy PASSED*",
            "routes.yaml::a product is on the new side FAILED*",
            "*a product is on the new side*",
            "routes.yaml:*: GET http://shop.example/product/saw",
            "side is legacy, expected new",
            "got route product, upstream legacy, reason bucket_out, path /product/saw",
        ]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("words", "passed", "failed"),
    [
        (["-k", "stays"], 1, 0),
        (["-k", "new and side"], 0, 1),
        (["-m", "figway"], 1, 1),
        (["routes.yaml::a product stays on legacy"], 1, 0),
        (["routes.yaml"], 1, 1),
    ],
)
def test_items_are_chosen_like_any_others(
    pytester: pytest.Pytester, words: list[str], passed: int, failed: int
) -> None:
    pytester.path.joinpath("routes.yaml").write_text(TESTS)
    result = run(pytester, "--figway-routes", "routes.yaml", *words)
    result.assert_outcomes(
        passed=passed, failed=failed, deselected=2 - passed - failed if words[0] == "-k" else 0
    )


@pytest.mark.parametrize("folder", [".ci", "build", "sub"])
def test_a_file_is_found_where_pytest_does_not_look(pytester: pytest.Pytester, folder: str) -> None:
    """And what lies beside it there stays unseen, or is not seen twice."""
    (pytester.path / folder).mkdir()
    (pytester.path / folder / "routes.yaml").write_text(TESTS)
    (pytester.path / folder / "test_beside.py").write_text("def test_beside(): pass")
    result = run(pytester, "--figway-routes", f"{folder}/routes.yaml", "-v")
    result.assert_outcomes(passed=2 if folder == "sub" else 1, failed=1)
    result.stdout.fnmatch_lines([f"{folder}/routes.yaml::a product stays on legacy PASSED*"])


def test_a_file_outside_is_found(pytester: pytest.Pytester, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yaml").write_text(TESTS)
    pytester.makepyfile("def test_mine(): pass")
    result = run(pytester, "--figway-routes", str(tmp_path / "elsewhere.yaml"))
    result.assert_outcomes(passed=2, failed=1)


def test_other_tests_run_beside_them(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("routes.yaml").write_text(TESTS)
    pytester.makepyfile("def test_mine(): pass")
    run(pytester, "--figway-routes", "routes.yaml").assert_outcomes(passed=2, failed=1)
    run(pytester, "--figway-routes", "routes.yaml", "-m", "not figway").assert_outcomes(
        passed=1, deselected=2
    )


def test_each_case_is_an_item(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("cases.yaml").write_text(CASES)
    with (
        ScriptedOrigin(by_target({SAW: json_answer(1), DRILL: json_answer({"a": 1})})) as legacy,
        ScriptedOrigin(by_target({SAW: json_answer(1), DRILL: json_answer({"a": 2})})) as new,
    ):
        result = run(
            pytester,
            *("--figway-cases", "cases.yaml", "--figway-legacy", legacy.url),
            *("--figway-new", new.url, "--junitxml", "out.xml", "-rs"),
        )
        urls = legacy.url, new.url
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*another drill*",
            "cases.yaml:5: GET /product/drill",
            "legacy answered 200 in * ms; new answered 200 in * ms",
            "*$.a*",
            "*1 *2",
            f"curl * --path-as-is {urls[0]}/product/drill  # legacy",
            f"curl * --path-as-is {urls[1]}/product/drill  # new",
            "SKIPPED*cases.yaml: FIG-3",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    cases = ElementTree.parse(pytester.path / "out.xml").getroot().iter("testcase")
    found = {case.get("name"): [child.tag for child in case] for case in cases}
    assert found == {"the same saw": [], "another drill": ["failure"], "later": ["skipped"]}


def test_cases_are_compared_by_the_rules_of_the_routes(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("routes.yaml").write_text(ROUTES)
    pytester.path.joinpath("cases.yaml").write_text(CASES)
    at = [json_answer({"at": f"2026-11-22T10:00:0{second}Z"}) for second in (1, 4)]
    with (
        ScriptedOrigin(by_target({SAW: at[0]})) as legacy,
        ScriptedOrigin(by_target({SAW: at[1]})) as new,
    ):
        words = ["--figway-cases", "cases.yaml", "-k", "saw", "--figway-legacy", legacy.url]
        bare = run(pytester, *words, "--figway-new", new.url)
        ruled = run(pytester, *words, "--figway-new", new.url, "--figway-routes", "routes.yaml")
    bare.assert_outcomes(failed=1, deselected=2)
    ruled.assert_outcomes(passed=1, deselected=2)


def test_a_side_that_cannot_be_reached_is_said_without_a_traceback(
    pytester: pytest.Pytester,
) -> None:
    pytester.path.joinpath("cases.yaml").write_text(CASES)
    url = f"http://127.0.0.1:{closed_port()}"
    words = ("--figway-cases", "cases.yaml", "--figway-legacy", url, "--figway-new", url)
    result = run(pytester, *words, "-k", "saw")
    result.assert_outcomes(failed=1, deselected=2)
    mend = "start it, or name another with --figway-legacy URL or --figway-routes FILE"
    result.stdout.fnmatch_lines([f"cannot connect to the legacy side at {url} (*): {mend}"])
    assert "Traceback" not in result.stdout.str()


def test_what_is_not_sent_says_which_option_of_pytest_sends_it(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("cases.yaml").write_text(
        "version: 1\ncases: [{name: a, request: {method: POST, url: /saw?b--new}}]\n"
    )
    with ScriptedOrigin() as origin:
        words = ("--figway-legacy", origin.url, "--figway-new", origin.url, "-rs")
        result = run(pytester, "--figway-cases", "cases.yaml", *words)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["*POST /saw[?]b--new may change something: --figway-allow-writes sends it"]
    )


def test_a_value_that_is_not_set_fails_its_case_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIGWAY_TEST_VALUE", raising=False)
    pytester.path.joinpath("cases.yaml").write_text(
        CASES.replace("/product/drill", '"/product/${FIGWAY_TEST_VALUE}"')
    )
    with ScriptedOrigin(by_target({SAW: json_answer(1)})) as origin:
        words = ("--figway-legacy", origin.url, "--figway-new", origin.url)
        result = run(pytester, "--figway-cases", "cases.yaml", *words)
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*set the environment variable FIGWAY_TEST_VALUE*"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figway-routes", "none.yaml"], "figway: there is no file *none.yaml"),
        (["--figway-cases", "broken.yaml"], "broken.yaml:1: version: must be 1*"),
        (["--figway-cases", "cases.yaml"], "--figway-new URL is needed*"),
    ],
)
def test_what_is_wrong_with_a_file_or_an_option_is_said(
    pytester: pytest.Pytester, words: list[str], message: str
) -> None:
    pytester.path.joinpath("broken.yaml").write_text("version: 7\ncases: [{name: a}]\n")
    pytester.path.joinpath("cases.yaml").write_text(CASES)
    result = run(pytester, *words)
    assert result.ret != pytest.ExitCode.OK
    (result.stderr if "none.yaml" in words else result.stdout).fnmatch_lines([f"*{message}"])
    assert "Traceback" not in result.stdout.str()
    if "none.yaml" not in words:
        # Once, also where pytest has come upon the file by itself.
        result.assert_outcomes(errors=1)


def test_a_file_beside_the_test_that_is_chosen_runs_too(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("routes.yaml").write_text(TESTS)
    pytester.makepyfile(test_chosen="def test_mine(): pass", test_other="def test_not(): pass")
    result = run(pytester, "test_chosen.py", "--figway-routes", "routes.yaml", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["test_chosen.py::test_mine PASSED*"])


def test_a_yaml_file_that_no_option_names_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("routes.yaml").write_text("not: a table")
    pytester.makepyfile("def test_mine(): pass")
    run(pytester).assert_outcomes(passed=1)


def test_who_asks_for_nothing_loads_nothing_of_figway(tmp_path: Path) -> None:
    """Also where the project under test has a package `proxy` of its own."""
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "test_mine.py").write_text(
        "import json, sys\n"
        "import proxy\n"
        "def test_mine():\n"
        "    assert proxy.MINE\n"
        "    print('\\nLOADED' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    loaded = set(json.loads(line.removeprefix("LOADED")))
    assert "figway_pytest" in loaded
    assert not loaded & {"pydantic", "yaml", "aiohttp", "uvloop", "proxy.config", "flags"}


def test_a_package_of_the_same_name_in_the_way_is_named(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.path.joinpath("routes.yaml").write_text(TESTS)
    monkeypatch.setitem(sys.modules, "proxy.conformance.case_file", None)
    result = run(pytester, "--figway-routes", "routes.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*does a folder `proxy` of this project stand before it*"])
