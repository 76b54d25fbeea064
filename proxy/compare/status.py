"""The status of two answers compared."""

from __future__ import annotations

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare_policy import Severity


def compare_status(legacy: int, new: int, found: Findings) -> bool:
    """Report a difference of status; False where the bodies are then not worth comparing."""
    if legacy == new:
        return True
    found.record(
        *("status", "status", Kind.STATUS, Severity.CRITICAL, str(legacy), str(new)),
        f"status:{legacy}_to_{new}",
    )
    return legacy // 100 == new // 100
