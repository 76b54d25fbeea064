"""The official client, asked for what it is good at: fetch, register, report. Knows its insides.

`AsyncUnleashClient` polls at its own times, loads its evaluation engine at every poll and counts by
asking that engine. Workers evaluate, so here its transport, its headers and its payloads are used
and its timers and engine are not: nothing is loaded, nothing blocks, a fetch is made when we say.
Everything private of UnleashClient that we touch is named in this file and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from UnleashClient._payloads import _build_metrics_payload, _build_register_payload
from UnleashClient.cache import BaseCache
from UnleashClient.clients.async_unleash_client import AsyncUnleashClient
from UnleashClient.utils import InstanceAllowType

from flags.unleash.connection import UnleashConnection
from flags.unleash.fetch import Answer, FetchError

# Unleash's open-source server holds 5,000 flags; an answer with all of them is a few megabytes.
MAX_ANSWER: Final = 32 * 1024 * 1024
_CHUNK: Final = 64 * 1024
# A fetch in all, however slowly its answer drips.
_LONGEST: Final = 20.0
STRATEGIES: Final = (
    *("default", "userWithId", "flexibleRollout", "remoteAddress", "applicationHostname"),
    *("gradualRolloutUserId", "gradualRolloutSessionId", "gradualRolloutRandom"),
)


class MemoryCache(BaseCache):
    """What the client would keep in files of its own below the home directory."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> None:
        """Keep one value."""
        self._kept[key] = value

    def mset(self, data: dict[str, Any]) -> None:
        """Keep several."""
        self._kept.update(data)

    def get(self, key: str, default: Any = None) -> Any:
        """What is kept, else `default`."""
        return self._kept.get(key, default)

    def exists(self, key: str) -> bool:
        """Whether it is kept."""
        return key in self._kept

    def destroy(self) -> None:
        """Forget everything."""
        self._kept.clear()


class TooLarge(aiohttp.ClientPayloadError):
    """An answer beyond MAX_ANSWER."""


class _BoundedResponse(aiohttp.ClientResponse):
    async def read(self) -> bytes:
        if self._body is None:
            parts, size = [], 0
            async for part in self.content.iter_chunked(_CHUNK):
                size += len(part)
                if size > MAX_ANSWER:
                    self.close()
                    raise TooLarge(f"the answer is over {MAX_ANSWER >> 20} MiB")
                parts.append(part)
            self._body = b"".join(parts)
        return self._body


class Client:
    """One client of one Unleash. Make it, use it and close it in one event loop."""

    def __init__(self, connection: UnleashConnection) -> None:
        # It logs every failure with a traceback; what matters is in our own errors.
        logging.getLogger("UnleashClient").setLevel(logging.CRITICAL + 1)
        self._connection = connection
        self._client = AsyncUnleashClient(
            url=connection.api,
            app_name=connection.app_name,
            environment=connection.environment or "default",
            instance_id=connection.instance,
            refresh_interval=max(1, round(connection.poll)),
            metrics_interval=max(1, round(connection.report)),
            custom_headers={"Authorization": connection.token},
            request_timeout=max(1, round(connection.patience)),
            # The next poll is the retry; the client's own come without a pause.
            request_retries=0,
            cache=MemoryCache(),
            multiple_instance_mode=InstanceAllowType.SILENTLY_ALLOW,
        )
        self._transport = self._client._transport
        # The client tells of a failure only in its log: what went wrong is noted on the way.
        self._failure: FetchError | None = None
        self._transport._session = aiohttp.ClientSession(
            trace_configs=[self._tracing()], response_class=_BoundedResponse
        )

    async def fetch(self, etag: str) -> Answer:
        """Fetch all features, or nothing new since `etag`. Raises FetchError."""
        self._failure = None
        try:
            async with asyncio.timeout(_LONGEST):
                result = await self._transport.fetch_features(etag=etag)
        except TimeoutError:
            raise FetchError(f"{self._where} did not finish within {_LONGEST:g} s") from None
        if result.raw_state is None and not result.not_modified:
            raise self._failure or FetchError(
                f"{self._where} gave no answer that can be read: it ended early, is no text, or"
                f" is over {MAX_ANSWER >> 20} MiB"
            )
        return Answer(text=result.raw_state, etag=result.etag)

    async def register(self) -> bool:
        """Say that we are there; whether Unleash took note."""
        payload = _build_register_payload(self._client._config, dict.fromkeys(STRATEGIES))
        try:
            async with asyncio.timeout(_LONGEST):
                return bool(await self._transport.register(payload))
        except (TimeoutError, aiohttp.ClientError):
            return False

    async def report(
        self, counts: Mapping[str, tuple[int, int]], start: datetime, stop: datetime
    ) -> bool:
        """Send how often each flag was on and off since `start`; whether Unleash took it."""
        bucket = {
            "start": start.astimezone(UTC).isoformat(),
            "stop": stop.astimezone(UTC).isoformat(),
            "toggles": {
                flag: {"yes": yes, "no": no, "variants": {}} for flag, (yes, no) in counts.items()
            },
        }
        payload = _build_metrics_payload(self._client._config, bucket)
        try:
            async with asyncio.timeout(_LONGEST):
                return bool(await self._transport.send_metrics(payload))
        except (TimeoutError, aiohttp.ClientError):
            return False

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.destroy()

    @property
    def _where(self) -> str:
        return f"Unleash at {self._connection.page}"

    def _tracing(self) -> aiohttp.TraceConfig:
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        trace.on_request_exception.append(self._failed)
        return trace

    async def _answered(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        status = told.response.status
        if told.method != "GET" or status in (200, 304):
            return
        if status in (401, 403):
            self._failure = FetchError(
                f"{self._where} refuses the backend token ({status}): is it of this Unleash, of"
                " type backend, and still there?",
                credentials=True,
            )
        elif status == 404:
            self._failure = FetchError(
                f"there is no client API at {told.url.with_query(None)} (404): check the address"
            )
        else:
            self._failure = FetchError(f"{self._where} answers {status}")

    async def _failed(
        self,
        _: aiohttp.ClientSession,
        __: SimpleNamespace,
        told: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        if told.method == "GET":
            self._failure = FetchError(f"{self._where} cannot be asked: {_reason(told.exception)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({error.certificate_error})"
    if isinstance(error, aiohttp.ClientConnectorError):
        code = error.os_error.errno
        return os.strerror(code) if code and code > 0 else str(error.os_error)
    return str(error) or type(error).__name__
