"""A case: a request, or several in a row, that both sides must answer alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.compare_policy import ComparePolicy, Rule
from proxy.routing.route import ValueMatch
from proxy.stages import Side

# A JSON value as Python's json module has it.
Json = object


class CaptureFrom(StrEnum):
    """Where in an answer a value is taken from."""

    JSON_PATH = "json_path"
    HEADER = "header"
    COOKIE = "cookie"
    # The first group of the first match in the decoded body; RE2.
    REGEX = "regex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A value of each side's answer that later steps use as `${name}`."""

    name: str
    source: CaptureFrom
    # The JSON path, the field, the cookie or the pattern.
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRequest:
    """A request as it is written: its texts may hold `${NAME}`.

    `url` is absolute or a path. At most one of `body`, `document`, `form` and `content` is set.
    """

    method: str = "GET"
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    # Sent as JSON.
    document: Json = None
    # Sent as application/x-www-form-urlencoded.
    form: tuple[tuple[str, str], ...] | None = None
    # Sent as it is.
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What each answer must hold, besides being like the other. Empty is no expectation."""

    status: tuple[int, ...] = ()
    headers: tuple[ValueMatch, ...] = ()
    # Fields that must not be there; lower case.
    no_headers: tuple[str, ...] = ()
    json_paths: tuple[tuple[str, Json], ...] = ()
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of a case. `only` names the one side that is asked; None compares both."""

    line: int
    request: CaseRequest
    expect: Expectation = Expectation()
    captures: tuple[Capture, ...] = ()
    only: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked in order, with one set of cookies for each side."""

    name: str
    line: int
    steps: tuple[Step, ...]
    # Why it is not run; empty: it is.
    skip: str = ""
    # Added to the rules of the route.
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A cases.yaml, validated."""

    name: str
    cases: tuple[Case, ...]
    # The host that requests name which have a path only; empty: that of the legacy side.
    host: str = ""
    # Sent with every request that does not set them itself.
    headers: tuple[tuple[str, str], ...] = ()
    # Seconds for one answer; None: the default of the command.
    timeout: float | None = None
    # How answers are compared where no routes.yaml says it.
    compare: ComparePolicy | None = None
