"""flags.yaml: what it may say, what is refused with its line, and how one percentage changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.file_text import (
    FlagFileError,
    parse_flags,
    percent_text,
    unknown_names,
    with_percent,
)
from flags.provider import Flag, FlagState
from flags.scope import ALL, group_scope, route_scope


def parse(text: str) -> FlagState:
    return parse_flags(text.encode(), "flags.yaml")


def problems(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(FlagFileError) as caught:
        parse_flags(content, "flags.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_file() -> None:
    text = """\
rollback: false            # the one flag
groups:
  purchase: {percent: 5, rollback: true}
routes:
  product-page: {percent: 25}
  cart: {rollback: no}
  search: {}
"""
    assert parse_flags(text.encode(), "flags.yaml", revision=4) == FlagState(
        revision=4,
        rollback=False,
        groups={"purchase": Flag(basis_points=500, rollback=True, line=3)},
        routes={
            "product-page": Flag(basis_points=2500, line=5),
            "cart": Flag(rollback=False, line=6),
            "search": Flag(line=7),
        },
    )


@pytest.mark.parametrize(
    "text",
    ["routes: {}\n", "groups:\nroutes:\n", "groups: ~\nroutes: null\n", "{}\n"],
    ids=["one key", "all entries commented out", "explicit null", "nothing"],
)
def test_what_is_not_said_is_neither_zero_nor_off(text: str) -> None:
    assert parse(text) == FlagState()


@pytest.mark.parametrize(
    ("written", "basis_points"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("100", 10_000, id="all"),
        pytest.param("25", 2500, id="whole"),
        pytest.param("12.5", 1250, id="half"),
        pytest.param("0.01", 1, id="the smallest step"),
        pytest.param("99.99", 9999, id="the largest step"),
        pytest.param("0.29", 29, id="not exact in binary"),
        pytest.param("12.500", 1250, id="zeros behind"),
        pytest.param("25%", 2500, id="with a sign"),
        pytest.param('"25%"', 2500, id="with a sign, quoted"),
        pytest.param("'12.5 %'", 1250, id="with a space"),
    ],
)
def test_percentages(written: str, basis_points: int) -> None:
    assert parse(f"routes: {{r: {{percent: {written}}}}}").routes["r"].basis_points == basis_points


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param("101", "must be between 0 and 100, got 101", id="too much"),
        pytest.param("250%", "must be between 0 and 100, got '250%'", id="too much with a sign"),
        pytest.param("-1", "must be a number from 0 to 100", id="negative"),
        pytest.param("0.001", "must be in steps of 0.01, got 0.001", id="too fine"),
        pytest.param("12.3400000000000000000000000000001", "must be a number", id="far too fine"),
        pytest.param("1e-2", "must be a number", id="exponent, text in YAML 1.1"),
        pytest.param("010", "must be a number", id="octal, 8 in YAML 1.1"),
        pytest.param("0x10", "must be a number", id="hexadecimal"),
        pytest.param("12:30", "must be a number", id="sexagesimal, 750 in YAML 1.1"),
        pytest.param("1_0", "must be a number", id="underscore, 10 in YAML 1.1"),
        pytest.param(".inf", "must be a number", id="infinity"),
        pytest.param(".nan", "must be a number", id="not a number"),
        pytest.param(".5", "must be a number", id="no digit in front"),
        pytest.param(
            "true",
            "must be a number from 0 to 100, such as 25, 12.5 or 25%; got true",
            id="truth value",
        ),
        pytest.param('"25"', "got the text '25': take the quotes off", id="quoted"),
        pytest.param("", "got nothing", id="nothing"),
        pytest.param("{}", "got a mapping", id="mapping"),
        pytest.param("[25]", "got a list", id="list"),
        pytest.param("٢٥", "must be a number", id="digits of another script"),
    ],
)
def test_what_is_no_percentage_is_refused(written: str, message: str) -> None:
    found = problems(f"routes:\n  r:\n    percent: {written}\n")
    assert len(found) == 1
    assert found[0].startswith("flags.yaml:3: routes.r.percent: ")
    assert message in found[0]


@pytest.mark.parametrize(
    ("written", "on"),
    [("true", True), ("True", True), ("on", True), ("yes", True), ("false", False), ("off", False)],
)
def test_the_one_flag_works_in_every_spelling_of_a_truth_value(written: str, on: bool) -> None:
    assert parse(f"rollback: {written}").rollback is on


@pytest.mark.parametrize("written", ['"true"', "1", "maybe", "", "{}", "[true]"])
def test_what_is_no_truth_value_is_refused(written: str) -> None:
    (found,) = problems(f"rollback: {written}\n")
    assert found.startswith("flags.yaml:1: rollback: must be true or false, got ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "flags.yaml: is empty", id="empty"),
        pytest.param("# only a comment\n", "flags.yaml: is empty", id="only comments"),
        pytest.param("- a\n", "flags.yaml:1: must be a mapping", id="a list"),
        pytest.param(
            "rollback\n",
            "flags.yaml:1: must be a mapping such as rollback, groups and routes, got 'rollback'",
            id="a word",
        ),
        pytest.param(
            "rout: {}\n",
            "flags.yaml:1: rout: is not known here; did you mean routes?",
            id="misspelt key",
        ),
        pytest.param("zzz: {}\n", "known are rollback, groups, routes", id="unknown key"),
        pytest.param(
            "routes:\n  r: {persent: 1}\n",
            "flags.yaml:2: routes.r.persent: is not known here; did you mean percent?",
            id="misspelt entry",
        ),
        pytest.param(
            "routes:\n  r: 25\n",
            "flags.yaml:2: routes.r: must be a mapping such as {percent: 25}, got 25",
            id="short form",
        ),
        pytest.param(
            "routes:\n  r:\n",
            "flags.yaml:2: routes.r: must be a mapping such as {percent: 25}, got nothing",
            id="no entry",
        ),
        pytest.param(
            "rollback: true\nrollback: false\n",
            "flags.yaml:2: rollback: stands here twice",
            id="key twice",
        ),
        pytest.param(
            "routes:\n  r: {}\n  r: {}\n",
            "flags.yaml:3: routes.r: stands here twice",
            id="route twice",
        ),
        pytest.param(
            "routes:\n  ? [a]\n  : {}\n",
            "flags.yaml:2: routes: a name must be a plain word",
            id="a list as a name",
        ),
        pytest.param(
            "routes: &a {}\n", "flags.yaml:1: anchors and aliases are not allowed", id="anchor"
        ),
        pytest.param(
            "a: &a {}\nb: *a\n", "flags.yaml:2: anchors and aliases are not allowed", id="alias"
        ),
        pytest.param("routes: {\n", "flags.yaml:2: is not YAML:", id="not closed"),
        pytest.param("rollback: true\n\troutes: {}\n", "flags.yaml:2: is not YAML:", id="tab"),
        pytest.param(
            "rollback: true\n---\nrollback: false\n",
            "flags.yaml:2: is not YAML:",
            id="two documents",
        ),
        pytest.param("rollback: \x07\n", "is not YAML:", id="control character"),
        pytest.param("[" * 5000, "flags.yaml:1: is nested too deeply", id="nested without end"),
        pytest.param(b"rollback: true\n# \xff\n", "flags.yaml:2: is not UTF-8", id="not UTF-8"),
        pytest.param("#" * (1024 * 1024 + 1), "is larger than 1 MiB", id="too large"),
    ],
)
def test_what_is_no_flag_file_is_refused_with_its_line(text: str | bytes, expected: str) -> None:
    assert any(expected in problem for problem in problems(text))


def test_all_problems_are_reported_at_once_and_in_order() -> None:
    found = problems("rollback: maybe\nroutes:\n  a: {percent: 101}\n  b: {persent: 1}\nx: 1\n")
    assert [problem.split(": ")[0] for problem in found] == [
        "flags.yaml:1",
        "flags.yaml:3",
        "flags.yaml:4",
        "flags.yaml:5",
    ]


@pytest.mark.parametrize("name", ["on", "no", "12:30", "0x10", "null-page"])
def test_a_name_is_the_written_text_not_what_yaml_makes_of_it(name: str) -> None:
    assert list(parse(f"routes: {{{name}: {{percent: 1}}}}").routes) == [name]


def test_names_the_table_does_not_have_are_warnings_with_a_hint() -> None:
    state = parse(
        "groups: {purchases: {}}\nroutes:\n  product-pag: {percent: 5}\n  cart: {percent: 5}\n"
    )
    warnings = unknown_names(
        state,
        "flags.yaml",
        groups=["purchase"],
        routes={"product-page": "", "cart": "purchase"},
    )
    assert [str(warning) for warning in warnings] == [
        "flags.yaml:1: groups.purchases: routes.yaml has no such group; did you mean purchase?",
        "flags.yaml:3: routes.product-pag: routes.yaml has no such route; "
        "did you mean product-page?",
        "flags.yaml:4: routes.cart.percent: has no effect: the route is in group purchase, "
        "set groups.purchase.percent",
    ]


def test_known_names_give_no_warning() -> None:
    state = parse("groups: {purchase: {percent: 5}}\nroutes: {cart: {rollback: true}}\n")
    routes = {"cart": "purchase"}
    assert unknown_names(state, "flags.yaml", groups=["purchase"], routes=routes) == ()


@pytest.mark.parametrize(
    ("before", "scope", "after"),
    [
        pytest.param(
            "# top\nroutes:\n  r: {percent: 25}   # why\n",
            "route:r",
            "# top\nroutes:\n  r: {percent: 12.5}   # why\n",
            id="a percentage that is there",
        ),
        pytest.param(
            "routes: {r: {percent: '25%'}, }\r\n",
            "route:r",
            "routes: {r: {percent: 12.5}, }\r\n",
            id="written as text, Windows lines",
        ),
        pytest.param(
            "routes:\n    a: {percent: 1}  # one\n    # tail\nrollback: false",
            "route:r",
            "routes:\n    a: {percent: 1}  # one\n    r: {percent: 12.5}\n    # tail\n"
            "rollback: false",
            id="a new entry, with the indentation of the others",
        ),
        pytest.param(
            "routes:\n  # why\n  r:\n    rollback: false  # x\n  # tail\n",
            "route:r",
            "routes:\n  # why\n  r:\n    rollback: false  # x\n    percent: 12.5\n  # tail\n",
            id="an entry on several lines",
        ),
        pytest.param(
            "routes: {r: {}}\n", "route:r", "routes: {r: {percent: 12.5}}\n", id="empty entry"
        ),
        pytest.param(
            "groups: {}\nroutes: {}\n",
            "group:g",
            "groups:\n  g: {percent: 12.5}\nroutes: {}\n",
            id="empty section",
        ),
        pytest.param(
            "groups: {}  # none\n",
            "group:g",
            "groups: {g: {percent: 12.5}}  # none\n",
            id="empty section with a comment",
        ),
        pytest.param(
            "groups:  # none\n  # g: {}\n",
            "group:g",
            "groups:  # none\n  g: {percent: 12.5}\n  # g: {}\n",
            id="section of comments",
        ),
        pytest.param("groups: ~\n", "group:g", "groups: {g: {percent: 12.5}}\n", id="null section"),
        pytest.param(
            "rollback: false",
            "group:g",
            "rollback: false\ngroups:\n  g: {percent: 12.5}\n",
            id="no section, no line end",
        ),
        pytest.param(
            "{rollback: false}\n",
            "group:g",
            "{groups: {g: {percent: 12.5}}, rollback: false}\n",
            id="all on one line",
        ),
        pytest.param(
            "{groups: {}}\n",
            "group:g",
            "{groups: {g: {percent: 12.5}}}\n",
            id="all on one line, empty section",
        ),
        pytest.param(
            "\ufeffroutes: {r: {percent: 1}}\n",
            "route:r",
            "\ufeffroutes: {r: {percent: 12.5}}\n",
            id="byte order mark",
        ),
    ],
)
def test_setting_a_percentage_touches_no_other_character(
    before: str, scope: str, after: str
) -> None:
    edited = with_percent(before, "flags.yaml", scope, 1250)
    assert edited == after
    parse(edited)


@given(
    st.integers(0, 10_000),
    st.sampled_from(["group:g", "route:a", "route:r"]),
    st.sampled_from(
        [
            "rollback: true\n",
            "groups: {}\nroutes: {}\n",
            "routes:\n  a: {percent: 3, rollback: true}\n  r:\n    rollback: no\n",
            "groups:\n  g:\n    percent: 1\n    # end\nroutes:\n",
        ]
    ),
)
def test_a_percentage_that_was_set_is_read_back_and_all_else_is_as_before(
    basis_points: int, scope: str, text: str
) -> None:
    before, after = parse(text), parse(with_percent(text, "f", scope, basis_points))
    assert after.rollbacks() == before.rollbacks()

    def said(state: FlagState) -> dict[str, int | None]:
        groups = {group_scope(name): flag.basis_points for name, flag in state.groups.items()}
        return groups | {
            route_scope(name): flag.basis_points for name, flag in state.routes.items()
        }

    assert said(after) == said(before) | {scope: basis_points}


def test_a_file_with_problems_is_not_edited() -> None:
    with pytest.raises(FlagFileError, match="must be between 0 and 100"):
        with_percent("routes: {r: {percent: 101}}", "flags.yaml", "route:r", 5)


@pytest.mark.parametrize(
    ("scope", "basis_points"), [(ALL, 5), ("route:r", -1), ("route:r", 10_001)]
)
def test_only_groups_and_routes_have_a_percentage_from_0_to_100(
    scope: str, basis_points: int
) -> None:
    with pytest.raises(ValueError, match=r"has a percentage|0\.\.10000"):
        with_percent("{}", "flags.yaml", scope, basis_points)


def test_a_name_that_needs_quotes_is_refused_rather_than_breaking_the_file() -> None:
    with pytest.raises(FlagFileError):
        with_percent("routes: {}\n", "flags.yaml", "route:a: {b", 5)


@pytest.mark.parametrize(
    ("basis_points", "text"), [(0, "0"), (1, "0.01"), (1250, "12.5"), (2500, "25"), (10_000, "100")]
)
def test_percentages_are_written_without_needless_digits(basis_points: int, text: str) -> None:
    assert percent_text(basis_points) == text
