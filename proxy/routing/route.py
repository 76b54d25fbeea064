"""Route definitions: routes.yaml as typed, frozen values, which table.py compiles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.compare_policy import ComparePolicy
from proxy.control_plane import WhenStale
from proxy.gate import Gate
from proxy.shadow_policy import ObserverPolicy, ShadowPolicy
from proxy.stages import Side, Stage


class PathKind(StrEnum):
    """How a path is matched; the order here is the order of precedence."""

    EXACT = "exact"
    TEMPLATE = "template"
    PREFIX = "prefix"
    REGEX = "regex"


class ValueKind(StrEnum):
    """How one header, query parameter or cookie is matched."""

    EXACT = "exact"
    REGEX = "regex"
    PRESENT = "present"


class StickyKind(StrEnum):
    """Where the key of the bucket comes from."""

    DEVICE = "device"
    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"
    PATH_PARAM = "path_param"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMatch:
    """One path criterion. Templates name whole segments: `/product/{slug}`."""

    kind: PathKind
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMatch:
    """One criterion on a named header, query parameter or cookie. Header names are lower case."""

    name: str
    kind: ValueKind
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a request must look like. Empty tuples match everything."""

    path: PathMatch
    # Lower case, no port; `*.shop.example` matches any number of labels in front.
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    cookies: tuple[ValueMatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stickiness:
    """The key that keeps a client on one side."""

    kind: StickyKind
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """The target the new side gets. Exactly one of the two is set; the query string is kept.

    `path` may hold `{name}` (a path parameter) and `{query.name}`; `prefix` replaces a matched
    prefix.
    """

    path: str | None = None
    prefix: str | None = None
    keep_query: bool = True


class FallbackCause(StrEnum):
    """What may send a request on from new to legacy, before the first byte reached the client."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    STATUS_500 = "500"
    STATUS_502 = "502"
    STATUS_503 = "503"
    STATUS_504 = "504"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """When legacy answers for a new side that could not."""

    when: tuple[FallbackCause, ...] = (FallbackCause.CONNECT,)
    methods: tuple[str, ...] = ("GET", "HEAD")
    # Share of the route's new-side requests that may fall back, 0..1 (a token bucket per worker).
    budget: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One way into a segment: exactly one field is set."""

    header: ValueMatch | None = None
    cookie: ValueMatch | None = None
    cidr: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A named set of requests: any one of the conditions."""

    name: str
    any: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Routes that share state: one bucket, one percentage, one rollback."""

    name: str
    stickiness: Stickiness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Patience with one upstream, in seconds. Each phase has its own."""

    connect: float = 2.0
    # From the last byte of the request to the first of the response.
    first_byte: float = 30.0
    # Between two pieces of a response.
    idle: float = 60.0
    # Waiting for a free connection.
    queue: float = 1.0
    # Writing a request to an upstream that does not read.
    write: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Connections to one endpoint, per worker."""

    connections: int = 256
    # Requests that may wait for a connection, per endpoint; beyond it 503 at once.
    waiting: int = 1024
    # Keep it shorter than the upstream's own keep-alive (PHP and Apache: 5 s), or requests will
    # race with its close.
    idle_seconds: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """An active check of every endpoint, by the supervisor."""

    path: str
    interval: float = 5.0
    timeout: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A named origin with one or more endpoints: http://, https:// or unix: addresses."""

    name: str
    side: Side
    urls: tuple[str, ...]
    timeouts: Timeouts = Timeouts()
    pool: Pool = Pool()
    health: HealthCheck | None = None
    capacity_rps: float | None = None
    # PEM bundle that signs an https endpoint; empty: the system's.
    tls_ca: str = ""
    # Name asked for and verified (SNI); empty: the host of the URL.
    tls_server_name: str = ""
    # What is deployed there, for the epochs of the evidence: said in the file, or by a response
    # field of this name (lower case).
    version: str = ""
    version_header: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Id, match, new upstream, stage and policies: the unit of migration."""

    id: str
    match: Match
    line: int = 0
    owner: str = ""
    # Name of the new upstream; empty: always legacy.
    new: str = ""
    stage: Stage = Stage.LEGACY
    # Ceiling of the flag, in percent.
    max_percent: float = 100.0
    group: str = ""
    # The route's own, else its group's, else device.
    stickiness: Stickiness = Stickiness(kind=StickyKind.DEVICE)
    always: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    rewrite: Rewrite | None = None
    fallback: Fallback | None = None
    shadow: ShadowPolicy = ShadowPolicy()
    compare: ComparePolicy = ComparePolicy()
    gate: Gate = Gate()
    # What becomes of it while nobody confirms its flag; None: what the file says of all.
    when_stale: WhenStale | None = None
    # Requests may be sent twice even when the method is not safe.
    idempotent: bool = False
    # After a rollback of this route, tunnels and streams on the new side are ended after so many
    # seconds; None: they stay until they end by themselves.
    recall_after: float | None = None
    # A client that leaves during an unsafe request: let the upstream finish (True) or cut it off.
    finish_when_client_leaves: bool = True


class ContextKind(StrEnum):
    """Where a field that flags ask for comes from."""

    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextField:
    """How a field that the rules of flags ask for is read. Header names are lower case."""

    # As the flag names it, such as country.
    field: str
    kind: ContextKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTest:
    """One entry of `tests:`: a request and what must become of it."""

    name: str
    line: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    client_ip: str = "192.0.2.1"
    # Flag state of this test; empty means no flag is set.
    rollback_all: bool = False
    rollback_groups: tuple[str, ...] = ()
    rollback_routes: tuple[str, ...] = ()
    percent: tuple[tuple[str, float], ...] = ()  # route or group -> percent
    # Expectations; None is "do not care".
    expect_route: str | None = None
    expect_upstream: str | None = None
    expect_reason: str | None = None
    expect_side: str | None = None
    expect_path: str | None = None  # the target the upstream would get


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFile:
    """A whole routes.yaml, validated. Routes stand in file order."""

    upstreams: tuple[Upstream, ...]
    routes: tuple[Route, ...]
    groups: tuple[Group, ...] = ()
    segments: tuple[Segment, ...] = ()
    tests: tuple[RouteTest, ...] = ()
    context: tuple[ContextField, ...] = ()
    shadow: ObserverPolicy = ObserverPolicy()
    # sha256 of the file's bytes, first 12 hex digits: the config revision in logs and status.
    revision: str = ""

    @property
    def legacy(self) -> Upstream:
        """The one upstream whose side is legacy."""
        return next(u for u in self.upstreams if u.side is Side.LEGACY)
