"""The call that tells what the flags say now, as requests are decided with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from flags.snapshot_json import to_json
from proxy.admin.answer import answer
from proxy.admin.query import query
from proxy.supervision.control import Control
from proxy.supervision.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFlags:
    """Everything that flags and rollbacks say now, and where each word comes from."""

    # file, redis or unleash.
    provider: str
    # Of the state that workers use, and of routes.yaml.
    revision: int
    config_revision: str
    # The snapshot: percentages in basis points, and rules, by group, route or scope.
    snapshot: Mapping[str, Any]
    # Scope, or "rollback SCOPE", to who says so.
    origins: Mapping[str, str]
    # What the provider says and cannot be followed.
    problems: tuple[str, ...] = field(default=())


class FlagsApi:
    """The handler, over one running figway."""

    def __init__(self, control: Control, report: Report) -> None:
        self._control = control
        self._report = report

    def routes(self) -> list[web.RouteDef]:
        """The call with its one method."""
        return [web.get("/api/v1/flags", self.flags, allow_head=False)]

    async def flags(self, request: web.Request) -> web.Response:
        """GET /api/v1/flags."""
        query(request)
        return answer(asdict(self._now()))

    def _now(self) -> LiveFlags:
        control = self._control
        provider = self._report.status().provider
        return LiveFlags(
            provider=control.switches.provider.value,
            revision=control.revision,
            config_revision=control.file.revision,
            snapshot=to_json(control.flags),
            origins=dict(control.origins()),
            problems=() if provider is None else provider.problems,
        )
