"""docs/routes.md and docs/lint.md say what the code does: every key, default, rule and example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from proxy.config.lint import RULES
from proxy.config.parse import parse_routes
from proxy.config.route_tests import run_tests
from proxy.config.schema import routes_schema
from proxy.routing.table import RouteTable

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "routes.md").read_text()
SCHEMA = routes_schema()
MAPPINGS = {"File": SCHEMA} | {
    name: each for name, each in SCHEMA["definitions"].items() if "properties" in each
}
TABLES = {
    name: [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in body.strip().splitlines()[2:]
    ]
    for name, body in re.findall(r"<!-- (\w+) -->\n((?:\|.*\n)+)", PAGE)
}
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
BASE = {
    "version": "version: 1\n",
    "upstreams": "upstreams:\n"
    '  legacy: {role: legacy, urls: ["http://a:1"]}\n'
    '  catalog: {urls: ["http://a:2"]}\n',
    "routes": "routes:\n",
}


def _default(name: str, key: str, schema: dict[str, Any]) -> str:
    if key in MAPPINGS[name].get("required", ()):
        return "required"
    if "default" not in schema:
        return "–"
    value = schema["default"]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(value)}]`" if isinstance(value, list) else f"`{value}`"


def test_every_mapping_of_the_file_has_its_table() -> None:
    assert set(TABLES) == set(MAPPINGS)


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_a_table_has_every_key_with_its_default(name: str) -> None:
    properties = MAPPINGS[name]["properties"]
    expected = [(f"`{key}`", _default(name, key, each)) for key, each in properties.items()]
    assert [(row[0], row[2]) for row in TABLES[name]] == expected


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_every_key_says_what_it_takes_and_what_it_does(name: str) -> None:
    for key, value, _, text in TABLES[name]:
        assert value, key
        assert len(text) > 4, key


def test_every_word_that_a_key_takes_is_listed() -> None:
    for name, rows in TABLES.items():
        for (key, value, _, _), schema in zip(
            rows, MAPPINGS[name]["properties"].values(), strict=True
        ):
            reference = str(schema.get("$ref") or (schema.get("allOf") or [{}])[0].get("$ref", ""))
            target = SCHEMA["definitions"].get(reference.rpartition("/")[2], {})
            words = schema.get("enum") or target.get("enum") or []
            assert all(f"`{word}`" in value for word in words), (name, key)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_loads_and_passes_its_own_tests(number: int) -> None:
    example = EXAMPLES[number]
    sections = re.findall(r"^(\w+):", example, re.MULTILINE)
    text = "".join(part for key, part in BASE.items() if key not in sections) + example
    if "prefix: /}" not in example:
        rest = "routes:\n  - {id: monolith, match: {path: {prefix: /}}}\n"
        text = text.replace("routes:\n", rest, 1)
    table = RouteTable.compile(parse_routes(text.encode(), "docs/routes.md"))
    assert [outcome.failures for outcome in run_tests(table, "figway_id") if outcome.failures] == []


def test_the_examples_are_there() -> None:
    assert len(EXAMPLES) >= 8


def test_every_lint_rule_is_documented_as_it_is() -> None:
    lines = re.findall(
        r"^\| ([A-Z]+\d*) \| (\w+) \| (.*?) \| .+ \|$", (DOCS / "lint.md").read_text(), re.M
    )
    assert lines == [(rule.id, rule.severity.value, rule.summary) for rule in RULES.values()]
