"""The fields that bodies of the admin API share, who acts, and how a refusal becomes a status."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from aiohttp import web
from pydantic import Field, Strict, StringConstraints, WithJsonSchema

from proxy.admin.principal import Principal
from proxy.admin.problem import AdminError
from proxy.supervision.audit import Actor
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.publisher import PATIENCE_SECONDS

# A reason is read by people in an audit: not empty, not a document.
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1000, "pattern": r"[^\s]"}),
]
SCOPE_PATTERN = "^(all|group:.+|route:.+)$"
# Which of them there are, routes.yaml says.
Scope = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    WithJsonSchema({"type": "string", "maxLength": 200, "pattern": SCOPE_PATTERN}),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Who = Annotated[str, StringConstraints(max_length=200)]
Ticket = Annotated[str, StringConstraints(max_length=200)]
# Strict: true is no number, and "1" is none either.
Number = Annotated[int, Strict()] | Annotated[Decimal, Strict()]
Percent = Annotated[
    Number, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.01})
]
Wait = Annotated[
    Number,
    Field(gt=0, le=60),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 60, "default": 5}),
]

PATIENCE = int(PATIENCE_SECONDS)

STATUS_OF = {
    Refusal.INVALID: 400,
    Refusal.UNKNOWN: 404,
    Refusal.CONFLICT: 409,
    Refusal.STALE: 412,
    Refusal.UNAVAILABLE: 503,
}


# Where the guard leaves whom it found.
PRINCIPAL = web.RequestKey("principal", Principal)
# A strong entity tag whose text is a revision, or any: RFC 9110, 13.1.1.
_IF_MATCH = re.compile(r'"([0-9]{1,18})"')


def acting(request: web.Request, named: str, ticket: str = "") -> Actor:
    """Who acts. Whoever has a token of their own is that one, whatever they say of themselves."""
    principal = request[PRINCIPAL]
    if not principal.name:
        who = named or f"token from {request.remote}"
        return Actor(who=who, via="api", credential=principal.credential, ticket=ticket)
    return Actor(
        who=principal.name,
        via="api",
        credential=principal.credential,
        claimed=named,
        ticket=ticket,
    )


def seen_revision(request: web.Request) -> int | None:
    """The revision that the caller has seen, from If-Match; None: any will do.

    Raises AdminError 400.
    """
    fields = request.headers.getall("If-Match", [])
    if not fields or fields == ["*"]:
        return None
    found = _IF_MATCH.fullmatch(fields[0]) if len(fields) == 1 else None
    if found is None:
        raise AdminError(
            400, 'If-Match: send one revision in quotes, such as "1790000000000000", or *'
        )
    return int(found[1])


def tag(revision: int) -> dict[str, str]:
    """The header that gives an answer its revision, to be sent back as If-Match."""
    return {"ETag": f'"{revision}"'}


def refusal(refused: Refused) -> AdminError:
    """The problem that tells of a refusal."""
    return AdminError(STATUS_OF[refused.kind], str(refused))
