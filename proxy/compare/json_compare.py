"""Two JSON bodies compared: the reader of application/json."""

from __future__ import annotations

from proxy.compare.findings import Findings
from proxy.compare.reader import Body


def compare_json(legacy: Body, new: Body, found: Findings) -> None:
    """Report where two JSON bodies differ."""
