"""The calls of the admin API as they are described: what each takes, answers and refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.admin.api import (
    ExplainAnswer,
    ExplainRequest,
    PercentRequest,
    ReloadRequest,
    ResumeRequest,
    RoutesAnswer,
    SwitchRequest,
)
from proxy.admin.audit_api import MAX_ENTRIES, AuditAnswer, VerifyAnswer
from proxy.admin.fields import SCOPE_PATTERN
from proxy.admin.flags_api import LiveFlags
from proxy.admin.shadow_api import (
    AcceptRequest,
    ReplayRequest,
    ShadowSwitchRequest,
    TriageRequest,
    WhatIfRequest,
)
from proxy.admin.token_api import (
    CreatedToken,
    CreateTokenRequest,
    RevokeTokenRequest,
    TokensAnswer,
    TokenView,
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

_REFUSED = "it is refused, and the detail says what stands against it"
_CHANGE = {
    "404": "there is no such route or group",
    "409": _REFUSED,
    "503": "the state directory cannot be written",
}
_STALE = {"412": "something was changed since the revision in If-Match; the detail has the one now"}
_PAUSE = {"409": _REFUSED, "503": _CHANGE["503"]}
_EVIDENCE = {
    "404": "there is no such route, exemplar or cause, or nothing is known of it yet",
    "409": "it cannot be done, and the detail says what stands against it",
    "503": "the observer cannot be asked, and the detail says why",
}
_AUDIT = {"503": "a file of the audit cannot be read, and the detail says which and why"}
_TOKENS = {
    "404": "there is no such token",
    "409": _REFUSED,
    "503": "the file of tokens cannot be written",
}

_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_SCOPE = {"type": "string", "maxLength": 200, "pattern": SCOPE_PATTERN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Something that stands in the query, or in the path when its name is in braces there."""

    name: str
    schema: Mapping[str, Any]
    text: str
    required: bool = False


_ROUTE = Parameter(name="route", schema=_TEXT, text="the id of a route", required=True)
_MAYBE_ROUTE = Parameter(name="route", schema=_TEXT, text="the id of a route; default: all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API. With a body it is a POST, else a GET."""

    # Below /api/v1/.
    name: str
    summary: str
    body: type | None = None
    example: Mapping[str, Any] | None = None
    result: type
    errors: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    # May be made conditional on the revision that was seen.
    if_match: bool = False
    # Where two calls have one path.
    operation: str = ""

    @property
    def method(self) -> str:
        """As the router has it."""
        return "GET" if self.body is None else "POST"

    @property
    def path(self) -> str:
        """As the router has it."""
        return f"/api/v1/{self.name}"


_WHY = {"reason": "error rate after 4.2", "ticket": "INC-42", "actor": "ann@laptop"}
_TOKEN_WHY = {"reason": "on call from May", "actor": "ann@laptop"}

CALLS = (
    Call(
        name="rollback",
        summary="Send a scope to legacy, from the next request on",
        body=SwitchRequest,
        example={"scope": "all", **_WHY},
        result=Change,
        errors=_CHANGE | _STALE,
        if_match=True,
    ),
    Call(
        name="resume",
        summary="End a rollback",
        body=ResumeRequest,
        example={"scope": "group:purchase", **_WHY},
        result=Change,
        errors=_CHANGE | _STALE,
        if_match=True,
    ),
    Call(
        name="percent",
        summary="Set the percentage of a route or group",
        body=PercentRequest,
        example={"name": "product-page", "percent": 12.5, **_WHY},
        result=Change,
        errors=_CHANGE | _STALE,
        if_match=True,
    ),
    Call(
        name="reload",
        summary="Read routes.yaml and the flag file again",
        body=ReloadRequest,
        example={"actor": "ann@laptop"},
        result=Reload,
        errors=_STALE,
        if_match=True,
    ),
    Call(
        name="explain",
        summary="Tell why a request goes where it goes",
        body=ExplainRequest,
        example={
            "method": "GET",
            "url": "https://shop.example/product/red-drill",
            "headers": [["X-Employee", "1"]],
        },
        result=ExplainAnswer,
    ),
    Call(name="status", summary="What is running", result=Status),
    Call(name="routes", summary="Every route and where its flag stands", result=RoutesAnswer),
    Call(
        name="flags",
        summary="What flags and rollbacks say now, and who says it",
        result=LiveFlags,
    ),
    Call(
        name="plan",
        summary="The load that each upstream would get if a scope were rolled back now",
        result=Plan,
        errors={"404": _CHANGE["404"]},
        parameters=(
            Parameter(name="scope", schema=_SCOPE, text="what to roll back; default: all"),
        ),
    ),
    Call(
        name="audit",
        summary="The newest changes: who, why, from what to what",
        result=AuditAnswer,
        errors=_AUDIT,
        parameters=(
            Parameter(
                name="since",
                schema={"type": "string", "format": "date-time"},
                text="none older than this",
            ),
            Parameter(
                name="scope",
                schema=_TEXT,
                text="all, group:NAME, route:ID, shadow, token:NAME, ...; default: every one",
            ),
            Parameter(
                name="limit",
                schema={"type": "integer", "minimum": 1, "maximum": MAX_ENTRIES, "default": 100},
                text="how many changes: one that was begun and done is two entries",
            ),
        ),
    ),
    Call(
        name="audit/verify",
        summary="Whether a line of the audit was changed, removed, moved or inserted",
        result=VerifyAnswer,
        errors=_AUDIT,
    ),
    Call(name="tokens", summary="Every token, without what proves it", result=TokensAnswer),
    Call(
        name="tokens",
        operation="tokens_create",
        summary="Make a token; the answer is the only place where it stands",
        body=CreateTokenRequest,
        example={"name": "ann", "role": "operator", "expires_seconds": 7_776_000, **_TOKEN_WHY},
        result=CreatedToken,
        errors={"409": _TOKENS["409"], "503": _TOKENS["503"]},
    ),
    Call(
        name="tokens/revoke",
        summary="End a token, from the next request on",
        body=RevokeTokenRequest,
        example={"token": "ann", **_TOKEN_WHY},
        result=TokenView,
        errors=_TOKENS,
    ),
    Call(
        name="shadow/report",
        summary="What the evidence says of every route, or of one",
        result=ReportAnswer,
        errors=_EVIDENCE,
        parameters=(_MAYBE_ROUTE,),
    ),
    Call(
        name="shadow/exemplars",
        summary="The pairs that are kept of a route, or of one of its causes",
        result=ExemplarsAnswer,
        errors=_EVIDENCE,
        parameters=(
            _ROUTE,
            Parameter(name="fingerprint", schema=_TEXT, text="of a cause; default: of all"),
        ),
    ),
    Call(
        name="shadow/exemplars/{id}",
        summary="One pair of answers with what differs, its causes and the rules for them",
        result=ShownExemplar,
        errors=_EVIDENCE,
        parameters=(
            Parameter(
                name="id", schema=_TEXT, text="of an exemplar, as lists have it", required=True
            ),
        ),
    ),
    Call(
        name="shadow/rules",
        summary="What the comparison rules of a route did, and what is proposed",
        result=RulesAnswer,
        errors=_EVIDENCE,
        parameters=(_ROUTE,),
    ),
    Call(
        name="shadow/what-if",
        summary="What draft rules would silence on the stored pairs, and what they would mask",
        body=WhatIfRequest,
        example={"route": "product-page", "draft": [{"path": "$.generated_at", "op": "ignore"}]},
        result=RulesAnswer,
        errors=_EVIDENCE,
    ),
    Call(
        name="shadow/replay",
        summary="Ask both sides again what an exemplar asked",
        body=ReplayRequest,
        example={"id": "a1b2c3"},
        result=ReplayAnswer,
        errors=_EVIDENCE,
    ),
    Call(
        name="shadow/triage",
        summary="Note that somebody has looked at a cause",
        body=TriageRequest,
        example={"route": "product-page", "fingerprint": "0f3a", "ticket": "SHOP-7"},
        result=TriageAnswer,
        errors=_EVIDENCE,
    ),
    Call(
        name="shadow/accept",
        summary="The rule that is proposed for a path, to be put into routes.yaml",
        body=AcceptRequest,
        example={"route": "product-page", "path": "$.generated_at"},
        result=AcceptAnswer,
        errors=_EVIDENCE,
    ),
    Call(
        name="shadow/pause",
        summary="Copy nothing from the next request on",
        body=ShadowSwitchRequest,
        example=_WHY,
        result=Change,
        errors=_STALE,
        if_match=True,
    ),
    Call(
        name="shadow/resume",
        summary="End a pause",
        body=ShadowSwitchRequest,
        example=_WHY,
        result=Change,
        errors=_PAUSE | _STALE,
        if_match=True,
    ),
)
