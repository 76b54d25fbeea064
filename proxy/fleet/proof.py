"""Waiting for the proof that this replica knows all that its fleet decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

# Longer than what lies between two proofs while the store answers.
_FRESH_SECONDS = 0.5
_LOOK_SECONDS = 0.05


async def is_proven(unproven_seconds: Callable[[], float], patience: float) -> bool:
    """Whether the newest state is known, or is within `patience` seconds.

    `unproven_seconds` tells how long ago that was last proven.
    """
    end = time.monotonic() + patience
    while unproven_seconds() > _FRESH_SECONDS:
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True
