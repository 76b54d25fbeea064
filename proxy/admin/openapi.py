"""The OpenAPI 3.1 description of the admin API, made from the same types that check the bodies."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import TypeAdapter

from proxy.admin.api import ExplainRequest, PercentRequest, ReloadRequest, SwitchRequest
from proxy.supervision.change import Change, Reload
from proxy.supervision.status import Status

_ERRORS = {
    "400": "the body or a value in it is not what the call takes",
    "401": "the bearer token is missing or wrong",
    "403": "Host or Origin is not this listener's",
    "413": "the body is over 64 KiB",
    "415": "the body is not application/json",
}
_CHANGE_ERRORS = {
    "404": "there is no such route or group",
    "409": "it is refused, and the detail says what stands against it",
    "503": "the state directory cannot be written",
}


@functools.cache
def document() -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "problems": {"type": "array", "items": {"type": "string"}},
            },
        }
    }
    calls: tuple[tuple[str, str, type | None, type | None, bool], ...] = (
        ("rollback", "Send a scope to legacy", SwitchRequest, Change, True),
        ("resume", "End a rollback", SwitchRequest, Change, True),
        ("percent", "Set the percentage of a route or group", PercentRequest, Change, True),
        ("reload", "Read routes.yaml and the flag file again", ReloadRequest, Reload, False),
        ("explain", "Tell why a request goes where it goes", ExplainRequest, None, False),
        ("status", "What is running", None, Status, False),
        ("routes", "Every route and where its flag stands", None, None, False),
    )
    paths: dict[str, Any] = {}
    for name, summary, body, result, is_change in calls:
        operation: dict[str, Any] = {
            "operationId": name,
            "summary": summary,
            "responses": _responses(_schema(result, schemas), is_change, bool(body)),
        }
        if body is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": _schema(body, schemas)}},
            }
        paths[f"/api/v1/{name}"] = {"post" if body else "get": operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Figway admin API", "version": "1"},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schema(kind: type | None, schemas: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {"type": "object"}
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _responses(result: dict[str, Any], is_change: bool, has_body: bool) -> dict[str, Any]:
    errors = dict(_ERRORS) if has_body else {k: _ERRORS[k] for k in ("401", "403")}
    if is_change:
        errors |= _CHANGE_ERRORS
    problem_body = {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    return {
        "200": {"description": "done", "content": {"application/json": {"schema": result}}},
        **{
            code: {"description": text, "content": problem_body}
            for code, text in sorted(errors.items())
        },
    }
