"""The webhooks of flag sources: calls with a secret of their own, which only make Figway fetch."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from proxy.admin.problem import AdminError

UNLEASH = "/api/v1/hooks/unleash"
_REFUSALS = {
    401: "the Authorization is not the webhook token of this Figway",
    404: "no Unleash webhook is expected here: FIGWAY_UNLEASH_WEBHOOK_TOKEN is not set",
}
_NO_UNLEASH = (
    "flags do not come from Unleash here: FIGWAY_UNLEASH_URL and FIGWAY_UNLEASH_TOKEN make it"
)


class Webhook(Protocol):
    """Where a call goes."""

    def received(self, authorization: str, body: bytes) -> int:
        """Take one call; the status to answer with."""


class HookApi:
    """The handlers. Without a webhook every call is a 404 that says what to set."""

    def __init__(self, unleash: Webhook | None) -> None:
        self._unleash = unleash

    def routes(self) -> list[web.RouteDef]:
        """Every call with its one method."""
        return [web.post(UNLEASH, self.unleash)]

    async def unleash(self, request: web.Request) -> web.Response:
        """POST /api/v1/hooks/unleash."""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            # An event of one flag is far smaller; of a larger one only the call counts.
            body = b""
        if self._unleash is None:
            raise AdminError(404, _NO_UNLEASH)
        status = self._unleash.received(request.headers.get("Authorization", ""), body)
        if status in _REFUSALS:
            raise AdminError(status, _REFUSALS[status])
        return web.Response(status=status)
