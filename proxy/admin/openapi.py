"""The OpenAPI 3.1 description of the admin API, made from the same types that check the bodies."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from proxy.admin.api import ExplainRequest, PercentRequest, ReloadRequest, SwitchRequest
from proxy.admin.shadow_api import (
    AcceptRequest,
    ReplayRequest,
    ShadowSwitchRequest,
    TriageRequest,
    WhatIfRequest,
)
from proxy.evidence.answers import (
    AcceptAnswer,
    ExemplarsAnswer,
    ReplayAnswer,
    ReportAnswer,
    RulesAnswer,
    ShownExemplar,
    TriageAnswer,
)
from proxy.supervision.change import Change, Reload
from proxy.supervision.plan import Plan
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
_NO_NAME = re.compile(r"[^a-z]+")
_PAUSE_ERRORS = {"409": _CHANGE_ERRORS["409"], "503": _CHANGE_ERRORS["503"]}
_EVIDENCE_ERRORS = {
    "404": "there is no such route, exemplar or cause, or nothing is known of it yet",
    "409": "it cannot be done, and the detail says what stands against it",
    "503": "the observer cannot be asked, and the detail says why",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API. With a body it is a POST, else a GET."""

    # Below /api/v1/.
    name: str
    summary: str
    body: type | None = None
    result: type | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    # Of the query; a name in braces stands in the path. One that ends with ? may be left out.
    parameters: tuple[str, ...] = ()


CALLS = (
    Call(
        name="rollback",
        summary="Send a scope to legacy",
        body=SwitchRequest,
        result=Change,
        errors=_CHANGE_ERRORS,
    ),
    Call(
        name="resume",
        summary="End a rollback",
        body=SwitchRequest,
        result=Change,
        errors=_CHANGE_ERRORS,
    ),
    Call(
        name="percent",
        summary="Set the percentage of a route or group",
        body=PercentRequest,
        result=Change,
        errors=_CHANGE_ERRORS,
    ),
    Call(
        name="reload",
        summary="Read routes.yaml and the flag file again",
        body=ReloadRequest,
        result=Reload,
    ),
    Call(name="explain", summary="Tell why a request goes where it goes", body=ExplainRequest),
    Call(name="status", summary="What is running", result=Status),
    Call(name="routes", summary="Every route and where its flag stands"),
    Call(
        name="plan",
        summary="The load that each upstream would get if a scope were rolled back now",
        result=Plan,
        errors={"404": _CHANGE_ERRORS["404"]},
        parameters=("scope?",),
    ),
    Call(
        name="shadow/report",
        summary="What the evidence says of every route, or of one",
        result=ReportAnswer,
        errors=_EVIDENCE_ERRORS,
        parameters=("route?",),
    ),
    Call(
        name="shadow/exemplars",
        summary="The pairs that are kept of a route, or of one of its causes",
        result=ExemplarsAnswer,
        errors=_EVIDENCE_ERRORS,
        parameters=("route", "fingerprint?"),
    ),
    Call(
        name="shadow/exemplars/{id}",
        summary="One pair of answers with what differs, its causes and the rules for them",
        result=ShownExemplar,
        errors=_EVIDENCE_ERRORS,
        parameters=("{id}",),
    ),
    Call(
        name="shadow/rules",
        summary="What the comparison rules of a route did, and what is proposed",
        result=RulesAnswer,
        errors=_EVIDENCE_ERRORS,
        parameters=("route",),
    ),
    Call(
        name="shadow/what-if",
        summary="What draft rules would silence on the stored pairs, and what they would mask",
        body=WhatIfRequest,
        result=RulesAnswer,
        errors=_EVIDENCE_ERRORS,
    ),
    Call(
        name="shadow/replay",
        summary="Ask both sides again what an exemplar asked",
        body=ReplayRequest,
        result=ReplayAnswer,
        errors=_EVIDENCE_ERRORS,
    ),
    Call(
        name="shadow/triage",
        summary="Note that somebody has looked at a cause",
        body=TriageRequest,
        result=TriageAnswer,
        errors=_EVIDENCE_ERRORS,
    ),
    Call(
        name="shadow/accept",
        summary="The rule that is proposed for a path, to be put into routes.yaml",
        body=AcceptRequest,
        result=AcceptAnswer,
        errors=_EVIDENCE_ERRORS,
    ),
    Call(
        name="shadow/pause",
        summary="Copy nothing from the next request on",
        body=ShadowSwitchRequest,
        result=Change,
    ),
    Call(
        name="shadow/resume",
        summary="End a pause",
        body=ShadowSwitchRequest,
        result=Change,
        errors=_PAUSE_ERRORS,
    ),
)


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
    paths: dict[str, Any] = {}
    for call in CALLS:
        operation: dict[str, Any] = {
            "operationId": _NO_NAME.sub("_", call.name).strip("_"),
            "summary": call.summary,
            "responses": _responses(call, _schema(call.result, schemas)),
        }
        if call.body is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": _schema(call.body, schemas)}},
            }
        if call.parameters:
            operation["parameters"] = [_parameter(name) for name in call.parameters]
        paths[f"/api/v1/{call.name}"] = {"post" if call.body else "get": operation}
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


def _parameter(name: str) -> dict[str, Any]:
    in_path = name.startswith("{")
    return {
        "name": name.strip("{}?"),
        "in": "path" if in_path else "query",
        "required": not name.endswith("?"),
        "schema": {"type": "string"},
    }


def _responses(call: Call, result: dict[str, Any]) -> dict[str, Any]:
    codes = ("401", "403") if not (call.body or call.parameters) else ("400", "401", "403")
    errors = dict(_ERRORS) if call.body else {code: _ERRORS[code] for code in codes}
    errors |= call.errors
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
