"""routes.schema.json is current, is draft-07, and agrees with the loader."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy.config.parse import parse_routes
from proxy.config.schema import routes_schema, schema_text
from proxy.errors import ConfigError
from tests.proxy.config.example import GOOD, changed
from tests.proxy.config.shadow_example import GOOD as SHADOW

ROOT = Path(__file__).parents[3]
MEND = "run: figway schema > routes.schema.json && cp routes.schema.json proxy/config/"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    schema = routes_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("name", ["routes.schema.json", "proxy/config/routes.schema.json"])
def test_the_written_schema_is_current(name: str) -> None:
    assert (ROOT / name).read_text() == schema_text(), MEND


def test_the_schema_ships_with_the_package() -> None:
    shipped = importlib.resources.files("proxy.config") / "routes.schema.json"
    assert json.loads(shipped.read_text())["$schema"] == "http://json-schema.org/draft-07/schema#"


class _NoDates(yaml.SafeLoader):
    """YAML 1.2 knows no dates, and editors read that."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class above
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def as_editors_read(text: bytes) -> Any:
    return yaml.load(text, Loader=_NoDates)


def _all_of(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _all_of(each)


def _target(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    name = value.get("$ref", "").rpartition("/")[2]
    return schema["definitions"].get(name, {})


def test_nothing_of_a_later_draft_is_in_it() -> None:
    text = schema_text()
    for word in ("$defs", "prefixItems", "unevaluatedProperties", "dependentRequired", "x-unit"):
        assert f'"{word}"' not in text


def test_nothing_stands_beside_a_reference_where_draft_07_would_ignore_it() -> None:
    assert all(len(each) == 1 for each in _all_of(routes_schema()) if "$ref" in each)


def test_every_key_of_every_mapping_is_explained() -> None:
    schema = routes_schema()
    mappings = [schema, *schema["definitions"].values()]
    silent = [
        key
        for mapping in mappings
        for key, each in mapping.get("properties", {}).items()
        # A bare reference is explained by what it points to.
        if not (each.get("description") or _target(schema, each).get("description"))
    ]
    assert silent == []


def test_no_mapping_takes_unknown_keys() -> None:
    schema = routes_schema()
    for name, mapping in schema["definitions"].items():
        if "properties" in mapping:
            assert mapping["additionalProperties"] is False, name


def test_defaults_are_written_as_in_the_file() -> None:
    definitions = routes_schema()["definitions"]
    assert definitions["Timeouts"]["properties"]["connect"]["default"] == "2s"
    assert definitions["Fallback"]["properties"]["budget"]["default"] == "10%"
    assert definitions["Route"]["properties"]["max_percent"]["default"] == "100%"
    assert definitions["Limits"]["properties"]["header_bytes"]["default"] == 8190


def test_every_default_is_itself_valid() -> None:
    schema = routes_schema()
    for name, mapping in schema["definitions"].items():
        for key, each in mapping.get("properties", {}).items():
            if "default" in each:
                whole = {**each, "definitions": schema["definitions"]}
                jsonschema.validate(each["default"], whole, jsonschema.Draft7Validator)
                assert each["default"] is not None, (name, key)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD.encode(), id="everything"),
        pytest.param((ROOT / "routes.yaml").read_bytes(), id="the shop"),
        pytest.param(changed("when: [connect, 502, timeout]", 'when: ["502"]'), id="quoted status"),
        pytest.param(changed("max_percent: 25", "max_percent: 0.5%"), id="percent sign"),
        pytest.param(changed("max_percent: 25", "max_percent: 2.5"), id="number"),
        pytest.param(changed("access_log: all", 'access_log: "off"'), id="off"),
        pytest.param(changed("  purchase: {stickiness: device}", "  purchase:"), id="bare group"),
        pytest.param(
            changed("    group: purchase\n", "    group: purchase\n    fallback: null\n"),
            id="no fallback",
        ),
        pytest.param(changed("workers: 4", "state_max_age: 0"), id="zero without unit"),
        pytest.param(changed("workers: 4", "slow_seconds: 1.5"), id="bare seconds"),
        pytest.param(SHADOW.encode(), id="shadow, compare and gate"),
        pytest.param(
            changed("rate: 25%, key: {cookie: PHPSESSID}", "rate: 0.25, key: client", SHADOW),
            id="share",
        ),
        pytest.param(
            changed("{rate: 25%, key: {cookie: PHPSESSID}}", "12.5", SHADOW), id="plain sample"
        ),
    ],
)  # fmt: skip
def test_what_the_loader_takes_the_schema_takes(
    validator: jsonschema.Draft7Validator, text: bytes
) -> None:
    parse_routes(text, "routes.yaml")
    validator.validate(as_editors_read(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("rate: 25%", "rate: 2", id="a rate that could be either"),
        pytest.param("key: {cookie: PHPSESSID}", "key: {}", id="no sample key"),
        pytest.param("dispatch: concurrent", "dispatch: soon", id="dispatch"),
        pytest.param("op: key_by", "op: by_key", id="op"),
        pytest.param("path: $.debug, ", "", id="no path"),
        pytest.param("tolerance: 5s", "tolerance: 5", id="no unit"),
        pytest.param("abs: 0.005", "abs: 0", id="nothing"),
        pytest.param("facets: [title, text]", "facets: [titles]", id="facet"),
        pytest.param("critical: 0.001", "critical: 0", id="limit of nothing"),
        pytest.param("per_fingerprint: 3", "per_fingerprint: 0", id="no exemplar"),
        pytest.param('store: "off"', "store: never", id="store"),
        pytest.param("queue: 256", "que: 256", id="unknown key of the file's shadow"),
    ],
)
def test_what_the_schema_can_know_of_shadow_it_refuses_like_the_loader(
    validator: jsonschema.Draft7Validator, old: str, new: str
) -> None:
    text = changed(old, new, SHADOW)
    with pytest.raises(ConfigError):
        parse_routes(text, "routes.yaml")
    assert not validator.is_valid(as_editors_read(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("owner:", "ownr:", id="unknown key"),
        pytest.param("stage: canary", "stage: canry", id="stage"),
        pytest.param("  - id: cart\n    match", "  - match", id="missing id"),
        pytest.param('{template: "/product/{slug}"}', "{template: /a, exact: /b}", id="two kinds"),
        pytest.param("{prefix: /cart}", "{}", id="no kind"),
        pytest.param("connect: 2s", "connect: 2", id="no unit"),
        pytest.param("sample: 12.5%", "sample: 250", id="percentage"),
        pytest.param("version: 1", "version: 2", id="version"),
        pytest.param("id: cart", "id: Cart", id="id"),
        pytest.param("  catalog:\n", "  Catalog:\n", id="upstream name"),
        pytest.param("methods: [GET, HEAD]", "methods: [get]", id="method"),
        pytest.param("always: [staff]", "always: staff", id="no list"),
        pytest.param('path: "/v2/{slug}/{query.lang}"', "prefix: /a, path: /b", id="two rewrites"),
        pytest.param(', regex: "b2b-.*"', "", id="no criterion"),
        pytest.param("expect: {route: monolith}", "expect: {}", id="no expectation"),
        pytest.param("stickiness: {path_param: slug}", "stickiness: user", id="stickiness"),
        pytest.param("access_log: all", "access_log: some", id="access log"),
    ],
)
def test_what_the_schema_can_know_it_refuses_like_the_loader(
    validator: jsonschema.Draft7Validator, old: str, new: str
) -> None:
    assert not validator.is_valid(yaml.safe_load(changed(old, new)))
