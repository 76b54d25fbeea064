"""MATCH001 and MATCH002 against the real table: what the lint says is what traffic would do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.lint.overlap import common_beginning
from proxy.config.parse import parse_routes
from proxy.routing.facts import PlainFacts
from proxy.routing.table import RouteTable
from tests.proxy.config.lint.shop import findings, rules, shop


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("path: {prefix: /a}", "path: {prefix: /a/b}", [], id="longer prefix"),
        pytest.param("path: {prefix: /a}", "path: {exact: /a}", [], id="exact wins"),
        pytest.param("path: {prefix: /a}", "path: {prefix: /a/}", ["MATCH002"], id="same prefix"),
        pytest.param("path: {exact: /%7Ea}", "path: {exact: /~a}", ["MATCH002"], id="same path"),
        pytest.param(
            'path: {template: "/{x}/b"}', 'path: {template: "/a/{y}"}', ["MATCH001"], id="crossing"
        ),
        pytest.param(
            'path: {template: "/{x}/b"}', 'path: {template: "/{y}/c"}', [], id="other literal"
        ),
        pytest.param(
            'path: {template: "/{x}/b"}', 'path: {template: "/{y}/b"}', ["MATCH002"], id="renamed"
        ),
        pytest.param(
            'path: {template: "/{x}/b/{z}"}', 'path: {template: "/a/b/{z}"}', [], id="more literal"
        ),
        pytest.param(
            'path: {template: "/{x}/b"}', 'path: {template: "/{x}/b/"}', [], id="other length"
        ),
        pytest.param(
            'path: {template: "/{x}/{y}/"}',
            'path: {template: "/a/b/{z}"}',
            [],
            id="a parameter is never empty",
        ),
        pytest.param(
            "path: {exact: /a}, hosts: [x.example]",
            "path: {exact: /a}, hosts: [y.example]",
            [],
            id="other host",
        ),
        pytest.param(
            "path: {exact: /a}", "path: {exact: /a}, hosts: [y.example]", [], id="any host after"
        ),
        pytest.param(
            'path: {exact: /a}, hosts: ["*.example"]',
            "path: {exact: /a}, hosts: [y.example]",
            [],
            id="wildcard after",
        ),
        pytest.param(
            "path: {exact: /a}, hosts: [x.example]",
            "path: {exact: /a}, hosts: [x.example, y.example]",
            ["MATCH001"],
            id="one of two hosts",
        ),
        pytest.param(
            "path: {exact: /a}, hosts: [y.example, x.example]",
            "path: {exact: /a}, hosts: [x.example, y.example]",
            ["MATCH002"],
            id="all hosts",
        ),
        pytest.param(
            "path: {exact: /a}", "path: {exact: /a}, methods: [GET, HEAD]", [], id="method wins"
        ),
        pytest.param(
            "path: {exact: /a}, methods: [GET, HEAD]",
            "path: {exact: /a}, methods: [HEAD]",
            ["MATCH002"],
            id="methods taken",
        ),
        pytest.param(
            "path: {exact: /a}, headers: {X: v}",
            "path: {exact: /a}, headers: {Z: v}",
            ["MATCH001"],
            id="two headers",
        ),
        pytest.param(
            "path: {exact: /a}, headers: {X: v}",
            "path: {exact: /a}, headers: {x: w}",
            [],
            id="other value",
        ),
        pytest.param(
            "path: {exact: /a}, headers: {X: {present: true}}",
            "path: {exact: /a}, headers: {x: w}",
            ["MATCH002"],
            id="any value before",
        ),
        pytest.param(
            "path: {exact: /a}, headers: {X: w}",
            "path: {exact: /a}, headers: {x: {present: true}}",
            ["MATCH001"],
            id="any value after",
        ),
        pytest.param(
            'path: {exact: /a}, query: {q: {regex: "[0-9]+"}}',
            "path: {exact: /a}, query: {q: abc}",
            [],
            id="regex refuses",
        ),
        pytest.param(
            'path: {exact: /a}, query: {q: {regex: "[0-9]+"}}',
            'path: {exact: /a}, query: {q: "7"}',
            ["MATCH002"],
            id="regex takes",
        ),
        pytest.param(
            "path: {exact: /a}, query: {q: a}",
            "path: {exact: /a}, cookies: {q: a}",
            [],
            id="query wins",
        ),
        pytest.param('path: {regex: "/a[0-9]"}', 'path: {regex: "/a[1-9]"}', [], id="file order"),
        pytest.param(
            'path: {regex: "/a[0-9]"}', 'path: {regex: "/a[0-9]"}', ["MATCH002"], id="same regex"
        ),
        pytest.param(
            'path: {regex: "/a[0-9]"}',
            'path: {regex: "/a[0-9]"}, headers: {X: v}',
            ["MATCH002"],
            id="regex keeps file order",
        ),
        pytest.param(
            'path: {regex: "/a[0-9]"}, headers: {X: v}',
            'path: {regex: "/a[0-9]"}',
            [],
            id="then all",
        ),
        pytest.param(
            "path: {prefix: /a}",
            'path: {regex: "/a/[0-9]+"}',
            ["MATCH002"],
            id="prefix hides regex",
        ),
        pytest.param(
            "path: {prefix: /a}", 'path: {regex: "/a[0-9]+"}', [], id="regex beside the prefix"
        ),
        pytest.param(
            "path: {prefix: /a}, methods: [GET, HEAD]",
            'path: {regex: "/a/[0-9]+"}',
            [],
            id="prefix takes some",
        ),
        pytest.param(
            "path: {prefix: /}, methods: [GET, HEAD]",
            "path: {prefix: /}, methods: [POST]",
            [],
            id="roots",
        ),
    ],
)
def test_two_routes_meet_or_do_not(one: str, other: str, expected: list[str]) -> None:
    text = f"id: a, match: {{{one}}}\nid: b, match: {{{other}}}"
    assert [each for each in rules(text) if each.startswith("MATCH")] == expected


def test_the_catch_all_behind_another_root_is_not_reached() -> None:
    (finding,) = findings("id: a, match: {path: {prefix: /}}")
    assert (finding.rule, finding.line) == ("MATCH002", 11)


@pytest.mark.parametrize(
    ("pattern", "beginning"),
    [
        ("/cart/[0-9]+", "/cart/"),
        ("/cart.*", "/cart"),
        ("(/a|/b)/x", "/"),
        (".*", ""),
        ("(?i)/cart", "/"),
        ("/a|/b", "/"),
        ("/same", "/same"),
    ],
)
def test_the_common_beginning_of_a_regex(pattern: str, beginning: str) -> None:
    assert common_beginning(pattern) == beginning


_paths = st.sampled_from(
    [
        "exact: /a",
        "exact: /a/b",
        'template: "/{x}"',
        'template: "/a/{x}"',
        'template: "/{x}/b"',
        "prefix: /a",
        "prefix: /a/b",
        "prefix: /",
        'regex: "/a/[a-c]"',
        'regex: "/[ab]/b"',
    ]
)
_values = st.sampled_from(["v", "w", "{present: true}", '{regex: "[v-w]"}'])
_matches = st.tuples(
    _paths,
    st.sampled_from(["", ", methods: [GET]", ", methods: [POST]", ", methods: [GET, POST]"]),
    st.sampled_from(
        ["", ", hosts: [h.example]", ', hosts: ["*.example"]', ", hosts: [h.example, i]"]
    ),
    st.one_of(st.just(""), _values.map(lambda v: f", headers: {{X: {v}}}")),
    st.one_of(st.just(""), _values.map(lambda v: f", query: {{q: {v}}}")),
).map("".join)
_REQUESTS = [
    PlainFacts.of(method, f"http://{host}{path}{query}", headers=headers)
    for method in ("GET", "POST")
    for host in ("h.example", "z.example", "i", "other")
    for path in ("/", "/a", "/a/", "/b", "/a/b", "/a/c", "/b/b", "/a/b/c")
    for query in ("", "?q=v", "?q=w", "?q=u")
    for headers in ([], [("X", "v")], [("X", "w")], [("X", "u")])
]


@settings(max_examples=200, deadline=None)
@given(st.lists(_matches, min_size=2, max_size=4))
def test_a_route_that_the_lint_calls_unreachable_gets_no_request(matches: list[str]) -> None:
    lines = [
        f"id: r{n}, match: {{path: {{{match.split(', ', 1)[0]}}}"
        + (", " + match.split(", ", 1)[1] if ", " in match else "")
        + "}"
        for n, match in enumerate(matches)
    ]
    text = "\n".join(lines)
    table = RouteTable.compile(parse_routes(shop(text), "r"))
    reached = {table.find(request).route.id for request in _REQUESTS}
    found = [each for each in findings(text) if each.rule in ("MATCH001", "MATCH002")]
    dead = {f"r{n}" for n in range(len(matches)) for each in found
            if each.rule == "MATCH002" and each.message.startswith(f"route r{n} ")}  # fmt: skip
    assert dead.isdisjoint(reached)
    # And when nothing is found, the order of the file does not matter but among patterns.
    if not found and not any('regex: "/' in match for match in matches):
        turned = RouteTable.compile(parse_routes(shop("\n".join(reversed(lines))), "r"))
        for request in _REQUESTS:
            assert turned.find(request).route.id == table.find(request).route.id


def test_many_routes_with_one_path_and_different_values_are_compared_quickly() -> None:
    lines = [
        f'id: r{n}, match: {{path: {{exact: /index.php}}, query: {{route: "p/{n}"}}}}'
        for n in range(3000)
    ]
    lines.append('id: late, match: {path: {exact: /index.php}, query: {route: "p/7"}}')
    lines.append("id: wide, match: {path: {exact: /index.php}, query: {other: x}}")
    found = [each for each in findings("\n".join(lines)) if each.rule.startswith("MATCH")]
    assert [each.rule for each in found].count("MATCH002") == 1
    (wide,) = [each for each in found if each.rule == "MATCH001"]
    assert wide.message.startswith("route wide and r0 (line 7), r1 (line 8)")
    assert "and 2996 more" in wide.message
