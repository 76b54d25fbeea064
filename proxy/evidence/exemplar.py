"""An exemplar: one pair of answers, kept whole and redacted, that shows a cause."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer as it may be written down. Bodies are decoded; `cut` tells that more followed."""

    upstream: str
    # 0 when there was none; then `error` says why.
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut: bool = False
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDifference:
    """A difference as it may be written down: proxy/compare's Difference in plain values."""

    path: str
    at: str
    kind: str
    severity: str
    legacy: str | None
    new: str | None
    cause: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """One comparison with both answers. Secrets were taken out by whoever made it."""

    # The comparison's id.
    id: str
    method: str
    # What the client asked for.
    target: str
    request_headers: tuple[tuple[str, str], ...] = ()
    request_body: bytes = b""
    legacy: KeptAnswer
    new: KeptAnswer
    # Worst first, cut to what is worth showing; `more` were found beyond.
    differences: tuple[KeptDifference, ...] = ()
    more: int = 0
    # Header and member names whose values were taken out of the request: a replay lacks them.
    redacted: tuple[str, ...] = ()
    trace_id: str = ""
    # The exemplar this one is a replay of; empty for traffic.
    replay_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExemplar:
    """An exemplar as the store gives it back."""

    route: str
    epoch_id: str
    at: float
    outcome: str
    detail: str
    fingerprints: tuple[str, ...]
    exemplar: Exemplar
