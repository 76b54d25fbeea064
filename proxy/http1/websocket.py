"""WebSocket frames in passing (RFC 6455, 5.2): where they end, and how a tunnel says goodbye."""

from __future__ import annotations

import secrets
from typing import Final

# RFC 6455, 7.4.2 and IANA's registry: "Service Restart", the client may reconnect; to a server, an
# endpoint "is going away".
SERVICE_RESTART: Final = 1012
GOING_AWAY: Final = 1001

_CLOSE: Final = 0x8
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_SHORTEST: Final = 2
# Bytes of the extended length, by the seven bits that announce it.
_EXTENDED: Final = {126: 2, 127: 8}


class Frames:
    """Follows one direction of a connection. Payloads are skipped, not read."""

    __slots__ = ("_head", "_left", "closing")

    def __init__(self) -> None:
        # The head of the frame at hand, as far as it has come.
        self._head = bytearray()
        # Bytes of its payload that are to come.
        self._left = 0
        # A close frame has gone by; nothing may follow it.
        self.closing = False

    @property
    def between(self) -> bool:
        """Whether a frame may begin here."""
        return not self._left and not self._head

    def follow(self, data: bytes, *, to_end_of_frame: bool = False) -> int:
        """Go through bytes, or only to the end of the frame at hand; gives how many that were."""
        position, size = 0, len(data)
        while position < size:
            if self._left:
                step = min(self._left, size - position)
                self._left -= step
                position += step
            else:
                step = min(self._missing(), size - position)
                self._head += data[position : position + step]
                position += step
                if not self._missing():
                    self._head_complete()
            if to_end_of_frame and self.between:
                break
        return position

    def _missing(self) -> int:
        """Bytes until the head is whole, or until it tells how long it is."""
        head = self._head
        if len(head) < _SHORTEST:
            return _SHORTEST - len(head)
        mask = 4 if head[1] & _MASKED else 0
        return _SHORTEST + _EXTENDED.get(head[1] & 0x7F, 0) + mask - len(head)

    def _head_complete(self) -> None:
        head = self._head
        length = head[1] & 0x7F
        extended = _EXTENDED.get(length)
        self._left = length if extended is None else int.from_bytes(head[2 : 2 + extended])
        self.closing = self.closing or head[0] & 0x0F == _CLOSE
        head.clear()


def close_frame(code: int, *, masked: bool) -> bytes:
    """A close frame with a status; what a client sends is masked (RFC 6455, 5.3)."""
    payload = code.to_bytes(2)
    if not masked:
        return bytes((_FINAL | _CLOSE, len(payload))) + payload
    mask = secrets.token_bytes(4)
    hidden = bytes(one ^ two for one, two in zip(payload, mask, strict=False))
    return bytes((_FINAL | _CLOSE, _MASKED | len(payload))) + mask + hidden
