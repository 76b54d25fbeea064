"""An inferred cause: the word that names it, and what completes its sentence."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.compare_policy import Severity


@dataclass(frozen=True, slots=True)
class Inference:
    """A cause word with its parameter, "" where nothing explains the pair.

    `note` completes the sentence; `severity` replaces the usual one where the cause is milder.
    """

    cause: str = ""
    note: str = ""
    severity: Severity | None = None


NOTHING = Inference()
