"""The evidence database: its tables and versions, opening it, and setting a corrupt one aside."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

# "Figw". A database of somebody else is never written to.
APPLICATION_ID = 0x46696777
VERSION = 1
# How long a statement waits for a lock of another process. Milliseconds.
BUSY_MILLISECONDS = 500
# Of the write-ahead log, after a checkpoint. Bytes.
WAL_BYTES = 4 * 1024 * 1024

_TABLES = """
CREATE TABLE epochs (
    route TEXT, id TEXT, legacy_version TEXT, new_version TEXT, rules_hash TEXT,
    started REAL, last_seen REAL,
    -- Of what counts in the gate. first_at is NULL until something did.
    first_at REAL, last_at REAL,
    compared INTEGER DEFAULT 0, repeats INTEGER DEFAULT 0, failed INTEGER DEFAULT 0,
    -- Signatures seen when the table below was full: each is taken for one seen once.
    more_signatures INTEGER DEFAULT 0,
    PRIMARY KEY (route, id)) WITHOUT ROWID;
CREATE TABLE outcomes (
    route TEXT, epoch TEXT, outcome TEXT, detail TEXT, n INTEGER,
    PRIMARY KEY (route, epoch, outcome, detail)) WITHOUT ROWID;
CREATE TABLE books (
    boot TEXT, route TEXT, eligible INTEGER DEFAULT 0, own INTEGER DEFAULT 0,
    settled INTEGER DEFAULT 0, unsampled INTEGER DEFAULT 0, unaccounted INTEGER DEFAULT 0,
    recovered INTEGER DEFAULT 0,
    -- The worker's totals by outcome and by reason when they were last entered. JSON.
    own_details TEXT DEFAULT '{}', ineligible TEXT DEFAULT '{}',
    heard REAL, ended REAL,
    PRIMARY KEY (boot, route)) WITHOUT ROWID;
-- What boots that ended long ago have left.
CREATE TABLE totals (
    route TEXT PRIMARY KEY, eligible INTEGER DEFAULT 0, unsampled INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE ineligible (
    route TEXT, reason TEXT, n INTEGER, PRIMARY KEY (route, reason)) WITHOUT ROWID;
CREATE TABLE differences (
    route TEXT, epoch TEXT, pattern TEXT, n INTEGER,
    PRIMARY KEY (route, epoch, pattern)) WITHOUT ROWID;
CREATE TABLE unplaced (
    route TEXT, epoch TEXT, severity TEXT, n INTEGER,
    PRIMARY KEY (route, epoch, severity)) WITHOUT ROWID;
CREATE TABLE noise (
    route TEXT, epoch TEXT, path TEXT, b INTEGER, c INTEGER, d INTEGER, agrees INTEGER,
    agrees_sampled INTEGER, unasked INTEGER, odd INTEGER, shape TEXT,
    PRIMARY KEY (route, epoch, path)) WITHOUT ROWID;
CREATE TABLE signatures (
    route TEXT, epoch TEXT, signature TEXT, n INTEGER,
    PRIMARY KEY (route, epoch, signature)) WITHOUT ROWID;
CREATE TABLE repeats (
    route TEXT, epoch TEXT, hour INTEGER, request TEXT, n INTEGER,
    PRIMARY KEY (route, epoch, hour, request)) WITHOUT ROWID;
CREATE TABLE causes (
    route TEXT, epoch TEXT, fingerprint TEXT, cause TEXT, explanation TEXT, severity TEXT,
    paths TEXT, n INTEGER, example TEXT, first_seen REAL, last_seen REAL,
    PRIMARY KEY (route, epoch, fingerprint)) WITHOUT ROWID;
-- Of all epochs: who has looked at a cause has looked at it.
CREATE TABLE triage (
    route TEXT, fingerprint TEXT, note TEXT, ticket TEXT, at REAL,
    PRIMARY KEY (route, fingerprint)) WITHOUT ROWID;
CREATE TABLE rules (
    route TEXT, epoch TEXT, rule TEXT, path TEXT, n INTEGER, comparisons INTEGER, last_used REAL,
    PRIMARY KEY (route, epoch, rule, path)) WITHOUT ROWID;
CREATE TABLE defects (
    route TEXT, epoch TEXT, level TEXT, message TEXT, n INTEGER, last_seen REAL,
    PRIMARY KEY (route, epoch, level, message)) WITHOUT ROWID;
CREATE TABLE latency (
    route TEXT, epoch TEXT, side TEXT, bucket INTEGER, n INTEGER,
    PRIMARY KEY (route, epoch, side, bucket)) WITHOUT ROWID;
CREATE TABLE skew (
    route TEXT, epoch TEXT, bucket INTEGER, n INTEGER, differing INTEGER,
    PRIMARY KEY (route, epoch, bucket)) WITHOUT ROWID;
CREATE TABLE comparisons (
    id TEXT PRIMARY KEY, route TEXT, epoch TEXT, at REAL, signature TEXT, outcome TEXT,
    detail TEXT, legacy_status INTEGER, new_status INTEGER, legacy_seconds REAL, new_seconds REAL,
    skew_seconds REAL, fingerprints TEXT) WITHOUT ROWID;
CREATE INDEX comparisons_by_age ON comparisons (at);
CREATE TABLE exemplars (
    id TEXT PRIMARY KEY, route TEXT, epoch TEXT, at REAL, outcome TEXT, detail TEXT,
    pair BLOB) WITHOUT ROWID;
CREATE INDEX exemplars_by_age ON exemplars (at);
-- Which exemplars show a cause. `reservoirs.offered` is how many were offered so far.
CREATE TABLE reservoirs (
    route TEXT, epoch TEXT, fingerprint TEXT, offered INTEGER,
    PRIMARY KEY (route, epoch, fingerprint)) WITHOUT ROWID;
CREATE TABLE slots (
    route TEXT, epoch TEXT, fingerprint TEXT, slot INTEGER, exemplar TEXT,
    PRIMARY KEY (route, epoch, fingerprint, slot)) WITHOUT ROWID;
CREATE INDEX slots_by_exemplar ON slots (exemplar);
"""
# Tables whose rows belong to one epoch, and are of no use without it.
OF_AN_EPOCH = (
    *("differences", "unplaced", "noise", "signatures", "repeats", "causes", "rules", "defects"),
    *("latency", "skew", "comparisons", "exemplars", "reservoirs", "slots"),
)


class StoreError(Exception):
    """The store cannot be used at all; the message says why and what to do."""


def open_for_writing(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open or make the database; gives the connection and where a corrupt one was put.

    Raises StoreError for what no retry mends, sqlite3.Error or OSError for what one may.
    """
    _keep_private(path)
    try:
        return _prepared(path), None
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
    aside = set_aside(path)
    _keep_private(path)
    return _prepared(path), aside


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Usable from any thread, by one at a time."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    return connection


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its log; nothing is deleted. Raises OSError."""
    for number in range(1, 1000):
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        if not aside.exists():
            break
    else:
        raise StoreError(f"{path}: a thousand damaged databases lie beside it: remove some")
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _keep_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its log and its index the permissions of the database.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(handle, 0o600)
        os.close(handle)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be used ({error.strerror}): name a state directory that this user may"
            " write"
        ) from None
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + ending).chmod(0o600)


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        version = _pragma(connection, "user_version")
        owner = _pragma(connection, "application_id")
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not empty and owner != APPLICATION_ID:
            raise StoreError(
                f"{path}: is a database of another program: name another state directory"
            )
        if version > VERSION:
            raise StoreError(
                f"{path}: was written by a newer Figway (schema {version}, this one knows"
                f" {VERSION}): run that version, or move the file away to begin anew"
            )
        if empty:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # A crash of the process loses nothing that was committed, one of the machine the last
        # moments: the books show it.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        if empty:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {VERSION}; COMMIT;"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
