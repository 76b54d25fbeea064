"""The unix socket between supervisor and worker or observer: messages, their frames, and `Link`."""

from proxy.link.end import Link, open_link
from proxy.link.frames import Assembler, decode, encode, parts
from proxy.link.messages import (
    Answer,
    Applied,
    Apply,
    Ask,
    Collect,
    Counters,
    Down,
    Drain,
    Drained,
    Heartbeat,
    LinkBroken,
    Message,
    Ready,
    Start,
    Stop,
    Up,
)

__all__ = [
    "Answer",
    "Applied",
    "Apply",
    "Ask",
    "Assembler",
    "Collect",
    "Counters",
    "Down",
    "Drain",
    "Drained",
    "Heartbeat",
    "Link",
    "LinkBroken",
    "Message",
    "Ready",
    "Start",
    "Stop",
    "Up",
    "decode",
    "encode",
    "open_link",
    "parts",
]
