"""Files that cannot be read at all, and files with many mistakes: all are reported together."""

from __future__ import annotations

import pytest

from proxy.config.parse import parse_routes
from tests.proxy.config.example import GOOD, changed, line_of
from tests.proxy.config.mistakes import problems_of


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param(b"", 1, "the file is empty", id="empty"),
        pytest.param(b"# nothing\n", 1, "the file is empty", id="comments only"),
        pytest.param(b"---\n", 1, "the file is empty", id="nothing after the marker"),
        pytest.param(b"\xef\xbb\xbf" + GOOD.encode(), 1, "byte order mark", id="BOM"),
        pytest.param(GOOD.encode("utf-16"), 1, "byte order mark", id="UTF-16"),
        pytest.param(changed("team-catalog", "team-\x00"), line_of("owner:"), "U+0000", id="NUL"),
        pytest.param(
            changed("team-catalog", "team-\u202e"), line_of("owner:"), "U+202E", id="direction"
        ),
        pytest.param(
            changed("team-catalog", "té").replace(b"\xc3\xa9", b"\xe9"),
            line_of("owner:"),
            "byte 0xe9 is not UTF-8",
            id="latin-1",
        ),
        pytest.param(
            changed("    owner", "\towner"), line_of("owner:"), "a tab in the indentation", id="tab"
        ),
        pytest.param(GOOD.encode() + b"\r x", 53, "a lone carriage return", id="old Mac"),
        pytest.param(GOOD.encode()[:440], 0, "not YAML: ", id="truncated"),
        pytest.param(
            changed("methods: [GET, HEAD]", "methods: [GET, HEAD"), 0, "not YAML: ", id="open list"
        ),
        pytest.param(b"#" * (1024 * 1024 + 1), 1, "more than 1 MiB", id="1 MiB"),
        pytest.param(b"a: " + b"[" * 40 + b"]" * 40, 1, "nested deeper than 32", id="deep"),
        pytest.param(b"a: " + b"[" * 20000, 1, "nested deeper than 32", id="very deep"),
        pytest.param(b"[" + b"a," * 500_001 + b"]", 1, "more than 500000 values", id="many"),
        pytest.param(b"%YAML 1.1\n---\nversion: 1\n", 1, "directives", id="directive"),
    ],
)
def test_text_that_cannot_be_looked_at_further_names_the_line(
    text: bytes, line: int, message: str
) -> None:
    problems = problems_of(text)
    assert message in problems[0].message or any(message in p.message for p in problems)
    if line:
        assert problems[0].line == line
    assert all(p.rule in ("YAML005", "LOAD002") for p in problems)


def test_an_alias_is_never_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    problems = problems_of("\n".join(lines).encode())
    assert sum(p.message == "the alias *a0 is not allowed: write it out" for p in problems) == 9


def test_a_root_that_is_no_mapping_is_one_problem() -> None:
    (problem,) = problems_of(b"- a\n- b\n")
    assert problem.message == "must be a mapping with at least version, upstreams and routes"


def test_what_a_file_must_have_is_listed_at_once() -> None:
    problems = problems_of(b"settings: {}\n")
    assert [(p.key, p.rule) for p in problems] == [
        ("routes", "LOAD002"),
        ("upstreams", "LOAD002"),
        ("version", "LOAD002"),
    ]


def test_all_problems_of_a_file_are_reported_together_in_order() -> None:
    text = (
        GOOD.replace("version: 1", "version: 3")
        .replace("connect: 2s", "connect: soon")
        .replace("stage: canary", "stage: canry")
        .replace("sample: 12.5%", "sample: 250%")
        .replace("always: [staff]", "always: [stuff]")
        .replace("group: purchase", "group: purchse")
        .replace("expect: {route: monolith}", "expect: {route: monolit}")
        .replace("workers: 4", "workers: none")
    )
    problems = problems_of(text.encode())
    assert [p.key for p in problems] == [
        "version",
        "upstreams.legacy.timeouts.connect",
        "routes[0].stage",
        "routes[0].cohorts.always[0]",
        "routes[0].shadow.sample",
        "routes[1].group",
        "tests[0].expect.route",
        "settings.workers",
    ]
    assert str(problems[4]) == (
        f"routes.yaml:{line_of('sample:')}: routes[0].shadow.sample: "
        "must be between 0% and 100%, got 250%"
    )


def test_a_broken_upstream_is_still_a_name_that_routes_may_use() -> None:
    problems = problems_of(changed("http://127.0.0.1:8102", "nonsense"))
    assert [p.key for p in problems] == ["upstreams.catalog.urls[1]"]


def test_a_broken_match_does_not_make_the_catch_all_missing() -> None:
    problems = problems_of(changed("match: {path: {prefix: /}}", "match: {path: {prefix: a}}"))
    assert [p.key for p in problems] == ["routes[2].match.path.prefix"]


def test_windows_line_ends_are_read_like_others() -> None:
    assert parse_routes(GOOD.replace("\n", "\r\n").encode(), "routes.yaml").routes
