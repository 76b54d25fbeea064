"""The header fields of two answers compared, as far as the policy names them."""

from __future__ import annotations

from proxy.compare.findings import Findings
from proxy.exchange import Answer


def compare_headers(legacy: Answer, new: Answer, found: Findings) -> None:
    """Report fields that differ."""
