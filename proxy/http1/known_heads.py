"""Heads seen before: what a header section meant the last time these very bytes were parsed.

A client repeats itself: on one connection, request after request, only the request line changes.
The meaning of a header section does not depend on what stands before it (for GET and HEAD without a
body, in HTTP/1.1), so the same bytes need not be parsed, sorted and joined again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.http1.fields import Fields

# RFC 9112, 3, for the requests that may be recalled: one space, origin-form, no fragment, visible
# ASCII.
read_line: Final = re.compile(rb'(GET|HEAD) (/[!"$-~]*) HTTP/1\.1').fullmatch

# Sections remembered, twice: those of late, and those before them.
_GENERATION: Final = 2048
# A section beyond this (bytes) is not worth the memory.
_LONGEST: Final = 4096


@dataclass(slots=True)
class KnownHead:
    """What the header section of a request without a body means. `fields` are never changed."""

    fields: Fields
    block: bytes
    host: str
    host_field: bytes
    forwarded_host: bytes
    cookie_line: bytes | None
    device_id: str
    has_authorization: bool
    # See `Request.special_use`; None until somebody asks.
    special_use: str | None = None
    # Fields and cookies that rules asked for; their names come from routes.yaml, so they are few.
    headers: dict[str, str | None] | None = None
    cookies: dict[str, str | None] | None = None
    # See `RequestFacts.answers`.
    answers: dict[object, bool] | None = None


class KnownHeads:
    """A bounded memory, one per worker. Forgetting costs a parse, never a wrong answer."""

    __slots__ = ("_before", "_of_late")

    def __init__(self) -> None:
        self._of_late: dict[bytes, KnownHead] = {}
        self._before: dict[bytes, KnownHead] = {}

    def get(self, section: bytes) -> KnownHead | None:
        """What this section means, if it is remembered; it begins with the request line's end."""
        known = self._of_late.get(section)
        if known is None and self._before:
            known = self._before.get(section)
            if known is not None:
                self.keep(section, known)
        return known

    def keep(self, section: bytes, known: KnownHead) -> None:
        """Remember what a section means."""
        if len(section) > _LONGEST:
            return
        if len(self._of_late) >= _GENERATION:
            self._before = self._of_late
            self._of_late = {}
        self._of_late[section] = known

    def __repr__(self) -> str:
        return f"<KnownHeads [{len(self._of_late)} of late, {len(self._before)} before]>"
