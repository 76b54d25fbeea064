"""cases.yaml is read strictly: what is right becomes values, what is wrong is told by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy.compare_policy import Op, Profile
from proxy.conformance.case import CaptureFrom
from proxy.conformance.case_file import load_cases, parse_cases, unset_values
from proxy.conformance.schema import cases_schema, cases_schema_text
from proxy.errors import ConfigError
from proxy.routing.route import ValueKind
from proxy.stages import Side

ROOT = Path(__file__).parents[3]

GOOD = """\
version: 1
host: shop.example
headers: {Accept-Language: de, X-Employee: "${EMPLOYEE}"}
timeout: 3s
compare:
  profile: php
  rules:
    - {path: $.now, op: datetime, tolerance: 2s}
cases:
  - name: the red drill
    request: {url: /product/red-drill}
    expect:
      status: 200
      headers: {Content-Type: {regex: "text/html.*"}, Via: {present: false}, ETag: {present: true}}
      json_path: {"$.items[0].price": 12.5, $.note: null}
      contains: [drill]
      lacks: [Warning]
    rules:
      - {path: $.notes, op: expected, reason: FIG-1, expires: "2026-12-01"}
  - name: a visitor logs in
    skip: not yet
    steps:
      - request: {url: "https://shop.example:8443/login?x=1"}
        capture: {csrf: {regex: 'value="([0-9a-f]+)"'}, first: {json_path: $.a}}
        only: legacy
      - request: {method: POST, url: /login, form: {user: a, age: 36, staff: true, csrf: "${csrf}"}}
        expect: {status: [302, 303]}
      - request: {method: PUT, url: /cart, body: {lines: [1, 2]}}
      - request: {method: POST, url: /raw, body: "text ${csrf}"}
      - request: {method: POST, url: /bytes, body_base64: AAEC}
"""


def test_a_file_becomes_values() -> None:
    file = parse_cases(GOOD.encode(), "cases.yaml")
    assert file.host == "shop.example"
    assert file.headers == (("accept-language", "de"), ("x-employee", "${EMPLOYEE}"))
    assert file.timeout == 3.0
    assert file.compare is not None
    assert file.compare.profile is Profile.PHP
    assert file.compare.rules[0].line == 8
    drill, visitor = file.cases
    assert (drill.name, drill.line, drill.skip) == ("the red drill", 10, "")
    (step,) = drill.steps
    assert step.expect.status == (200,)
    assert [(match.name, match.kind) for match in step.expect.headers] == [
        ("content-type", ValueKind.REGEX),
        ("etag", ValueKind.PRESENT),
    ]
    assert step.expect.no_headers == ("via",)
    assert step.expect.json_paths == (("$.items[0].price", 12.5), ("$.note", None))
    assert drill.rules[0].op is Op.EXPECTED
    assert drill.rules[0].line == 19
    assert visitor.skip == "not yet"
    login, post, put, raw, binary = visitor.steps
    assert login.only is Side.LEGACY
    assert [(c.name, c.source, c.where) for c in login.captures] == [
        ("csrf", CaptureFrom.REGEX, 'value="([0-9a-f]+)"'),
        ("first", CaptureFrom.JSON_PATH, "$.a"),
    ]
    assert post.expect.status == (302, 303)
    assert post.request.form == (
        *(("user", "a"), ("age", "36"), ("staff", "on"), ("csrf", "${csrf}")),
    )
    assert put.request.document == {"lines": [1, 2]}
    assert raw.request.body == "text ${csrf}"
    assert binary.request.content == b"\x00\x01\x02"


def wrong(body: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_cases(body.encode(), "cases.yaml")
    return [str(problem) for problem in caught.value.problems]


def case(lines: str) -> str:
    return f"version: 1\ncases:\n  - name: one\n{lines}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "version: 2\ncases: [{name: a, request: {url: /}}]\n",
            "1: version: must be 1",
            id="version",
        ),
        pytest.param("version: 1\n", "1: cases: is required", id="no cases key"),
        pytest.param("version: 1\ncases: []\n", "2: cases: must not be empty", id="no case"),
        pytest.param("", "1: the file is empty: it needs at least version and cases", id="empty"),
        pytest.param(
            case("    request: {url: /a}\n    reqest: {}\n"),
            '5: cases[0].reqest: unknown key; did you mean "request"?',
            id="typo",
        ),
        pytest.param(
            case("    skip: later\n"),
            "3: cases[0]: must have exactly one of request or steps, has none of them",
            id="nothing to ask",
        ),
        pytest.param(
            case("    request: {url: /a}\n    steps: [{request: {url: /b}}]\n"),
            "has request and steps",
            id="both",
        ),
        pytest.param(
            case("    request: {url: a}\n"),
            "4: cases[0].request.url: must be a path, or http(s)://host/path",
            id="relative",
        ),
        pytest.param(case("    request: {url: /a b}\n"), "must be percent-encoded", id="space"),
        pytest.param(
            case("    request: {url: /straße}\n"), "must be percent-encoded", id="not ascii"
        ),
        pytest.param(
            case("    request: {url: '/a#b'}\n"), "must not hold a fragment", id="fragment"
        ),
        pytest.param(
            case("    request: {url: 'http://u:p@h/'}\n"),
            "must not hold a user or password",
            id="password",
        ),
        pytest.param(
            case("    request: {url: 'ftp://h/'}\n"),
            "must be a path, or http(s)://host/path",
            id="scheme",
        ),
        pytest.param(case("    request: {method: get, url: /}\n"), "write GET", id="method"),
        pytest.param(
            case("    request: {url: /, headers: {A b: c}}\n"),
            "must be a name without spaces",
            id="header name",
        ),
        pytest.param(
            case("    request: {url: /, headers: {A: 1}}\n"),
            "must be text, got 1",
            id="header number",
        ),
        pytest.param(
            case("    request: {url: /, headers: {Accept: a, accept: b}}\n"),
            "one header",
            id="header twice",
        ),
        pytest.param(
            case("    request: {url: /, headers: {Content-Length: '3'}}\n"),
            "4: cases[0].request.headers.content-length: frames the message",
            id="framing",
        ),
        pytest.param(
            "version: 1\nheaders: {Connection: close}\ncases: [{name: a, request: {url: /}}]\n",
            "headers.connection: frames the message",
            id="framing for all",
        ),
        pytest.param(
            case("    request: {url: /, body: a, form: {b: c}}\n"),
            "must have at most one of body, form, body_base64",
            id="two bodies",
        ),
        pytest.param(
            case("    request: {url: /, body: 7}\n"),
            "must be text, or a mapping or list to be sent as JSON, got 7",
            id="number as body",
        ),
        pytest.param(
            case("    request: {url: /, body_base64: '%%'}\n"), "must be base64", id="base64"
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {}\n"),
            "must expect something",
            id="empty expect",
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {status: 99}\n"),
            "must be a status such as 200",
            id="status",
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {status: '200'}\n"),
            'got "200"',
            id="status in quotes",
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {json_path: {'$.a[*]': 1}}\n"),
            "stands for many places",
            id="many places",
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {json_path: {a: 1}}\n"),
            "begins with $",
            id="no path",
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {headers: {etag: {}}}\n"),
            "exactly one of regex or present",
            id="empty header expectation",
        ),
        pytest.param(
            case("    request: {url: /}\n    expect: {headers: {etag: {regex: '('}}}\n"),
            "regex",
            id="regex",
        ),
        pytest.param(
            case("    request: {url: /}\n    rules: [{path: $.a, op: ignore}]\n"),
            "op ignore needs reason and expires",
            id="rule without reason",
        ),
        pytest.param(
            case("    request: {url: /}\n    rules: [{path: 'a b', op: unordered}]\n"),
            "5: cases[0].rules[0]: 'a b' is no path",
            id="rule path",
        ),
        pytest.param(
            case("    steps: [{request: {url: /}, only: legacy}]\n"),
            "4: cases[0].steps: compares nothing",
            id="all alone",
        ),
        pytest.param(
            case("    steps: [{request: {url: /}, only: old}]\n"),
            "must be one of legacy or new",
            id="side",
        ),
        pytest.param(
            case("    steps: [{request: {url: /}, capture: {1a: {header: x}}}]\n"),
            "not begin with a digit",
            id="variable",
        ),
        pytest.param(
            case("    steps: [{request: {url: /}, capture: {a: {header: x, cookie: y}}}]\n"),
            "has header and cookie",
            id="two captures",
        ),
        pytest.param(
            case("    steps: [{request: {url: /}}]\n    expect: {status: 200}\n"),
            "expect goes into a step",
            id="expect beside steps",
        ),
        pytest.param(
            case("    request: {url: /}\n  - name: one\n    request: {url: /}\n"),
            "5: cases[1].name: is the name of the case in line 3 too",
            id="name twice",
        ),
        pytest.param(case("    request: {url: /}\n    skip: yes\n"), "YAML 1.1", id="yaml word"),
        pytest.param(case("    request: &a {url: /}\n"), "anchor", id="anchor"),
        pytest.param(case("    request:\n"), "4: cases[0].request: has no value", id="nothing"),
    ],
)
def test_what_is_wrong_is_told_by_line(text: str, message: str) -> None:
    problems = wrong(text)
    assert any(message in problem for problem in problems), problems
    assert all(problem.startswith("cases.yaml:") for problem in problems)


def test_all_problems_are_told_together() -> None:
    text = case("    request: {url: a, method: get}\n    skipp: x\n") + "hosts: a\n"
    assert len(wrong(text)) == 4


def test_a_value_that_nothing_gives_is_told_before_anything_is_sent() -> None:
    text = """\
version: 1
headers: {X: "${A}"}
cases:
  - name: one
    request: {url: "/?t=${B}", headers: {z: "${C} $${D}"}, body: {e: ["${E}"]}}
  - name: two
    skip: later
    request: {url: "/${F}"}
  - name: three
    steps:
      - request: {url: /}
        capture: {g: {header: g}}
      - request: {url: "/${g}/${h}"}
"""
    file = parse_cases(text.encode(), "cases.yaml")
    problems = unset_values(file, {"A": "1", "C": "2"})
    assert [(p.line, p.message.split()[0]) for p in problems] == [
        *((4, "${B}"), (4, "${E}"), (13, "${h}")),
    ]
    assert "environment variable B" in problems[0].message
    assert not unset_values(file, {"A": "1", "B": "2", "C": "3", "E": "4", "h": "5"})


def test_the_written_schema_is_current() -> None:
    written = (ROOT / "cases.schema.json").read_text()
    assert written == cases_schema_text(), "run: figway schema --cases > cases.schema.json"


def test_the_schema_takes_what_the_loader_takes() -> None:
    schema = cases_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(GOOD))


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 1, "cases": []},
        {"version": 1, "cases": [{"name": "a", "requst": {}}]},
        {"version": 1, "cases": [{"name": "a", "request": {"url": "/", "verb": "GET"}}]},
        {"version": 1, "cases": [{"name": "a", "request": {"url": "/"}, "expect": {}}]},
        {"version": 1, "cases": [{"name": "a", "request": {"url": "/", "body": 7}}]},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(broken: Any) -> None:
    assert list(jsonschema.Draft7Validator(cases_schema()).iter_errors(broken))
    with pytest.raises(ConfigError):
        parse_cases(json.dumps(broken).encode(), "cases.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_cases(tmp_path / "none.yaml")
