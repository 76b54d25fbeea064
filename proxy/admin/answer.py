"""One JSON answer of the admin API."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


def answer(value: Any) -> web.Response:
    """Send a value as JSON; what JSON has no form for is sent as its text."""
    return web.Response(
        body=json.dumps(value, default=str).encode() + b"\n", content_type="application/json"
    )
