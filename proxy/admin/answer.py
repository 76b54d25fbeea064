"""One JSON answer of the admin API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web


def answer(value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """Send a value as JSON; what JSON has no form for is sent as its text."""
    return web.Response(
        body=json.dumps(value, default=str).encode() + b"\n",
        content_type="application/json",
        headers=headers,
    )
