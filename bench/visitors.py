"""The visitors of the benchmark: which paths they ask for and the identity each one carries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """One request of the mix: a raw path and the value of its figway_id cookie (32 hex digits)."""

    path: str
    device: str


def visitors(routes: int, count: int) -> Iterator[Visitor]:
    """`count` visitors with distinct paths and devices, spread evenly over `routes` routes."""
    for number in range(count):
        yield Visitor(
            path=f"/s{number % routes}/item-{number}",
            device=hashlib.blake2s(str(number).encode(), digest_size=16).hexdigest(),
        )


def write_visitors(path: Path, routes: int, count: int) -> Path:
    """Write the mix as visitors.lua reads it, and return where."""
    path.write_text("".join(f"{v.path}\t{v.device}\n" for v in visitors(routes, count)))
    return path
