"""Liveness, readiness and metrics: what orchestrators and Prometheus read without a token."""

from __future__ import annotations

import asyncio

from aiohttp import web

from proxy.admin.metrics import render
from proxy.fleet.spread import PROVEN
from proxy.supervision.report import Report


class Probes:
    """The handlers, over one running figway."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def routes(self) -> list[web.RouteDef]:
        """Every probe."""
        return [
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def livez(self, _: web.Request) -> web.Response:
        """The supervisor's loop turns; a restart would not make it better."""
        return _text(200, "ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """503 while this figway should get no traffic; `?verbose` tells everything known."""
        status = self._report.status()
        code = 503 if status.obstacles else 200
        lines = [f"[-] {obstacle}" for obstacle in status.obstacles]
        if "verbose" in request.query:
            ready = sum(worker.state == "ready" for worker in status.workers)
            lines += [
                f"[+] phase {status.phase.value}",
                f"[+] {ready} of {len(status.workers)} workers ready",
                f"[+] routes {status.routes.revision}",
                f"[+] revision {status.revision}",
            ]
            if status.fleet is not None and not status.fleet.stale:
                lines.append(f"{PROVEN} {status.fleet.unproven_seconds:.1f} s ago")
            lines += [f"[!] {remark}" for remark in status.remarks]
        lines.append("not ready" if status.obstacles else "ok")
        return _text(code, "\n".join(lines) + "\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """The page, summed over the workers when it is asked for."""
        tally = await self._report.tally()
        accept = request.headers.get("Accept", "")
        # In a thread: ten thousand routes make a page that takes a while to write.
        page = await asyncio.to_thread(render, tally, self._report.series(), accept)
        return web.Response(body=page.text, headers={"Content-Type": page.content_type})


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Cache-Control": "no-store"})
