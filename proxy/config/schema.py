"""The JSON schema of routes.yaml, for editors: draft-07, made from the model that loads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from proxy.config.model import FileShape
from proxy.config.shapes import Shape
from proxy.config.units import UNIT, show_duration, show_percent, show_seconds, show_size

# yaml-language-server understands draft-07 and below; pydantic writes 2020-12.
DIALECT = "http://json-schema.org/draft-07/schema#"

_Schema = dict[str, Any]
# Keys that may stand without a value: (definition, property); the file itself is "".
_NULLABLE = {
    ("", "groups"),
    ("", "segments"),
    ("", "tests"),
    ("", "flags"),
    ("", "control"),
    ("", "settings"),
    ("", "shadow"),
    ("RouteShape", "fallback"),
}
_WRITE: dict[str, Callable[[Any], Any]] = {
    "duration": show_duration,
    "seconds": show_seconds,
    "percent": show_percent,
    "share": lambda share: show_percent(share * 100),
    "size": show_size,
}


def routes_schema() -> _Schema:
    """Return the schema as a JSON object."""
    return schema_of(
        FileShape,
        "Figway routes.yaml",
        "Which requests a strangler-fig migration sends to which side.",
    )


def schema_of(model: type[Shape], title: str, description: str) -> _Schema:
    """Return the schema of a file that is read with `model`."""
    made = model.model_json_schema()
    definitions = made.pop("$defs")
    schema = {
        "$schema": DIALECT,
        "title": title,
        **_file_schema("", made),
        "definitions": {
            name.removesuffix("Shape"): _file_schema(name, each)
            for name, each in definitions.items()
        },
    }
    schema["description"] = description
    return schema


def schema_text() -> str:
    """Return the schema as it is written to routes.schema.json."""
    return json.dumps(routes_schema(), indent=2, ensure_ascii=False) + "\n"


def _file_schema(name: str, schema: _Schema) -> _Schema:
    """Convert one object of pydantic's schema."""
    if "properties" not in schema:
        converted: _Schema = _convert(schema)
        return converted
    properties = {
        key: _property(each, nullable=(name, key) in _NULLABLE)
        for key, each in schema["properties"].items()
    }
    rest = {k: v for k, v in schema.items() if k not in ("properties", "title")}
    return {**rest, "properties": properties}


def _property(schema: _Schema, *, nullable: bool) -> _Schema:
    schema = dict(schema)
    if not nullable and "anyOf" in schema:
        some = [each for each in schema["anyOf"] if each != {"type": "null"}]
        del schema["anyOf"]
        schema = {**some[0], **schema} if len(some) == 1 else {**schema, "anyOf": some}
    default = schema.pop("default", None)
    write = _WRITE.get(schema.get(UNIT, ""))
    converted: _Schema = _convert(schema)
    # An empty default says "not set", a mapping's default is that of its keys, and the only value
    # there is says nothing about the key being left out.
    silent = default is None or default in ("", [], {}) or isinstance(default, dict)
    if not silent and "const" not in converted:
        converted["default"] = write(default) if write is not None else default
    return converted


def _convert(value: Any) -> Any:
    """Convert 2020-12 to draft-07, and drop what only pydantic needs."""
    if isinstance(value, list):
        return [_convert(each) for each in value]
    if not isinstance(value, dict):
        return value
    converted = {k: _convert(v) for k, v in value.items() if k not in ("title", UNIT)}
    if "patternProperties" in converted:
        # pydantic leaves names that do not fit the pattern unchecked.
        ((pattern, below),) = converted.pop("patternProperties").items()
        converted |= {"propertyNames": {"pattern": pattern}, "additionalProperties": below}
    if "$ref" in converted:
        reference = converted.pop("$ref").rpartition("/")[2].removesuffix("Shape")
        target = {"$ref": f"#/definitions/{reference}"}
        # Draft-07 ignores whatever stands beside $ref.
        return {"allOf": [target], **converted} if converted else target
    return converted
