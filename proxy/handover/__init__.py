"""The frames between a worker and the observer; `frames.py` has the layout."""

from proxy.handover.frames import (
    MAX_BODY,
    MAX_HEAD,
    Closed,
    Decided,
    Ended,
    Frame,
    HandoverBroken,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    TakenRequest,
    TakenResponse,
    Whole,
    first_value,
    read_head,
)
from proxy.handover.reading import Unpacker
from proxy.handover.writing import Packer

__all__ = [
    "MAX_BODY",
    "MAX_HEAD",
    "Closed",
    "Decided",
    "Ended",
    "Frame",
    "HandoverBroken",
    "Hello",
    "Ledger",
    "LedgerRow",
    "Opened",
    "Packer",
    "TakenRequest",
    "TakenResponse",
    "Unpacker",
    "Whole",
    "first_value",
    "read_head",
]
