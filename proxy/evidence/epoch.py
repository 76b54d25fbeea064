"""An epoch: the versions and rules that evidence is bound to; a change of any begins anew."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What evidence is bound to. The same three give the same id, at any time and on any machine.

    A version is empty where routes.yaml names none; then a deploy begins no epoch, and the report
    says so.
    """

    # 16 hex digits.
    id: str
    legacy_version: str
    new_version: str
    rules_hash: str


def epoch_of(*, legacy_version: str, new_version: str, rules_hash: str) -> Epoch:
    """The epoch of these three."""
    # Lengths in front: ("a", "bc") and ("ab", "c") are different epochs.
    parts = (legacy_version, new_version, rules_hash)
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return Epoch(
        id=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        legacy_version=legacy_version,
        new_version=new_version,
        rules_hash=rules_hash,
    )
