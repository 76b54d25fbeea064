"""The shape of routes.yaml: every key, its type, its default and what it is for.

The loader, the JSON schema and the reference page are held against these classes. Values are
checked here one by one; what takes two places of the file to judge stands in resolve.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, model_validator

from proxy.config import paths
from proxy.config.addresses import client_address, request_url, upstream_url
from proxy.config.compare_model import CompareShape
from proxy.config.control_model import ControlShape
from proxy.config.flags_model import FlagsShape, WhenStaleWord
from proxy.config.gate_model import GateShape
from proxy.config.settings_model import SettingsShape
from proxy.config.shadow_model import ObserverShape, ShadowShape
from proxy.config.shapes import (
    Cidr,
    CookieName,
    FallbackWord,
    HeaderName,
    Host,
    Id,
    MatchValue,
    Method,
    NamedValueShape,
    ParameterName,
    PathShape,
    Shape,
    StickyShape,
    Text,
    ValueMatchShape,
    exactly_one,
    one_key,
    one_of,
    one_spelling,
    token,
)
from proxy.config.units import PositiveDuration, Recall, Share, StepPercent
from proxy.routing.route import Fallback, HealthCheck, Pool, Timeouts
from proxy.stages import Reason, Side, Stage

# Words of an enum stand in the file as text.
StageWord = Annotated[Stage, Strict(False)]
SideWord = Annotated[Side, Strict(False)]
ReasonWord = Annotated[Reason, Strict(False)]

_TIMEOUTS = Timeouts()
_POOL = Pool()
_HEALTH = HealthCheck(path="/")
_FALLBACK = Fallback()


def _origin_path(text: str) -> str:
    path, separator, query = text.partition("?")
    paths.literal_path(path)
    if not (text.isascii() and text.isprintable()) or " " in query or "#" in query:
        raise ValueError("must be a path with an optional query, percent-encoded")
    return path + separator + query


class TimeoutsShape(Shape):
    """Patience with one upstream, per phase."""

    connect: PositiveDuration = Field(
        default=_TIMEOUTS.connect,
        description="Until the connection (and TLS) is up. Beyond it: 504.",
    )
    first_byte: PositiveDuration = Field(
        default=_TIMEOUTS.first_byte,
        description="From the last byte of the request to the first of the response. Beyond it: "
        "504.",
    )
    idle: PositiveDuration = Field(
        default=_TIMEOUTS.idle,
        description="Between two pieces of a response. Beyond it the client's connection is cut.",
    )
    queue: PositiveDuration = Field(
        default=_TIMEOUTS.queue, description="Waiting for a free connection. Beyond it: 503."
    )
    write: PositiveDuration = Field(
        default=_TIMEOUTS.write,
        description="Writing a request to an upstream that does not read. Beyond it: 504.",
    )


class PoolShape(Shape):
    """Connections to each endpoint, per worker."""

    connections: int = Field(
        default=_POOL.connections, ge=1, le=65535, description="Open connections to one endpoint."
    )
    waiting: int = Field(
        default=_POOL.waiting,
        ge=0,
        le=1_000_000,
        description="Requests that may wait for a connection to one endpoint; beyond it 503 at "
        "once.",
    )
    idle: PositiveDuration = Field(
        default=_POOL.idle_seconds,
        description="How long an idle connection is kept. Keep it shorter than the upstream's own "
        "keep-alive (PHP and Apache: 5s), or requests race with its close.",
    )


class HealthShape(Shape):
    """An active check of every endpoint, by the supervisor."""

    path: Annotated[str, AfterValidator(_origin_path)] = Field(
        description="GET this; 2xx is healthy."
    )
    interval: PositiveDuration = Field(
        default=_HEALTH.interval, description="Between two checks of one endpoint."
    )
    timeout: PositiveDuration = Field(
        default=_HEALTH.timeout, description="For one check, from connect to the whole answer."
    )


class TlsShape(Shape):
    """How an https:// endpoint is verified. It always is."""

    ca: str = Field(
        default="",
        min_length=1,
        description="PEM file with the authorities that may sign it; beside routes.yaml if "
        "relative. "
        "Without it: the system's.",
    )
    server_name: Host = Field(
        default="",
        description="Name asked for (SNI) and verified. Without it: the host of the URL.",
    )


class UpstreamShape(Shape):
    """A named origin with one or more endpoints."""

    role: SideWord = Field(
        default=Side.NEW, description="Exactly one upstream is legacy: the monolith."
    )
    urls: list[Annotated[str, AfterValidator(upstream_url)]] = Field(
        min_length=1,
        description="Endpoints: http://host:port, https://host:port or unix:/path. The one with "
        "the "
        "fewest requests in flight is used.",
    )
    timeouts: TimeoutsShape = Field(default=TimeoutsShape(), description="Patience, per phase.")
    pool: PoolShape = Field(default=PoolShape(), description="Connections, per worker.")
    health: HealthShape | None = Field(
        default=None,
        description="Active health check. Without it every endpoint counts as healthy.",
    )
    tls: TlsShape | None = Field(default=None, description="For https:// endpoints.")
    capacity_rps: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Requests per second it is known to bear. `figway check` holds a rollback "
        "against it.",
    )
    version: Text = Field(
        default="",
        min_length=1,
        description="What is deployed there. Another version begins new evidence.",
    )
    version_header: HeaderName = Field(
        default="", description="Response field that says what is deployed there."
    )


class GroupShape(Shape):
    """Routes that share state: one bucket, one percentage, one rollback."""

    stickiness: StickyShape | None = Field(
        default=None, description="The key of the bucket for every route of the group."
    )


class ConditionShape(Shape):
    """One way into a segment: exactly one of these."""

    model_config = ConfigDict(json_schema_extra=one_key)

    header: NamedValueShape | None = Field(default=None, description="A request header.")
    cookie: NamedValueShape | None = Field(default=None, description="A cookie.")
    cidr: Cidr | None = Field(
        default=None, description="The client's address lies in this block (see trusted_proxies)."
    )

    @model_validator(mode="after")
    def _one(self) -> ConditionShape:
        exactly_one(self, "header", "cookie", "cidr")
        for kind, named in (("header", self.header), ("cookie", self.cookie)):
            if named is not None:
                try:
                    token(named.name)
                except ValueError as error:
                    raise ValueError(f"{kind} name {error}") from None
        return self


class SegmentShape(Shape):
    """A named set of requests."""

    any: list[ConditionShape] = Field(
        min_length=1, description="A request that meets one of these is in the segment."
    )


class MatchShape(Shape):
    """What a request must look like. What is left out matches everything."""

    path: PathShape = Field(description="How the path is matched.")
    hosts: list[Host] = Field(
        default=[],
        min_length=1,
        description="Host names without port; *.shop.example matches any labels in front.",
    )
    methods: list[Method] = Field(
        default=[], min_length=1, description="Methods, upper case. GET does not include HEAD."
    )
    headers: Annotated[dict[HeaderName, ValueMatchShape], BeforeValidator(one_spelling)] = Field(
        default={}, min_length=1, description="Header name to value; all must match."
    )
    query: dict[ParameterName, ValueMatchShape] = Field(
        default={}, min_length=1, description="Query parameter to value; all must match."
    )
    cookies: dict[CookieName, ValueMatchShape] = Field(
        default={}, min_length=1, description="Cookie name to value; all must match."
    )


class RewriteShape(Shape):
    """The target that the new side gets. Legacy always gets the original."""

    model_config = ConfigDict(json_schema_extra=one_of("path", "prefix"))

    path: Annotated[str, AfterValidator(paths.rewrite_path)] = Field(
        default="",
        description="The whole path; {name} is a parameter of the template, {query.name} of the "
        "query.",
    )
    prefix: Annotated[str, AfterValidator(paths.prefix_path)] = Field(
        default="", description="Put in place of the matched prefix."
    )
    keep_query: bool = Field(default=True, description="Whether the query string is kept.")

    @model_validator(mode="after")
    def _one(self) -> RewriteShape:
        exactly_one(self, "path", "prefix")
        return self


class CohortsShape(Shape):
    """Segments that are not left to the percentage."""

    always: list[str] = Field(
        default=[], description="Segments that get the new side as soon as the stage allows."
    )
    never: list[str] = Field(
        default=[], description="Segments that stay on legacy; wins over always."
    )


class FallbackShape(Shape):
    """When legacy answers for a new side that could not."""

    when: list[FallbackWord] = Field(
        default=[cause.value for cause in _FALLBACK.when],
        min_length=1,
        description="connect (nothing was sent), timeout (no first byte in time), or a status.",
    )
    methods: list[Method] = Field(
        default=list(_FALLBACK.methods),
        min_length=1,
        description="Methods that may be sent a second time.",
    )
    budget: Share = Field(
        default=_FALLBACK.budget,
        description="Share of the route's new-side requests that may fall back; beyond it the "
        "error "
        "is shown, so that legacy is not crushed.",
    )


# Shapes are frozen, so that thousands of routes may share one: pydantic copies a plain default.
_NO_COHORTS = CohortsShape()
_SHADOW = ShadowShape()
_COMPARE = CompareShape()
_GATE = GateShape()


class RouteShape(Shape):
    """The unit of migration."""

    id: Id = Field(description="Names the flag, the metrics and the log lines. Unique.")
    owner: Text = Field(default="", description="Who to ask about this route.")
    match: MatchShape = Field(description="What a request must look like.")
    new: str = Field(default="", description="Name of the new upstream. Without it: always legacy.")
    stage: StageWord = Field(
        default=Stage.LEGACY, description="How far Git lets the route go; flags move inside it."
    )
    max_percent: StepPercent = Field(
        default=100.0, description="Ceiling of the flag at stage canary, in steps of 0.01 %."
    )
    group: str = Field(default="", description="The group it shares bucket and percentage with.")
    stickiness: StickyShape | None = Field(
        default=None,
        description="The key of the bucket: device, none, or {header|cookie|query|path_param: "
        "NAME}. "
        "Without it: the group's, else device.",
    )
    cohorts: CohortsShape = Field(
        default_factory=lambda: _NO_COHORTS,
        description="Segments that are not left to the percentage.",
    )
    rewrite: RewriteShape | None = Field(
        default=None, description="The target the new side gets, when it is another."
    )
    fallback: FallbackShape | None = Field(
        default=None,
        description="When legacy answers for the new side. Without it, or null: never.",
    )
    shadow: ShadowShape = Field(
        default_factory=lambda: _SHADOW, description="Copies to the other side, for comparison."
    )
    compare: CompareShape = Field(
        default_factory=lambda: _COMPARE, description="How the two answers are compared."
    )
    gate: GateShape = Field(
        default_factory=lambda: _GATE,
        description="What the evidence must show before the verdict is GO.",
    )
    when_stale: WhenStaleWord | None = Field(
        default=None,
        description="What becomes of it while nobody has confirmed its flag for too long: hold or "
        "legacy. Without it: what `flags.when_stale` says.",
    )
    on_rollback: Recall = Field(
        default=None,
        description="What becomes of tunnels (WebSocket) and streams on the new side when the "
        "route is rolled back: keep, drain with a time, or close.",
        json_schema_extra={"default": "keep"},
    )
    idempotent: bool = Field(
        default=False,
        description="Requests may be sent twice even when the method is not safe.",
    )
    finish_when_client_leaves: bool = Field(
        default=True,
        description="A client leaves during an unsafe request: true lets the upstream finish, "
        "false "
        "cuts it off.",
    )


class RequestShape(Shape):
    """The request of a test."""

    method: Method = Field(default="GET", description="The method, upper case.")
    url: Annotated[str, AfterValidator(request_url)] = Field(
        description="http(s)://host/path?query, percent-encoded as clients send it."
    )
    headers: Annotated[dict[HeaderName, MatchValue], BeforeValidator(one_spelling)] = Field(
        default={}, description="Header name to value; a cookie is the header Cookie."
    )
    client_ip: Annotated[str, AfterValidator(client_address)] = Field(
        default="192.0.2.1", description="The client's address."
    )


class StateShape(Shape):
    """The flags of a test. What is left out is not set."""

    rollback_all: bool = Field(default=False, description="Everything is rolled back.")
    rollback_groups: list[str] = Field(default=[], description="Groups that are rolled back.")
    rollback_routes: list[str] = Field(default=[], description="Routes that are rolled back.")
    percent: dict[str, StepPercent] = Field(
        default={}, description="Route or group to the percentage of its flag."
    )


class ExpectShape(Shape):
    """What must become of the request. What is left out does not matter."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    route: str | None = Field(default=None, description="Id of the route that matches.")
    upstream: str | None = Field(default=None, description="Name of the upstream that answers.")
    reason: ReasonWord | None = Field(default=None, description="Why it came out so.")
    side: SideWord | None = Field(default=None, description="Which side answers.")
    path: str | None = Field(default=None, description="The target that the upstream gets.")

    @model_validator(mode="after")
    def _some(self) -> ExpectShape:
        if not self.model_fields_set:
            raise ValueError("must expect something: route, upstream, reason, side or path")
        return self


class CaseShape(Shape):
    """A request and what must become of it; run by `figway test`."""

    name: Text = Field(min_length=1, description="A sentence that says the rule.")
    request: RequestShape = Field(description="What is asked.")
    state: StateShape = Field(
        default=StateShape(), description="The flags that are set; without it none is."
    )
    expect: ExpectShape = Field(description="What must become of it.")


class FileShape(Shape):
    """A routes.yaml of version 1."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    upstreams: dict[Id, UpstreamShape] = Field(
        min_length=1, description="Named origins; exactly one has role legacy."
    )
    groups: dict[Id, GroupShape | None] | None = Field(
        default={}, description="Routes that share state."
    )
    segments: dict[Id, SegmentShape] | None = Field(
        default={}, description="Named sets of requests, for cohorts."
    )
    routes: list[RouteShape] = Field(
        min_length=1, description="The routes; one of them is the catch-all."
    )
    tests: list[CaseShape] | None = Field(default=[], description="Run by `figway test`.")
    shadow: ObserverShape | None = Field(
        default=ObserverShape(), description="What the shadow traffic of all routes shares."
    )
    flags: FlagsShape | None = Field(default=FlagsShape(), description="Where flags come from.")
    control: ControlShape | None = Field(
        default=ControlShape(), description="This replica and its fleet."
    )
    settings: SettingsShape | None = Field(
        default=SettingsShape(), description="How the proxy itself runs."
    )
