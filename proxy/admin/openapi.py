"""The OpenAPI 3.1 description of the admin API, made from the same types that check the bodies."""

from __future__ import annotations

import functools
import re
from typing import Any, Literal

from pydantic import TypeAdapter

from proxy.admin.body import MAX_BODY
from proxy.admin.calls import CALLS, Call, Parameter
from proxy.admin.guard import UNLEASH_HOOK
from proxy.admin.roles import need_of
from proxy.settings import KIB

_NO_NAME = re.compile(r"[^a-z]+")
_BY_EVERY_CALL = {
    "400": "a value is not what the call takes, or a header is there twice",
    "401": "there is no good token",
    "403": "the role is not enough, or Host or Origin is not this listener's",
    "429": "too many calls; Retry-After says in how many seconds there is room again",
}
_BY_A_BODY = {
    "413": f"the body is over {MAX_BODY // KIB} KiB",
    "415": "the body is not application/json",
}
_ANYBODY: list[dict[str, list[str]]] = [{}]

_TAG = {
    "description": "the revision of the answer, to be sent back as If-Match",
    "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
}
_TAGGED = ("status", "routes", "rollback", "resume", "percent", "reload")
_TAGGED_SHADOW = ("shadow/pause", "shadow/resume")
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "only if nothing was changed since this revision; * for any",
    "schema": {"type": "string", "pattern": r'^("[0-9]{1,18}"|\*)$'},
    "example": '"1795375837347930"',
}

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
    "example": {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "12.5 % is above max_percent 10 of product-page (routes.yaml:14): raise it there"
        " first, in Git",
    },
}
_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "a token from `figway token`, or the admin-token of the state directory",
    },
    "identity": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Forwarded-Email",
        "description": "the header that settings.access.identity names, and only from a proxy that"
        " is named there; the header's name is yours",
    },
    "webhook": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "FIGWAY_UNLEASH_WEBHOOK_TOKEN, as Unleash's webhook sends it",
    },
}


@functools.cache
def document() -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas)
    paths |= _of_programs()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Figway admin API",
            "version": "1",
            "description": "Who may call what: docs/admin.md. Every error is a Problem.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"identity": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _operation(call: Call, schemas: dict[str, Any]) -> dict[str, Any]:
    role = need_of(call.method, call.path).role.value
    operation: dict[str, Any] = {
        "operationId": call.operation or _NO_NAME.sub("_", call.name).strip("_"),
        "summary": call.summary,
        "description": f"Needs the role {role}.",
        "tags": [call.name.partition("/")[0]],
        "x-figway-role": role,
        "responses": _responses(call, _schema(call.result, schemas, "serialization")),
    }
    if call.body is not None:
        content = {"schema": _schema(call.body, schemas, "validation"), "example": call.example}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    parameters = [_parameter(each, call) for each in call.parameters]
    if call.if_match:
        parameters.append(_IF_MATCH)
    if parameters:
        operation["parameters"] = parameters
    return operation


def _schema(
    kind: type, schemas: dict[str, Any], mode: Literal["validation", "serialization"]
) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}", mode=mode)
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _parameter(parameter: Parameter, call: Call) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "path" if f"{{{parameter.name}}}" in call.name else "query",
        "required": parameter.required,
        "description": parameter.text,
        "schema": parameter.schema,
    }


def _responses(call: Call, result: dict[str, Any]) -> dict[str, Any]:
    errors = dict(_BY_EVERY_CALL) | (_BY_A_BODY if call.body else {}) | dict(call.errors)
    done: dict[str, Any] = {
        "description": "done",
        "content": {"application/json": {"schema": result}},
    }
    if call.name in (*_TAGGED, *_TAGGED_SHADOW):
        done["headers"] = {"ETag": _TAG}
    return {"200": done, **{code: _error(code, text) for code, text in sorted(errors.items())}}


def _error(code: str, text: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    error: dict[str, Any] = {"description": text, "content": content}
    if code == "401":
        error["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if code == "429":
        error["headers"] = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}
    return error


# What no person calls.


def _of_programs() -> dict[str, Any]:
    """Probes, metrics, this document, and the webhooks of flag sources."""
    text = {"text/plain": {"schema": {"type": "string"}}}
    refused = {code: _error(code, _BY_EVERY_CALL[code]) for code in ("400", "403")}
    verbose = {
        "name": "verbose",
        "in": "query",
        "required": False,
        "description": "tell everything known",
        "schema": {"type": "string"},
    }
    document_of = {"200": {"description": "this", "content": {"application/json": {"schema": {}}}}}
    metrics = {
        "text/plain": {"schema": {"type": "string"}},
        "application/openmetrics-text": {"schema": {"type": "string"}},
    }
    return {
        "/livez": {
            "get": {
                "operationId": "livez",
                "summary": "Whether the process is alive",
                "tags": ["probes"],
                "security": _ANYBODY,
                "responses": {"200": {"description": "alive", "content": text}, **refused},
            }
        },
        "/readyz": {
            "get": {
                "operationId": "readyz",
                "summary": "Whether this figway should get traffic",
                "tags": ["probes"],
                "security": _ANYBODY,
                "parameters": [verbose],
                "responses": {
                    "200": {"description": "ready", "content": text},
                    "503": {"description": "not ready; the lines say why", "content": text},
                    **refused,
                },
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "The metrics, as Prometheus reads them",
                "tags": ["probes"],
                "security": _ANYBODY,
                "responses": {"200": {"description": "the page", "content": metrics}, **refused},
            }
        },
        "/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This document",
                "tags": ["openapi"],
                "x-figway-role": need_of("GET", "/openapi.json").role.value,
                "responses": {
                    **document_of,
                    **{code: _error(code, words) for code, words in _BY_EVERY_CALL.items()},
                },
            }
        },
        UNLEASH_HOOK: {
            "post": {
                "operationId": "hooks_unleash",
                "summary": "Fetch the flags of Unleash now",
                "tags": ["hooks"],
                "security": [{"webhook": []}],
                "requestBody": {
                    "required": False,
                    "content": {"application/json": {"schema": {}, "example": {"id": 42}}},
                },
                "responses": {
                    "202": {"description": "taken"},
                    "401": _error("401", "the Authorization is not the webhook token"),
                    "404": _error("404", "no webhook is expected here"),
                    "429": _error("429", _BY_EVERY_CALL["429"]),
                    **refused,
                },
            }
        },
    }
