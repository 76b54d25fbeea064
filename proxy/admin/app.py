"""The admin listener as one aiohttp application: guard, handlers, and one shape of error."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from proxy.admin.answer import answer
from proxy.admin.api import Api
from proxy.admin.body import MAX_BODY
from proxy.admin.fields import PRINCIPAL
from proxy.admin.guard import OWN_SECRET_PATHS, Asked, Guard
from proxy.admin.openapi import document
from proxy.admin.probes import Probes
from proxy.admin.problem import AdminError, problem
from proxy.admin.shadow_api import ShadowApi
from proxy.supervision.control import Control
from proxy.supervision.evidence_desk import EvidenceDesk
from proxy.supervision.report import Report

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(
    control: Control,
    report: Report,
    desk: EvidenceDesk,
    guard: Guard,
    log: FilteringBoundLogger,
    *,
    calls: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Put the application together; `calls` are those that stand on parts of their own."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            # The router's path: one row of the table of roles for what varies in it.
            resource = request.match_info.route.resource
            asked = Asked(
                method=request.method,
                path=request.path if resource is None else resource.canonical,
                headers=request.headers,
                remote=request.remote or "",
            )
            principal = guard.check(asked)
            if principal is not None:
                request[PRINCIPAL] = principal
            response = await handler(request)
        except AdminError as error:
            response = problem(_slowed(guard, request, error))
        except web.HTTPException as error:
            response = problem(_from_aiohttp(request, error))
        except Exception as error:  # the one place that turns a defect into a 500
            log.error("admin_call_failed", path=request.path, exc_info=error)
            response = problem(AdminError(500, "figway has a defect here: see its log"))
        if response.status >= 400:
            guard.refusals[response.status] += 1
        if response.status in (401, 403):
            # So often as the guard lets an address fail. The query may hold what was meant as one.
            log.warning(
                "admin_refused",
                status=response.status,
                method=request.method,
                path=request.path,
                remote=request.remote,
            )
        elif response.status == 408:
            log.warning(
                "admin_abandoned", method=request.method, path=request.path, remote=request.remote
            )
        # No answer of this listener is for caches, frames or guessing.
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Server"] = "figway"
        return response

    async def openapi(_: web.Request) -> web.Response:
        return answer(document())

    app = web.Application(middlewares=[guarded], client_max_size=MAX_BODY)
    app.add_routes(Api(control, report).routes())
    app.add_routes(ShadowApi(control.shadow, desk).routes())
    app.add_routes(Probes(report).routes())
    app.add_routes(calls)
    app.add_routes([web.get("/openapi.json", openapi)])
    return app


async def serve(app: web.Application, listener: socket.socket) -> web.AppRunner:
    """Serve on a bound socket; clean the runner up to stop."""
    runner = web.AppRunner(
        app,
        # aiohttp's own writes request headers raw.
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        keepalive_timeout=15.0,
        max_line_size=8190,
        max_field_size=8190,
    )
    await runner.setup()
    await web.SockSite(runner, listener, backlog=128).start()
    return runner


def _slowed(guard: Guard, request: web.Request, error: AdminError) -> AdminError:
    """The same error, or that there were too many wrong secrets where a call checks its own."""
    if error.status == 401 and request.path in OWN_SECRET_PATHS:
        try:
            guard.failed(request.remote or "")
        except AdminError as too_many:
            return too_many
    return error


def _from_aiohttp(request: web.Request, error: web.HTTPException) -> AdminError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return AdminError(
            405, f"{request.path} takes {allowed}, not {error.method}", headers={"Allow": allowed}
        )
    if error.status == 404:
        return AdminError(404, f"there is nothing at {request.path[:200]}: see /openapi.json")
    return AdminError(error.status, error.reason)
