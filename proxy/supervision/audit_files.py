"""The files of an audit: the one being written and those put aside, in the order of the chain."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from proxy.supervision.audit_chain import Link, Verified, Verifier, read_line
from proxy.supervision.audit_head import HEAD

# A line is far shorter; what is longer is no line of ours and is looked at in pieces.
_MAX_LINE = 1 << 20


class AuditFileError(Exception):
    """A file of the audit that cannot be read; the message says which and why."""


def rotated_name(last: Link) -> str:
    """What a file is called once it is put aside: by the number of its last line."""
    return f"audit-{last.seq:012d}.jsonl"


def rotated(path: Path) -> tuple[Path, ...]:
    """Files beside `path` that may be older parts of it, however they were renamed."""
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return ()
    return tuple(
        path.with_name(name)
        for name in names
        if name.startswith("audit") and name not in (path.name, HEAD)
    )


@dataclass(frozen=True, slots=True)
class AuditFile:
    """One file with the number of its first line; 0: it has no line of a chain."""

    path: Path
    first: int


def files_of(path: Path) -> tuple[AuditFile, ...]:
    """The file and its older parts, in the order of the chain. Raises AuditFileError."""
    return in_order([*rotated(path), *([path] if path.exists() else [])])


def in_order(paths: Sequence[Path]) -> tuple[AuditFile, ...]:
    """Files in the order of the chain; those without one come first. Raises AuditFileError."""
    found = [AuditFile(path, _first(path)) for path in paths if path.is_file()]
    return tuple(sorted(found, key=lambda file: (file.first, file.path.name)))


def lines_of(path: Path) -> Iterator[bytes]:
    """Every line with its newline; of a compressed file too. Raises AuditFileError."""
    try:
        with _open(path) as file:
            while raw := file.readline(_MAX_LINE):
                yield raw
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise AuditFileError(f"{path}: cannot be read ({why})") from None


def verify(
    files: Sequence[AuditFile],
    anchors: dict[str, Link],
    *,
    end: Callable[[], Link | None] = lambda: None,
) -> Verified:
    """Look at every line of every file. Raises AuditFileError. Blocks.

    `end` is asked after that: the newest line that may be there, if that is known.
    """
    verifier = Verifier(anchors)
    chained = [file for file in files if file.first]
    # A chain began in one of the files: what has none beside it was never part of one.
    for file in chained or files:
        for number, raw in enumerate(lines_of(file.path), start=1):
            verifier.take(file.path.name, number, raw)
    verified = verifier.done(end())
    notes = [f"{file.path.name}: has no line of a chain" for file in files if not file.first]
    return Verified(
        lines=verified.lines,
        first=verified.first,
        last=verified.last,
        findings=verified.findings,
        notes=(*(notes if chained else ()), *verified.notes),
    )


def _first(path: Path) -> int:
    sealed = (read_line(raw.removesuffix(b"\n")) for raw in lines_of(path))
    return next((line.link.seq for line in sealed if line is not None), 0)


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")
