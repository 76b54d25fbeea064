"""What a RedisStore counts, for metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RedisCounts:
    """Totals since the start; `round_trip_seconds` is of the last poll."""

    connects: int = 0
    connection_faults: int = 0
    polls: int = 0
    whole_reads: int = 0
    messages: int = 0
    # Messages that did not follow what was known, and revisions that only the poll found.
    gaps: int = 0
    unheard: int = 0
    # Subscriptions given up because nothing was heard on them.
    deaf: int = 0
    # Messages and fields that could not be read.
    damaged: int = 0
    writes: int = 0
    write_retries: int = 0
    write_failures: int = 0
    # Words written back to a store that had lost them.
    restored: int = 0
    # Lines of the audit that Redis did not take.
    audit_failures: int = 0
    nudges_dropped: int = 0
    round_trip_seconds: float = 0.0
