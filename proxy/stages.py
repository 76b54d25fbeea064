"""The words of a migration: side, role, stage and the reasons of a decision."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Who an upstream is, fixed for a route."""

    LEGACY = "legacy"
    NEW = "new"


class Role(StrEnum):
    """What an upstream does for one request."""

    PRIMARY = "primary"
    SHADOW = "shadow"


class Stage(StrEnum):
    """How far Git lets a route go. Flags move inside it, never beyond."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    COMPLETE = "complete"


class Reason(StrEnum):
    """Why a decision came out as it did; the order here is the order of precedence."""

    # A target that cannot be read unambiguously never matches a route with a new side.
    AMBIGUOUS_TARGET = "ambiguous_target"
    COMPLETE = "complete"
    ROLLBACK_ALL = "rollback_all"
    ROLLBACK_GROUP = "rollback_group"
    ROLLBACK_ROUTE = "rollback_route"
    STAGE_LEGACY = "stage_legacy"
    STAGE_SHADOW = "stage_shadow"
    # The rewrite needs a value that this request does not carry exactly once.
    REWRITE_VALUE_MISSING = "rewrite_value_missing"
    COHORT_NEVER = "cohort_never"
    COHORT_ALWAYS = "cohort_always"
    # A flag that one percentage cannot say: a strategy of it lets this request in, or none does.
    FLAG_ON = "flag_on"
    NO_STICKY_KEY = "no_sticky_key"
    FLAG_OFF = "flag_off"
    BUCKET_IN = "bucket_in"
    BUCKET_OUT = "bucket_out"
    LIVE = "live"
    # At dispatch, after the pure decision.
    STATE_UNPROVEN = "state_unproven"
    BREAKER_OPEN = "breaker_open"
    FALLBACK = "fallback"
