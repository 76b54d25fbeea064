"""Problem details (RFC 9457): the one shape of every error that the admin listener sends."""

from __future__ import annotations

import json
from http import HTTPStatus

from aiohttp import web


class AdminError(Exception):
    """A request that is not carried out: its status, and a detail that names the mend."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        problems: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.problems = problems


def problem(error: AdminError) -> web.Response:
    """The error as `application/problem+json`."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
    }
    if error.problems:
        body["problems"] = list(error.problems)
    return web.Response(
        status=error.status,
        body=json.dumps(body).encode() + b"\n",
        content_type="application/problem+json",
        headers=error.headers,
    )
