"""Active health checks: one task per endpoint, asking on its own; nothing ever waits for them."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from structlog.typing import FilteringBoundLogger

from proxy.routing.route import HealthCheck, RouteFile, Upstream

# Failures in a row that make an endpoint unhealthy; one success makes it healthy again.
FAILURES = 2


@dataclass(slots=True)
class EndpointHealth:
    """What is known of one endpoint. It is healthy until proven otherwise."""

    upstream: str
    url: str
    healthy: bool = True
    failures: int = 0
    last_error: str = ""

    @property
    def key(self) -> str:
        """How workers are told of it."""
        return f"{self.upstream}|{self.url}"


class HealthChecks:
    """Asks every endpoint of upstreams with `health`; `on_change` says that the verdict changed."""

    def __init__(self, *, on_change: Callable[[], None], log: FilteringBoundLogger) -> None:
        self._on_change = on_change
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []
        self._endpoints: dict[tuple[str, str], EndpointHealth] = {}

    @property
    def endpoints(self) -> tuple[EndpointHealth, ...]:
        """Every endpoint that is asked."""
        return tuple(self._endpoints.values())

    @property
    def unhealthy(self) -> tuple[str, ...]:
        """The endpoints that fail, as `upstream|url`."""
        return tuple(e.key for e in self._endpoints.values() if not e.healthy)

    def watch(self, file: RouteFile) -> None:
        """Ask the endpoints of this file; what is known of those that stay is kept."""
        before = self.unhealthy
        known = self._endpoints
        self._cancel()
        self._endpoints = {}
        for upstream in file.upstreams:
            if upstream.health is None:
                continue
            for url in upstream.urls:
                endpoint = known.get((upstream.name, url)) or EndpointHealth(upstream.name, url)
                self._endpoints[upstream.name, url] = endpoint
                self._tasks.append(
                    asyncio.create_task(self._ask_regularly(upstream, upstream.health, endpoint))
                )
        if self.unhealthy != before:
            self._on_change()

    async def close(self) -> None:
        """Stop asking."""
        tasks = tuple(self._tasks)
        self._cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _ask_regularly(
        self, upstream: Upstream, check: HealthCheck, endpoint: EndpointHealth
    ) -> None:
        while True:
            error = await _ask(upstream, check, endpoint.url)
            self._note(endpoint, error)
            # Spread, so that a fleet does not ask in step. A suspect is asked again sooner.
            pause = (
                check.interval if error is None or not endpoint.healthy else 0.25 * check.interval
            )
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, not a secret

    def _note(self, endpoint: EndpointHealth, error: str | None) -> None:
        was_healthy = endpoint.healthy
        endpoint.last_error = error or ""
        endpoint.failures = 0 if error is None else endpoint.failures + 1
        if error is None:
            endpoint.healthy = True
        elif endpoint.failures >= FAILURES:
            endpoint.healthy = False
        if endpoint.healthy != was_healthy:
            if endpoint.healthy:
                self._log.info(
                    "endpoint_recovered", upstream=endpoint.upstream, endpoint=endpoint.url
                )
            else:
                self._log.warning(
                    "endpoint_failed",
                    upstream=endpoint.upstream,
                    endpoint=endpoint.url,
                    error=endpoint.last_error,
                )
            self._on_change()


async def _ask(upstream: Upstream, check: HealthCheck, url: str) -> str | None:
    """Ask once, on a fresh connection; return what is wrong, or None."""
    timeout = aiohttp.ClientTimeout(total=check.timeout)
    try:
        connector, base = _way(upstream, url)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(
                base + check.path,
                allow_redirects=False,
                headers={"User-Agent": "figway-health"},
                server_hostname=upstream.tls_server_name or None,
            ) as response,
        ):
            if 200 <= response.status < 300:
                return None
            return f"status {response.status}"
    except TimeoutError:
        return f"no answer within {check.timeout} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _way(upstream: Upstream, url: str) -> tuple[aiohttp.BaseConnector, str]:
    if url.startswith("unix:"):
        path = url.removeprefix("unix:").removeprefix("//")
        return aiohttp.UnixConnector(path=path, force_close=True), "http://localhost"
    trust: ssl.SSLContext | bool = True
    if url.startswith("https:"):
        trust = ssl.create_default_context(cafile=upstream.tls_ca or None)
    return aiohttp.TCPConnector(ssl=trust, force_close=True), url.rstrip("/")
