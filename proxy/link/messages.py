"""What goes over the link, as values: what a worker or the observer is told, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flags.snapshot import FlagSnapshot
from proxy.errors import ProxyError
from proxy.routing.route import RouteFile
from proxy.settings import Settings
from proxy.tally import TallySnapshot


class LinkBroken(ProxyError):
    """The other end sent something that is no message, or stopped reading."""

    cause = "link"


# Down: supervisor to worker.


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first message: who the worker is, and its settings for life."""

    worker: int
    settings: Settings
    # The unix socket where a worker hands exchanges over; empty: nobody takes them.
    observer: str = ""
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """The whole state at one revision; `Applied` answers once no request can see an older one."""

    revision: int
    flags: FlagSnapshot
    # None: the routes of the last Apply stay.
    routes: RouteFile | None = None
    # Endpoints that fail their health check, as "upstream|url".
    unhealthy: tuple[str, ...] = ()
    type: Literal["apply"] = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The supervisor is alive and the last state is still the current one. Every second."""

    type: Literal["heartbeat"] = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Asks for `Counters` with the same id."""

    id: int
    type: Literal["collect"] = "collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Stop accepting, finish what was begun within `seconds`, say `Drained`, exit 0."""

    seconds: float
    type: Literal["drain"] = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Exit now; what is in flight is cut off."""

    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question to the observer; `Answer` with the same id follows. `params` is a JSON object."""

    id: int
    what: str
    params: str = "{}"
    type: Literal["ask"] = "ask"


# Up: worker or observer to supervisor.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The worker accepts connections."""

    worker: int
    pid: int
    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Every request that this worker decides from now on sees these revisions or later ones.

    Flags never wait for a route table that is still being compiled, so there are two: `revision` is
    the newest Apply whose flags are in use, `routes_revision` the newest whose routes are.
    """

    revision: int
    config_revision: str
    routes_revision: int = 0
    type: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Everything the worker has counted since it started."""

    id: int
    tally: TallySnapshot
    type: Literal["counters"] = "counters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """Nothing is in flight any more; the worker is about to exit."""

    type: Literal["drained"] = "drained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the observer says to an `Ask`: a status as in HTTP, and JSON (`detail` if not 200)."""

    id: int
    status: int
    body: str
    type: Literal["answer"] = "answer"


Down = Start | Apply | Heartbeat | Collect | Drain | Stop | Ask
Up = Ready | Applied | Counters | Drained | Answer
Message = Down | Up
