"""The fields that bodies of the admin API share, who acts, and how a refusal becomes a status."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from aiohttp import web
from pydantic import Field, Strict, StringConstraints

from proxy.admin.problem import AdminError
from proxy.supervision.audit import Actor
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.publisher import PATIENCE_SECONDS

# A reason is read by people in an audit: not empty, not a document.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Who = Annotated[str, StringConstraints(max_length=200)]
# Strict: true is no number, and "1" is none either.
Number = Annotated[int, Strict()] | Annotated[Decimal, Strict()]
Wait = Annotated[Number, Field(gt=0, le=60)]

PATIENCE = Decimal(PATIENCE_SECONDS)

STATUS_OF = {
    Refusal.INVALID: 400,
    Refusal.UNKNOWN: 404,
    Refusal.CONFLICT: 409,
    Refusal.UNAVAILABLE: 503,
}


def acting(request: web.Request, named: str) -> Actor:
    """Who acts. The token says that it is an operator; the name is what that one says of itself."""
    return Actor(who=named or f"token from {request.remote}", via="api")


def refusal(refused: Refused) -> AdminError:
    """The problem that tells of a refusal."""
    return AdminError(STATUS_OF[refused.kind], str(refused))
