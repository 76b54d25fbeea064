"""The JSON API of the admin listener: each call reads a typed body, asks the control, tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from flags.latch import Source
from proxy.admin.answer import answer
from proxy.admin.body import gone, has_gone, read, typed
from proxy.admin.fields import (
    PATIENCE,
    Name,
    Percent,
    Reason,
    Scope,
    Ticket,
    Wait,
    Who,
    acting,
    refusal,
    seen_revision,
    tag,
)
from proxy.admin.problem import AdminError
from proxy.config.typed_request import typed_request
from proxy.routing.explain import Explanation
from proxy.routing.explain_text import render
from proxy.supervision.change import Refused
from proxy.supervision.control import Control
from proxy.supervision.overview import RouteView
from proxy.supervision.report import Report
from proxy.supervision.rollbacks import HEAR_SECONDS

Headers = Annotated[
    list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(max_length=128)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRequest:
    """Body of rollback and resume."""

    scope: Scope
    reason: Reason
    actor: Who = ""
    ticket: Ticket = ""
    wait_seconds: Wait = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest(SwitchRequest):
    """Body of resume. `force` ends what control.resume_cooldown protects."""

    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentRequest:
    """Body of percent: a route or group, and 0 to 100 in steps of 0.01."""

    name: Name
    percent: Percent
    reason: Reason
    actor: Who = ""
    ticket: Ticket = ""
    wait_seconds: Wait = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadRequest:
    """Body of reload."""

    actor: Who = ""
    ticket: Ticket = ""
    wait_seconds: Wait = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """Body of explain: a request as a client would send it."""

    method: Name
    url: Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
    headers: Headers = field(default_factory=list)
    client_ip: Annotated[str, StringConstraints(max_length=45)] = "127.0.0.1"
    device_id: Annotated[str, StringConstraints(max_length=32)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainAnswer(Explanation):
    """An explanation, and the same as text for people."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesAnswer:
    """Every route in file order, under the revision that workers were last told to use."""

    revision: int
    config_revision: str
    routes: tuple[RouteView, ...]


# Of a rollback whose sender may take it back by going; the commands send it.
IF_WAITING = "X-Figway-If-Waiting"

_SWITCH = typed(SwitchRequest)
_RESUME = typed(ResumeRequest)
_PERCENT = typed(PercentRequest)
_RELOAD = typed(ReloadRequest)
_EXPLAIN = typed(ExplainRequest)


class Api:
    """The handlers, over one running figway."""

    def __init__(self, control: Control, report: Report) -> None:
        self._control = control
        self._report = report

    def routes(self) -> list[web.RouteDef]:
        """Every call with its one method."""
        return [
            web.get("/api/v1/status", self.status, allow_head=False),
            web.get("/api/v1/routes", self.list_routes, allow_head=False),
            web.post("/api/v1/explain", self.explain),
            web.post("/api/v1/rollback", self.rollback),
            web.post("/api/v1/resume", self.resume),
            web.post("/api/v1/percent", self.percent),
            web.post("/api/v1/reload", self.reload),
        ]

    async def status(self, _: web.Request) -> web.Response:
        """GET /api/v1/status."""
        status = await self._report.fresh_status()
        return answer(asdict(status), tag(self._control.revision))

    async def list_routes(self, _: web.Request) -> web.Response:
        """GET /api/v1/routes."""
        control = self._control
        routes = RoutesAnswer(
            revision=control.revision,
            config_revision=control.file.revision,
            routes=control.routes(),
        )
        return answer(asdict(routes), tag(control.revision))

    async def explain(self, request: web.Request) -> web.Response:
        """POST /api/v1/explain."""
        asked = await read(request, _EXPLAIN)
        try:
            facts = typed_request(
                asked.method,
                asked.url,
                headers=[(name, value) for name, value in asked.headers],
                client_ip=asked.client_ip,
                device_id=asked.device_id,
                cookie_name=self._control.settings.cookie_name,
            )
        except ValueError as error:
            raise AdminError(400, str(error)) from None
        explanation = self._control.explain(facts)
        return answer({"text": render(explanation), **asdict(explanation)})

    async def rollback(self, request: web.Request) -> web.Response:
        """POST /api/v1/rollback."""
        asked = await read(request, _SWITCH, unwaited="read")
        if (
            IF_WAITING in request.headers
            and await has_gone(request)
            # What came of it since, the fleet knows. Where that cannot be told, legacy is safe.
            and await self._control.rollbacks.heard_newest(HEAR_SECONDS)
        ):
            raise gone()
        try:
            done = await self._control.rollbacks.begin(
                asked.scope,
                source=Source.COMMAND,
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
                patience=float(asked.wait_seconds),
                seen=seen_revision(request),
            )
        except Refused as refused:
            raise refusal(refused) from None
        return answer(asdict(done), tag(done.revision))

    async def resume(self, request: web.Request) -> web.Response:
        """POST /api/v1/resume."""
        asked = await read(request, _RESUME)
        try:
            done = await self._control.rollbacks.end(
                asked.scope,
                force=asked.force,
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
                patience=float(asked.wait_seconds),
                seen=seen_revision(request),
            )
        except Refused as refused:
            raise refusal(refused) from None
        return answer(asdict(done), tag(done.revision))

    async def percent(self, request: web.Request) -> web.Response:
        """POST /api/v1/percent."""
        asked = await read(request, _PERCENT)
        try:
            done = await self._control.percentages.set(
                asked.name,
                Decimal(asked.percent),
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
                patience=float(asked.wait_seconds),
                seen=seen_revision(request),
            )
        except Refused as refused:
            raise refusal(refused) from None
        return answer(asdict(done), tag(done.revision))

    async def reload(self, request: web.Request) -> web.Response:
        """POST /api/v1/reload."""
        asked = await read(request, _RELOAD)
        actor, patience = acting(request, asked.actor, asked.ticket), float(asked.wait_seconds)
        try:
            self._control.publisher.check_seen(seen_revision(request))
        except Refused as refused:
            raise refusal(refused) from None
        done = await self._control.files.reload(actor=actor, patience=patience)
        return answer(asdict(done), tag(done.revision))
