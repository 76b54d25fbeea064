"""Tokens over the admin API: who has one, making one, revoking one. For admins."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints, WithJsonSchema

from proxy.admin.answer import answer
from proxy.admin.body import read, typed
from proxy.admin.fields import Name, Number, Reason, Ticket, Who, acting, refusal
from proxy.admin.query import query
from proxy.admin.roles import Role
from proxy.admin.token_desk import TokenDesk
from proxy.admin.tokens import LONGEST, NAME_PATTERN, Standing, Token
from proxy.supervision.change import Refused

TokenName = Annotated[str, StringConstraints(max_length=64, pattern=NAME_PATTERN)]
Seconds = Annotated[
    Number,
    Field(ge=0, le=LONGEST),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": LONGEST}),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTokenRequest:
    """Body of tokens: whose it is, what it may do, and for how long; 0 is until it is revoked."""

    name: TokenName
    role: Role
    reason: Reason
    expires_seconds: Seconds = 0
    actor: Who = ""
    ticket: Ticket = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeTokenRequest:
    """Body of tokens/revoke: an id, or a name that one token has."""

    token: Name
    reason: Reason
    actor: Who = ""
    ticket: Ticket = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """One token without what proves it. Times are seconds since the epoch; 0 is never."""

    id: str
    name: str
    role: Role
    standing: Standing
    created: float
    created_by: str
    expires: float
    revoked: float
    revoked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensAnswer:
    """Every token there is, also those that are no longer good."""

    path: str
    # Why the file as it is now is not used; empty when it is.
    problem: str
    tokens: tuple[TokenView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedToken:
    """A new token. `secret` is the token itself: it is not kept and cannot be asked for again."""

    secret: str
    token: TokenView


_CREATE = typed(CreateTokenRequest)
_REVOKE = typed(RevokeTokenRequest)


class TokenApi:
    """The handlers, over the tokens of one running figway."""

    def __init__(self, desk: TokenDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Every call with its one method."""
        return [
            web.get("/api/v1/tokens", self.list_tokens, allow_head=False),
            web.post("/api/v1/tokens", self.create),
            web.post("/api/v1/tokens/revoke", self.revoke),
        ]

    async def list_tokens(self, request: web.Request) -> web.Response:
        """GET /api/v1/tokens."""
        query(request)
        views = tuple(_view(token) for token in self._desk.current().tokens)
        return answer(
            asdict(
                TokensAnswer(path=str(self._desk.path), problem=self._desk.problem, tokens=views)
            )
        )

    async def create(self, request: web.Request) -> web.Response:
        """POST /api/v1/tokens."""
        asked = await read(request, _CREATE)
        expires = time.time() + float(asked.expires_seconds) if asked.expires_seconds else 0.0
        try:
            token, text = await self._desk.create(
                asked.name,
                asked.role,
                expires=expires,
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
            )
        except Refused as refused:
            raise refusal(refused) from None
        return answer(asdict(CreatedToken(secret=text, token=_view(token))))

    async def revoke(self, request: web.Request) -> web.Response:
        """POST /api/v1/tokens/revoke."""
        asked = await read(request, _REVOKE)
        try:
            revoked = await self._desk.revoke(
                asked.token,
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
            )
        except Refused as refused:
            raise refusal(refused) from None
        row = next(t for t in self._desk.current().tokens if t.id == revoked.id)
        return answer(asdict(_view(row)))


def _view(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        role=token.role,
        standing=token.standing(time.time()),
        created=token.created,
        created_by=token.created_by,
        expires=token.expires,
        revoked=token.revoked,
        revoked_by=token.revoked_by,
    )
