"""What a reader of one media type gets and gives: two decoded bodies in, findings out.

Who gives what. `pair.py` undoes content codings, finds the media type and calls the one `Reader`
that `readers.py` names for it. A reader reports to `proxy.compare.findings.Findings`:

* `found.text(path, at, legacy, new)`: two texts at one flat path (`html:title`, `form:email`,
  `xml:/feed/title`, `text`, `header:location`). Rules of that path, the profile, the inferred
  cause, redaction and counting are its business; it may be called for what is equal, too.
* `found.missing(path, at, legacy)`, `found.extra(path, at, new)`: it is on one side only.
* `found.texts(path, legacy, new)`: two lists of texts (links of a page): order, missing and added
  ones are told apart; a rule `unordered` of that path is obeyed.
* `found.record(...)`: anything else.
* `found.ignores(path)`: whether a rule says that nothing there is compared, so that work is saved.

A reader that cannot go on raises `Incomparable`. It never raises anything else, whatever the bytes,
and takes time linear in their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from proxy.compare.findings import Findings


class Media(StrEnum):
    """The media types that are read in different ways."""

    JSON = "json"
    HTML = "html"
    FORM = "form"
    XML = "xml"
    TEXT = "text"
    BINARY = "binary"


class Incomparable(Exception):
    """The pair cannot be compared; `reason` is one word: size, ratio, depth, nodes, decode, ..."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Body:
    """A body without its content codings.

    `charset` is what the Content-Type header says (lower case), "" without one. `sniffed`: no
    header says so, the body only looks like it.
    """

    content: bytes
    media: Media
    charset: str = ""
    sniffed: bool = False


class Reader(Protocol):
    """Compares two bodies of one media type; raises `Incomparable` and nothing else."""

    def __call__(self, legacy: Body, new: Body, found: Findings) -> None: ...
