"""Unleash's webhook: whose word it is, and which event it tells of. It carries no flags."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Protocol

from flags.unleash.events import Event, parse_event

ACCEPTED: Final = 202
NOT_AUTHORISED: Final = 401
CLOSED: Final = 404
_BEARER: Final = "bearer "


class Told(Protocol):
    """Who is told that Unleash has changed."""

    def heard(self, event: Event | None) -> None:
        """Unleash has changed; None: it did not say what."""


class Webhook:
    """The receiving end. What it is told only makes us fetch: nothing of a body moves traffic."""

    def __init__(self, told: Told, *, token: str) -> None:
        """`token` is what the webhook's field Authorization holds; empty closes it."""
        self._told = told
        # Only a digest is kept, so that no dump of this object holds the token.
        self._digest = _digest(token) if token else None
        self.counts = {"accepted": 0, "refused": 0}

    def received(self, authorization: str, body: bytes) -> int:
        """Take one call; the status to answer with."""
        if self._digest is None:
            self.counts["refused"] += 1
            return CLOSED
        if not hmac.compare_digest(_digest(authorization), self._digest):
            self.counts["refused"] += 1
            return NOT_AUTHORISED
        self.counts["accepted"] += 1
        self._told.heard(parse_event(body))
        return ACCEPTED


def _digest(token: str) -> bytes:
    # `Bearer TOKEN` and TOKEN are the same: Unleash sends what was typed into its form.
    token = token.strip()
    if token[: len(_BEARER)].lower() == _BEARER:
        token = token[len(_BEARER) :].strip()
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
