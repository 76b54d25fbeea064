"""The call that plans a rollback before it is made."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from flags.scope import ALL
from proxy.admin.answer import answer
from proxy.admin.fields import refusal
from proxy.admin.query import query
from proxy.supervision.change import Refused
from proxy.supervision.planner import Planner


class PlanApi:
    """The handler, over one planner."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def routes(self) -> list[web.RouteDef]:
        """The call with its one method."""
        return [web.get("/api/v1/plan", self.plan, allow_head=False)]

    async def plan(self, request: web.Request) -> web.Response:
        """GET /api/v1/plan?scope=SCOPE."""
        scope = query(request, optional=("scope",))["scope"] or ALL
        try:
            return answer(asdict(self._planner.plan(scope)))
        except Refused as refused:
            raise refusal(refused) from None
