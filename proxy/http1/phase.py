"""The phases of a client connection."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """What a client connection does with the bytes it gets."""

    OPEN = 0
    # Nothing more is parsed; what is in flight is finished.
    DEAF = 1
    # The last response is out; what still comes is thrown away so that the client can read it.
    LINGER = 2
    # What was written still goes out, and nothing after it.
    CLOSING = 3
    TUNNEL = 4
    CLOSED = 5
