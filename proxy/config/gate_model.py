"""The shape of `gate:`: what the evidence of a route must show before its verdict is GO."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from proxy.config.shapes import Shape
from proxy.config.units import Duration, PositiveRate, Rate, show_percent
from proxy.gate import Gate

_GATE = Gate()


def _confidence(value: float) -> float:
    if not 0.5 <= value < 1:
        raise ValueError(
            f"must be at least 50% and less than 100%, got {show_percent(value * 100)}"
        )
    return value


class MismatchShape(Shape):
    """The rates of mismatches that are borne."""

    critical: PositiveRate = Field(
        default=_GATE.max_critical,
        description="Status, Location, type or missing field; errors and timeouts of the new side.",
    )
    major: PositiveRate = Field(default=_GATE.max_major, description="Values that differ.")


class LatencyShape(Shape):
    """How slow the new side may be."""

    p95_ratio: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="p95 of new over p95 of legacy. Shadow latency is not production latency: it "
        "is said, and does not stop a GO. Without it nothing is said.",
    )


class GateShape(Shape):
    """What the evidence must show before the verdict is GO."""

    max_mismatch: MismatchShape = Field(
        default=MismatchShape(), description="The true rates must lie below these."
    )
    confidence: Annotated[PositiveRate, AfterValidator(_confidence)] = Field(
        default=_GATE.confidence, description="How sure that must be, however often one looks."
    )
    min_window: Duration = Field(
        default=_GATE.min_window,
        description="Evidence must span this long; 7d is a weekly cycle.",
    )
    max_unseen: Rate = Field(
        default=_GATE.max_unseen,
        description="Estimated share of requests of kinds that were not compared yet "
        "(Good-Turing).",
    )
    max_lost: Rate = Field(
        default=_GATE.max_lost, description="Shed and incomparable, of all eligible requests."
    )
    latency: LatencyShape = Field(
        default=LatencyShape(), description="How slow the new side may be."
    )
    repeats_per_hour: int = Field(
        default=_GATE.repeats_per_hour,
        ge=1,
        description="Comparisons of one and the same request that count within an hour, so that a "
        "health check does not make up the evidence.",
    )


def to_gate(shape: GateShape) -> Gate:
    """Turn the validated shape into the gate of a route."""
    return Gate(
        max_critical=shape.max_mismatch.critical,
        max_major=shape.max_mismatch.major,
        confidence=shape.confidence,
        min_window=shape.min_window,
        max_unseen=shape.max_unseen,
        max_lost=shape.max_lost,
        p95_ratio=shape.latency.p95_ratio,
        repeats_per_hour=shape.repeats_per_hour,
    )
