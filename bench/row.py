"""One row of the benchmark: what was measured, against which target, and the stage it plays on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.rounds import Cores

Figure = float | int | str | bool | None | Sequence["Figure"] | Mapping[str, "Figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound that a figure must keep, `value <= bound`, in `unit`."""

    what: str
    value: float
    bound: float
    unit: str = ""
    # What the design aims at beyond the bound; None when it names nothing.
    aim: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.bound

    def sentence(self) -> str:
        """The target and its outcome in one line."""
        unit = f" {self.unit}" if self.unit else ""
        aim = ""
        if self.aim is not None:
            reached = "reached" if self.value <= self.aim else "not reached"
            aim = f"; aim {self.aim:g}{unit} {reached}"
        outcome = "met" if self.met else "MISSED"
        return (
            f"{outcome}: {self.what} {self.value:.4g}{unit} (must be <= {self.bound:g}{unit}{aim})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What one row brought: a table for readers, targets, and every figure for machines."""

    name: str
    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    targets: tuple[Target, ...] = ()
    # What a reader must know to judge the table; one sentence each.
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What all rows of one run share."""

    folder: Path
    cores: Cores
    # Shorter and less exact, to try the harness itself.
    quick: bool


Measure = Callable[[Run], RowResult]
