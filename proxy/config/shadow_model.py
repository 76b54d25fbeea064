"""The shape of `shadow:`, of a route and of the whole file: what is copied, when, at what cost."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)

from proxy.config.shapes import CookieName, HeaderName, Shape, exactly_one, one_key
from proxy.config.units import UNIT, Duration, PositiveDuration, Rate, Share, Size
from proxy.config.yaml_scalar import quoted
from proxy.shadow_policy import (
    MAX_BODY,
    MIB,
    DispatchAt,
    ExemplarStore,
    ObserverPolicy,
    ReprobePolicy,
    SampleKey,
    SampleKeyKind,
    SessionUse,
    ShadowPolicy,
    WriteMode,
)

_SHADOW = ShadowPolicy()
_AA = ReprobePolicy()
_OBSERVER = ObserverPolicy()

# Words of an enum stand in the file as text.
_DispatchWord = Annotated[DispatchAt, Strict(False)]
_WriteWord = Annotated[WriteMode, Strict(False)]
_SessionWord = Annotated[SessionUse, Strict(False)]
_StoreWord = Annotated[ExemplarStore, Strict(False)]

_PATTERN = re.compile(r"(?P<path>[/*][^?#\s]*)?(?:\?(?P<query>[^?#&\s]*))?")


def _unsafe_get(text: str) -> str:
    """Check a pattern for GET requests that change something. Raises ValueError with the mend."""
    match = _PATTERN.fullmatch(text)
    query = match["query"] if match is not None else None
    if match is None or not text or (query is not None and not query.partition("=")[0]):
        raise ValueError(
            "must be /path, ?name=value or /path?name=value, where * stands for any characters, "
            f"got {quoted(text)}"
        )
    return text


class SampleKeyShape(Shape):
    """Whose hash decides, when it is not the client's: exactly one of these."""

    model_config = ConfigDict(json_schema_extra=one_key)

    cookie: CookieName = Field(default="", description="A cookie of the application.")
    header: HeaderName = Field(default="", description="A request header.")

    @model_validator(mode="after")
    def _one(self) -> SampleKeyShape:
        exactly_one(self, "cookie", "header")
        return self


def _word_or_mapping(value: object) -> str | None:
    if isinstance(value, dict | BaseModel):
        return "(mapping)"
    return "(word)" if isinstance(value, str) else None


def _number_or_mapping(value: object) -> str:
    return "(mapping)" if isinstance(value, dict | BaseModel) else "(word)"


_KeyShape = Annotated[
    Annotated[Literal["client"], Tag("(word)")] | Annotated[SampleKeyShape, Tag("(mapping)")],
    Discriminator(
        _word_or_mapping,
        custom_error_type="shape",
        custom_error_message="must be client, {cookie: NAME} or {header: NAME}",
    ),
]


class SampleShape(Shape):
    """A share of the sessions, and what a session is."""

    rate: Rate = Field(description="Share of the sessions: 25%, or 0.25.")
    key: _KeyShape = Field(
        default="client",
        description="Whose hash decides, so that sessions stay whole: client (the device cookie, "
        "else the address), or one of {cookie: NAME} and {header: NAME}. A request without it is "
        "keyed by the client's address.",
    )


class BudgetShape(Shape):
    """What the route's copies may cost."""

    rps: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Shadow requests per second, of all workers together. Without it: no limit.",
    )
    legacy_extra_rps: float = Field(
        default=_SHADOW.legacy_extra_rps,
        ge=0,
        allow_inf_nan=False,
        description="Re-probes of legacy per second; 0 is none.",
    )


class ReprobeShape(Shape):
    """A/A: legacy is asked once more, to tell noise from regression."""

    rate: Rate = Field(
        default=_AA.rate, description="Share of the comparisons that are re-probed anyway."
    )
    on_mismatch: bool = Field(
        default=_AA.on_mismatch, description="Whether a mismatch is re-probed, inside the budget."
    )
    sessions: _SessionWord = Field(
        default=_AA.sessions,
        description="A re-probe with a session cookie: drop sends it without the cookie, skip "
        "sends none, keep sends it as it is (PHP locks the session meanwhile).",
    )


class ShadowShape(Shape):
    """How much of the route is copied to the other side."""

    sample: Annotated[
        Annotated[Share, Tag("(word)")] | Annotated[SampleShape, Tag("(mapping)")],
        Discriminator(_number_or_mapping),
    ] = Field(
        default=_SHADOW.sample,
        json_schema_extra={UNIT: "share"},
        description="Share of the sessions whose requests are copied, or {rate: 25%, key: ...}.",
    )
    budget: BudgetShape = Field(
        default=BudgetShape(), description="What the copies may cost, per second."
    )
    dispatch: _DispatchWord = Field(
        default=_SHADOW.dispatch,
        description="When the copy is sent: concurrent (the request is whole), on_response (head "
        "of the primary's response), after_response (it is whole).",
    )
    writes: _WriteWord = Field(
        default=_SHADOW.writes,
        description="Methods that are not safe: never copied; record keeps them and sends nothing; "
        "dry_run sends X-Figway-Dry-Run: 1 along; sandbox sends them to another upstream.",
    )
    sandbox: str = Field(
        default="", description="Upstream that answers copied writes; with writes: sandbox."
    )
    unsafe_get: list[Annotated[str, AfterValidator(_unsafe_get)]] = Field(
        default=list(_SHADOW.unsafe_get),
        description="GET requests that change something and are never copied: /path*, "
        "?name=value*, or both; * stands for any characters.",
    )
    sessions: _SessionWord = Field(
        default=_SHADOW.sessions,
        description="When legacy is the shadow (stage live), a request with a session cookie: drop "
        "sends it without the cookie, skip sends none, keep sends it as it is.",
    )
    session_cookies: list[CookieName] = Field(
        default=list(_SHADOW.session_cookies), description="Cookies that carry a session."
    )
    aa: ReprobeShape = Field(
        default=ReprobeShape(), description="How often legacy is asked once more."
    )


class ExemplarsShape(Shape):
    """Pairs that are kept for people."""

    store: _StoreWord = Field(
        default=_OBSERVER.exemplars,
        description='redacted keeps pairs with their secrets taken out; "off" keeps counts only.',
    )
    per_fingerprint: int = Field(
        default=_OBSERVER.exemplars_per_fingerprint,
        ge=1,
        le=1000,
        description="Pairs of each cause, chosen evenly over time.",
    )
    ttl: PositiveDuration = Field(
        default=_OBSERVER.ttl,
        description="How long pairs, and the evidence of ended epochs, are kept.",
    )


def _some(value: int) -> int:
    if value < 1:
        raise ValueError("must be at least 1")
    return value


_SomeBytes = Annotated[Size, AfterValidator(_some)]


def _one_body(value: int) -> int:
    if value > MAX_BODY:
        raise ValueError(f"must be at most {MAX_BODY // MIB}MiB: each body is held in memory whole")
    return value


_BodyBytes = Annotated[_SomeBytes, AfterValidator(_one_body)]


class ObserverShape(Shape):
    """What the shadow traffic of all routes shares."""

    kill_switch: bool = Field(
        default=_OBSERVER.kill_switch, description="true: nothing is copied, whatever routes say."
    )
    queue: int = Field(
        default=_OBSERVER.queue,
        ge=1,
        le=100_000,
        description="Exchanges that may wait in the observer; a burst beyond it waits in the"
        " workers' buffers, and is shed and counted when those are full.",
    )
    workers: int = Field(
        default=_OBSERVER.concurrency, ge=1, le=1024, description="Shadow requests in flight."
    )
    max_body: _BodyBytes = Field(
        default=_OBSERVER.max_body,
        description="One body, request or response, primary or shadow, 64MiB at most; beyond it "
        "there is no comparison, which is counted.",
    )
    deadline: PositiveDuration = Field(
        default=_OBSERVER.deadline, description="For one shadow request, its wait included."
    )
    loop_lag_shed: Duration = Field(
        default=_OBSERVER.loop_lag_shed,
        description="The observer falls behind by more than this: new work is shed; 0 is off.",
    )
    exemplars: ExemplarsShape = Field(
        default=ExemplarsShape(), description="Pairs that are kept for people."
    )
    max_store: _SomeBytes = Field(
        default=_OBSERVER.max_store, description="The evidence on disk; the oldest pairs go first."
    )


def to_shadow(shape: ShadowShape) -> ShadowPolicy:
    """Turn the validated shape of a route into its policy."""
    sample = shape.sample
    rate, key = (
        (sample.rate, _key(sample.key))
        if isinstance(sample, SampleShape)
        else (sample, SampleKey())
    )
    return ShadowPolicy(
        sample=rate,
        key=key,
        budget_rps=shape.budget.rps,
        legacy_extra_rps=shape.budget.legacy_extra_rps,
        dispatch=shape.dispatch,
        writes=shape.writes,
        sandbox=shape.sandbox,
        unsafe_get=tuple(shape.unsafe_get),
        sessions=shape.sessions,
        session_cookies=tuple(shape.session_cookies),
        aa=ReprobePolicy(
            rate=shape.aa.rate, on_mismatch=shape.aa.on_mismatch, sessions=shape.aa.sessions
        ),
    )


def to_observer(shape: ObserverShape) -> ObserverPolicy:
    """Turn the validated shape of the file's own section into its policy."""
    return ObserverPolicy(
        kill_switch=shape.kill_switch,
        queue=shape.queue,
        concurrency=shape.workers,
        max_body=shape.max_body,
        deadline=shape.deadline,
        loop_lag_shed=shape.loop_lag_shed,
        exemplars=shape.exemplars.store,
        exemplars_per_fingerprint=shape.exemplars.per_fingerprint,
        ttl=shape.exemplars.ttl,
        max_store=shape.max_store,
    )


def _key(shape: SampleKeyShape | str) -> SampleKey:
    if isinstance(shape, str):
        return SampleKey()
    (name,) = shape.model_fields_set
    return SampleKey(kind=SampleKeyKind(name), name=getattr(shape, name))
