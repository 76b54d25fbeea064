"""The books: what a worker found eligible and ended itself, to be balanced with the rest."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.evidence.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One route in the ledger of one worker boot. All numbers are totals since that boot.

    Rule: eligible = own + in_worker + handed over, at the moment the worker wrote it.
    """

    boot: str
    route: str
    eligible: int
    # What the worker ended itself: (outcome, detail, how often).
    own: tuple[tuple[Outcome, str, int], ...] = ()
    # Eligible, not ended and not yet handed over when the ledger was written.
    in_worker: int = 0
    # (reason, how often) of requests that were not eligible.
    ineligible: tuple[tuple[str, int], ...] = ()
    # Eligible by everything but the sample.
    unsampled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the books of one boot and route came to when a ledger was entered."""

    boot: str
    route: str
    # Eligible requests of which nobody knows the end; negative when more ended than began. 0 unless
    # something is wrong. Settled as lost when the ledger was entered with `recover`.
    unaccounted: int
    # How many were settled as observer_lost or worker_lost.
    recovered: int = 0
