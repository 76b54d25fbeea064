"""The frames in which a worker hands exchanges to the observer, over one unix stream socket.

The worker writes, the observer reads; nothing ever comes back but the end of the connection.
Numbers are little-endian. A frame is

    u32 length of what follows the kind | u8 kind | content

    HELLO    JSON {protocol, boot, worker, pid}: the first frame of a connection, and only that
    DECIDED  u32 number | JSON: what many exchanges have in common; a later one may take its number
    OPENED   request fixed | target, head, body
    CLOSED   u64 id | response fixed | head, body
    ENDED    u64 id | text "outcome/detail": what was opened will not be closed
    WHOLE    request fixed | response fixed | target, head, body | head, body
    LEDGER   JSON [[route, eligible, handed, {"outcome/detail": n}, {reason: n}], ...]

    request fixed    u64 id | u32 number of the DECIDED | f64 started (seconds since 1970)
                     | u16 target length | u32 head length | u32 body length
    response fixed   f64 first byte | f64 elapsed (seconds after started)
                     | u16 status | u32 head length | u32 body length

The target is empty when it is the one in the request line. A request head is what the primary was
sent; a response head is a status line and the upstream's fields without those that belong to the
connection. Both end with the empty line. Bodies have their transfer coding removed, so a
`Transfer-Encoding: chunked` in a head says how the body came, not how it is framed here.

What a connection promises: an id comes in OPENED or WHOLE once; OPENED is followed by CLOSED or
ENDED, unless the connection ends first: then neither comes on another connection. Ids count from 1
per boot and need not be consecutive. `handed` of a LEDGER row counts the OPENED and WHOLE frames
of the route that were written before it in this boot, on this connection and on former ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from proxy.errors import ProxyError
from proxy.evidence.outcome import Outcome
from proxy.exchange import Answer, AskedRequest, Header
from proxy.stages import Reason, Side, Stage

PROTOCOL: Final = 1

HELLO: Final = 1
DECIDED: Final = 2
OPENED: Final = 3
CLOSED: Final = 4
ENDED: Final = 5
WHOLE: Final = 6
LEDGER: Final = 7

# Bounds of what an end accepts. Bytes.
MAX_HEAD: Final = 512 * 1024
MAX_BODY: Final = 64 * 1024 * 1024
MAX_TARGET: Final = 0xFFFF
MAX_TEXT: Final = 1024 * 1024
# The highest number of a decision. A number that comes again is given to another decision.
MAX_DECIDED: Final = 0xFFFF

FRAME: Final = Struct("<IB")
NUMBER: Final = Struct("<I")
ID: Final = Struct("<Q")
REQUEST: Final = Struct("<QIdHII")
RESPONSE: Final = Struct("<ddHII")
EXCHANGE: Final = Struct("<QIdHIIddHII")


class HandoverBroken(ProxyError):
    """What came is no frame of this protocol; the connection cannot be read any further."""

    cause = "handover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who writes: a worker's boot (random hex digits), its number and process id."""

    boot: str
    worker: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision under one pair of revisions: what the exchanges that came of it share."""

    route: str
    stage: Stage
    side: Side
    upstream: str
    shadow: Side
    reason: Reason
    config_revision: str
    flag_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRequest:
    """A request as the primary got it. `target` is what the client asked for."""

    boot: str
    id: int
    decided: Decided
    # Seconds since 1970: when the head had been read.
    started: float
    target: bytes
    head: bytes
    body: bytes

    def asked(self) -> AskedRequest:
        """The same without the proxy's view. Raises HandoverBroken."""
        line, headers = read_head(self.head)
        return AskedRequest(
            method=line.partition(b" ")[0].decode("ascii", "replace"),
            target=self.target,
            headers=headers,
            body=self.body,
        )

    def field(self, name: bytes) -> bytes | None:
        """The first value of a field by name, any case: X-Request-Id and traceparent are there."""
        return first_value(self.head, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenResponse:
    """What the primary answered; the client has got all of it. Times in seconds after `started`."""

    status: int
    first_byte: float
    elapsed: float
    head: bytes
    body: bytes

    def answer(self) -> Answer:
        """The same without the times. Raises HandoverBroken."""
        _, headers = read_head(self.head)
        return Answer(status=self.status, headers=headers, body=self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A request whose response is still to come."""

    request: TakenRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The response to what was opened."""

    id: int
    response: TakenResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """There will be no response to what was opened, for this reason."""

    id: int
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A request with its response."""

    request: TakenRequest
    response: TakenResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One route's books in one worker, since its boot.

    `eligible` = `handed` + the sum of `ended` + the requests that are still under way.
    """

    route: str
    eligible: int
    # Exchanges that the observer has to find an outcome for.
    handed: int
    # Outcomes that the worker has found itself.
    ended: Mapping[tuple[Outcome, str], int] = field(default_factory=dict)
    # Requests that are not eligible, by reason; `unsampled` among them.
    ineligible: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The rows that have changed; on a new connection each row comes once before it changes."""

    rows: tuple[LedgerRow, ...]


Frame = Hello | Opened | Closed | Ended | Whole | Ledger


# Heads.


def target_of(head: bytes) -> bytes:
    """The target in the request line of a head. Raises HandoverBroken."""
    line, _, _ = head.partition(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3:
        raise HandoverBroken("a request line has three parts")
    return words[1]


def read_head(head: bytes) -> tuple[bytes, tuple[Header, ...]]:
    """First line and fields of a head as the proxy wrote it. Raises HandoverBroken."""
    line, *lines = head[:-4].split(b"\r\n")
    headers = []
    for each in lines:
        name, separator, value = each.partition(b": ")
        if not separator:
            raise HandoverBroken("a field without a colon")
        headers.append((name, value))
    return line, tuple(headers)


def first_value(head: bytes, name: bytes) -> bytes | None:
    """The first value of a field by name, any case; None without one."""
    wanted = name.lower()
    for line in head.split(b"\r\n")[1:]:
        key, separator, value = line.partition(b": ")
        if separator and key.lower() == wanted:
            return value
    return None
