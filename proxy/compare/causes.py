"""Why two values differ: the cause inferred from one pair of scalars, and its sentence for people."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.compare.comparison import Difference
from proxy.compare_policy import Severity


@dataclass(frozen=True, slots=True)
class Inference:
    """A cause word with its parameter, "" where nothing explains the pair.

    `note` completes the sentence; `severity` replaces the usual one where the cause is milder.
    """

    cause: str = ""
    note: str = ""
    severity: Severity | None = None


def infer(legacy: object, new: object) -> Inference:
    """The cause of two different scalars."""
    return Inference()


def explain(example: Difference, note: str, count: int) -> str:
    """One plain sentence of a cause."""
    return f"legacy {example.legacy}, new {example.new}: {note or 'nothing explains it'}"
