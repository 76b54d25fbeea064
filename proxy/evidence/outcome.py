"""The outcomes: what became of an eligible request. Each ends in exactly one."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Names as in reports and in the label `outcome`."""

    # Byte-equal where it counts.
    MATCH = "match"
    # Equal after rules or the profile.
    MATCH_NORMALISED = "match_normalised"
    # Legacy differs from itself at the same places.
    NOISE = "noise"
    # Asked once more, legacy agrees with the new side: the data changed in between.
    RACE = "race"
    # Only differences that somebody has declared, with a ticket and an end.
    EXPECTED = "expected"
    # Detail: the worst severity.
    MISMATCH = "mismatch"
    # Detail: the cause. Critical in the gate.
    SHADOW_ERROR = "shadow_error"
    SHADOW_TIMEOUT = "shadow_timeout"
    # Detail: the reason. Missing data.
    INCOMPARABLE = "incomparable"
    # Detail: queue, breaker, loop_lag, budget, oversize, paused, observer_down, observer_lost.
    # Missing data.
    SHED = "shed"
    # The primary's response did not end whole. Detail: the cause.
    ABORTED = "aborted"
    # The legacy body holds a PHP error message.
    LEGACY_DEFECT = "legacy_defect"


# Outcomes that say nothing of the two sides; the gate limits their share.
LOST = frozenset({Outcome.INCOMPARABLE, Outcome.SHED})
# Outcomes that are critical mismatches in the gate.
FAILED = frozenset({Outcome.SHADOW_ERROR, Outcome.SHADOW_TIMEOUT})
