"""Exemplars in the database: a uniform sample of the pairs of each cause, and reading them back."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import fields
from random import Random
from typing import Any

from proxy.evidence.exemplar import Exemplar, KeptAnswer, KeptDifference, StoredExemplar
from proxy.evidence.settled import Settled

_COLUMNS = "route, epoch, at, outcome, detail, pair, id"


def keep_exemplar(
    db: sqlite3.Connection,
    settled: Settled,
    epoch: str,
    fingerprints: Iterable[str],
    *,
    per_fingerprint: int,
    random: Random,
) -> None:
    """Offer an exemplar to the reservoir of each of its causes.

    Algorithm R: the i-th that is offered is taken with probability size / i, for a random other
    one. Vitter, "Random sampling with a reservoir", ACM TOMS 11 (1985).
    """
    if settled.exemplar is None:
        return
    taken = False
    for fingerprint in fingerprints:
        key = (settled.route, epoch, fingerprint)
        (offered,) = db.execute(
            "INSERT INTO reservoirs VALUES (?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET offered = offered + 1 RETURNING offered",
            key,
        ).fetchone()
        slot = offered - 1 if offered <= per_fingerprint else random.randrange(offered)
        if slot >= per_fingerprint:
            continue
        previous = db.execute(
            "SELECT exemplar FROM slots"
            " WHERE route = ? AND epoch = ? AND fingerprint = ? AND slot = ?",
            (*key, slot),
        ).fetchone()
        db.execute(
            "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?)",
            (*key, slot, settled.exemplar.id),
        )
        taken = True
        if previous:
            drop_unused(db, previous[0])
    if taken:
        db.execute(
            "INSERT OR REPLACE INTO exemplars VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(settled.exemplar.id, settled.route, epoch, settled.at, settled.outcome.value),
                *(settled.detail, encode_exemplar(settled.exemplar)),
            ),
        )


def drop_unused(db: sqlite3.Connection, id: str) -> None:
    """Delete an exemplar that shows no cause any more."""
    db.execute(
        "DELETE FROM exemplars WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM slots WHERE exemplar = exemplars.id)",
        (id,),
    )


def drop_exemplars(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Delete exemplars and empty their slots."""
    for id in ids:
        db.execute("DELETE FROM slots WHERE exemplar = ?", (id,))
        db.execute("DELETE FROM exemplars WHERE id = ?", (id,))


def read_exemplar(db: sqlite3.Connection, id: str) -> StoredExemplar | None:
    """An exemplar by its id, or by an unambiguous beginning of it."""
    if not id:
        return None
    found = db.execute(
        f"SELECT {_COLUMNS} FROM exemplars WHERE id >= ? AND id < ? || char(1114111)"  # noqa: S608 - our columns
        " ORDER BY id = ? DESC LIMIT 2",
        (id, id, id),
    ).fetchall()
    if not found or (len(found) > 1 and found[0][-1] != id):
        return None
    return _stored(db, found[0])


def read_exemplars(
    db: sqlite3.Connection, route: str, epoch: str, fingerprint: str | None
) -> tuple[StoredExemplar, ...]:
    """The exemplars of an epoch, or of one of its causes; newest first."""
    wanted = (
        "SELECT exemplar FROM slots WHERE route = ? AND epoch = ?"
        " AND (? IS NULL OR fingerprint = ?)"
    )
    found = db.execute(
        f"SELECT {_COLUMNS} FROM exemplars WHERE id IN ({wanted}) ORDER BY at DESC, id",  # noqa: S608 - our columns
        (route, epoch, fingerprint, fingerprint),
    ).fetchall()
    return tuple(_stored(db, row) for row in found)


def _stored(db: sqlite3.Connection, row: tuple[Any, ...]) -> StoredExemplar:
    route, epoch, at, outcome, detail, pair, id = row
    fingerprints = db.execute(
        "SELECT fingerprint FROM slots WHERE exemplar = ? ORDER BY fingerprint", (id,)
    ).fetchall()
    return StoredExemplar(
        route=route,
        epoch_id=epoch,
        at=at,
        outcome=outcome,
        detail=detail,
        fingerprints=tuple(each for (each,) in fingerprints),
        exemplar=decode_exemplar(pair),
    )


def encode_exemplar(exemplar: Exemplar) -> bytes:
    """An exemplar as compressed JSON; bodies are base64 in it."""
    return zlib.compress(json.dumps(exemplar, default=_as_json).encode(), 6)


def decode_exemplar(pair: bytes) -> Exemplar:
    """The exemplar of its compressed JSON."""
    values = json.loads(zlib.decompress(pair))
    return Exemplar(
        **{
            **values,
            "request_headers": _pairs(values["request_headers"]),
            "request_body": base64.b64decode(values["request_body"]),
            "legacy": _answer(values["legacy"]),
            "new": _answer(values["new"]),
            "differences": tuple(KeptDifference(**each) for each in values["differences"]),
            "redacted": tuple(values["redacted"]),
        }
    )


def _answer(values: dict[str, Any]) -> KeptAnswer:
    return KeptAnswer(
        **{
            **values,
            "headers": _pairs(values["headers"]),
            "body": base64.b64decode(values["body"]),
        }
    )


def _pairs(values: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values)


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Exemplar | KeptAnswer | KeptDifference):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in an exemplar")
