"""The audit over the admin API: its newest entries, and whether its chain is whole."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy.admin.answer import answer
from proxy.admin.problem import AdminError
from proxy.admin.query import query
from proxy.supervision.audit_chain import Finding, Link
from proxy.supervision.audit_files import AuditFileError, files_of
from proxy.supervision.audit_reading import Wanted, entries, moment, verify_all
from proxy.supervision.journal import Journal

MAX_ENTRIES = 1000
DEFAULT_ENTRIES = 100
MAX_SCOPE = 200
# RFC 3339, 5.6: what `format: date-time` means. Python reads more than that.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAnswer:
    """Entries, oldest first, and how many the disk has not taken yet."""

    entries: tuple[dict[str, Any], ...]
    owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAnswer:
    """What came of looking at every line. Sound: there is no finding."""

    sound: bool
    lines: int
    first: int
    last: Link
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    owed: int


class AuditApi:
    """The handlers, over the files of one running figway."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._journal = journal

    def routes(self) -> list[web.RouteDef]:
        """Every call with its one method."""
        return [
            web.get("/api/v1/audit", self.list_entries, allow_head=False),
            web.get("/api/v1/audit/verify", self.verify, allow_head=False),
        ]

    async def list_entries(self, request: web.Request) -> web.Response:
        """GET /api/v1/audit?since=TIME&scope=SCOPE&limit=N."""
        asked = query(request, optional=("since", "scope", "limit"))
        wanted = Wanted(
            since=_since(asked["since"]),
            scope=_scope(asked["scope"]),
            limit=_limit(asked["limit"]),
        )

        def read() -> list[dict[str, Any]]:
            return entries(files_of(self._path), wanted)

        try:
            found = await asyncio.to_thread(read)
        except AuditFileError as error:
            raise AdminError(503, str(error)) from None
        return answer(asdict(AuditAnswer(entries=tuple(found), owed=self._journal.owed)))

    async def verify(self, request: web.Request) -> web.Response:
        """GET /api/v1/audit/verify."""
        query(request)
        try:
            verified = await asyncio.to_thread(verify_all, self._path, lambda: self._journal.last)
        except AuditFileError as error:
            raise AdminError(503, str(error)) from None
        return answer(
            asdict(
                VerifyAnswer(
                    sound=not verified.findings,
                    lines=verified.lines,
                    first=verified.first,
                    last=verified.last,
                    findings=verified.findings,
                    notes=verified.notes,
                    owed=self._journal.owed,
                )
            )
        )


def _since(text: str) -> datetime | None:
    if not text:
        return None
    at = moment(text.upper()) if _RFC3339.fullmatch(text) else None
    if at is None:
        raise AdminError(
            400,
            "since: must be a time with its offset, such as 2026-11-22T10:00:00Z, got"
            f" {text[:50]!r}",
        )
    return at


def _scope(text: str) -> str:
    if len(text) > MAX_SCOPE:
        raise AdminError(400, f"scope: is over {MAX_SCOPE} characters")
    return text


def _limit(text: str) -> int:
    if not text:
        return DEFAULT_ENTRIES
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= MAX_ENTRIES):
        raise AdminError(400, f"limit: must be a number from 1 to {MAX_ENTRIES}, got {text[:50]!r}")
    return int(text)
