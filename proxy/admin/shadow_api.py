"""The JSON API of shadow traffic and its evidence: reports, exemplars, rules, pause and resume."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import Field, StringConstraints

from proxy.admin.answer import answer
from proxy.admin.body import read, typed
from proxy.admin.fields import (
    PATIENCE,
    Name,
    Reason,
    Ticket,
    Wait,
    Who,
    acting,
    refusal,
    seen_revision,
    tag,
)
from proxy.admin.problem import AdminError
from proxy.admin.query import query
from proxy.supervision.change import Refused
from proxy.supervision.evidence_desk import EvidenceDesk
from proxy.supervision.shadow_switch import ShadowSwitch

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
# Each is checked against the model of routes.yaml, which names its mistakes.
Draft = Annotated[list[dict[str, Any]], Field(min_length=1)]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSwitchRequest:
    """Body of pause and resume."""

    reason: Reason = "none given"
    actor: Who = ""
    ticket: Ticket = ""
    wait_seconds: Wait = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfRequest:
    """Body of a what-if: draft entries of compare.rules, as they would stand in routes.yaml."""

    route: Name
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """Body of a replay: the id of an exemplar."""

    id: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageRequest:
    """Body of triage: a cause that somebody has looked at, and the ticket for it."""

    route: Name
    fingerprint: Name
    ticket: Note = ""
    note: Note = ""
    actor: Who = ""


def _ticket_or_note(schema: dict[str, Any]) -> None:
    """Either is enough, and one of them has to be there."""
    schema["anyOf"] = [
        {"required": [name], "properties": {name: {"pattern": r"[^\s]"}}}
        for name in ("ticket", "note")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptRequest:
    """Body of accept: the path whose proposed rule is wanted."""

    route: Name
    path: Name


_SWITCH = typed(ShadowSwitchRequest)
_WHAT_IF = typed(WhatIfRequest)
_REPLAY = typed(ReplayRequest)
_TRIAGE = typed(TriageRequest, described=_ticket_or_note)
_ACCEPT = typed(AcceptRequest)

PREFIX = "/api/v1/shadow"


class ShadowApi:
    """The handlers, over the switch and the evidence of one running figway."""

    def __init__(self, switch: ShadowSwitch, desk: EvidenceDesk) -> None:
        self._switch = switch
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Every call with its one method."""
        return [
            web.get(f"{PREFIX}/report", self.report, allow_head=False),
            web.get(f"{PREFIX}/exemplars", self.exemplars, allow_head=False),
            web.get(f"{PREFIX}/exemplars/{{id}}", self.show, allow_head=False),
            web.get(f"{PREFIX}/rules", self.rules, allow_head=False),
            web.post(f"{PREFIX}/what-if", self.what_if),
            web.post(f"{PREFIX}/replay", self.replay),
            web.post(f"{PREFIX}/triage", self.triage),
            web.post(f"{PREFIX}/accept", self.accept),
            web.post(f"{PREFIX}/pause", self.pause),
            web.post(f"{PREFIX}/resume", self.resume),
        ]

    async def report(self, request: web.Request) -> web.Response:
        """GET /api/v1/shadow/report?route=ID."""
        asked = query(request, optional=("route",))
        return answer(await _done(self._desk.report(asked["route"])))

    async def exemplars(self, request: web.Request) -> web.Response:
        """GET /api/v1/shadow/exemplars?route=ID&fingerprint=HEX."""
        asked = query(request, "route", optional=("fingerprint",))
        return answer(await _done(self._desk.exemplars(asked["route"], asked["fingerprint"])))

    async def show(self, request: web.Request) -> web.Response:
        """GET /api/v1/shadow/exemplars/ID."""
        query(request)
        return answer(await _done(self._desk.show(request.match_info["id"][:200])))

    async def rules(self, request: web.Request) -> web.Response:
        """GET /api/v1/shadow/rules?route=ID."""
        asked = query(request, "route")
        return answer(await _done(self._desk.rules(asked["route"])))

    async def what_if(self, request: web.Request) -> web.Response:
        """POST /api/v1/shadow/what-if."""
        asked = await read(request, _WHAT_IF)
        return answer(await _done(self._desk.rules(asked.route, asked.draft)))

    async def replay(self, request: web.Request) -> web.Response:
        """POST /api/v1/shadow/replay."""
        asked = await read(request, _REPLAY)
        return answer(await _done(self._desk.replay(asked.id)))

    async def triage(self, request: web.Request) -> web.Response:
        """POST /api/v1/shadow/triage."""
        asked = await read(request, _TRIAGE)
        if not asked.ticket and not asked.note:
            raise AdminError(400, "ticket or note: say who looks at it, or why it is harmless")
        return answer(
            await _done(
                self._desk.triage(
                    asked.route,
                    asked.fingerprint,
                    ticket=asked.ticket,
                    note=asked.note,
                    actor=acting(request, asked.actor),
                )
            )
        )

    async def accept(self, request: web.Request) -> web.Response:
        """POST /api/v1/shadow/accept."""
        asked = await read(request, _ACCEPT)
        return answer(await _done(self._desk.accept(asked.route, asked.path)))

    async def pause(self, request: web.Request) -> web.Response:
        """POST /api/v1/shadow/pause."""
        asked = await read(request, _SWITCH)
        done = await _done(
            self._switch.pause(
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
                patience=float(asked.wait_seconds),
                seen=seen_revision(request),
            )
        )
        return answer(asdict(done), tag(done.revision))

    async def resume(self, request: web.Request) -> web.Response:
        """POST /api/v1/shadow/resume."""
        asked = await read(request, _SWITCH)
        done = await _done(
            self._switch.resume(
                actor=acting(request, asked.actor, asked.ticket),
                reason=asked.reason,
                patience=float(asked.wait_seconds),
                seen=seen_revision(request),
            )
        )
        return answer(asdict(done), tag(done.revision))


async def _done(question: Awaitable[Result]) -> Result:
    try:
        return await question
    except Refused as refused:
        raise refusal(refused) from None
