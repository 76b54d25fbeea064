"""The shape of `settings:`: the values of proxy/settings.py as they stand in a file."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from proxy.config.access_model import AccessShape, to_access
from proxy.config.addresses import listen_address
from proxy.config.shapes import Cidr, CookieName, Shape, token
from proxy.config.units import Duration, PositiveDuration, Seconds, Size
from proxy.settings import Deadlines, Limits, Settings

_LIMITS = Limits()
_DEADLINES = Deadlines()
_SETTINGS = Settings()


def _lower_token(text: str) -> str:
    return token(text).lower()


def _some(value: int) -> int:
    if value < 1:
        raise ValueError("must be at least 1")
    return value


SomeBytes = Annotated[Size, AfterValidator(_some)]


class LimitsShape(Shape):
    """What one client may ask of a worker."""

    request_line_bytes: SomeBytes = Field(
        default=_LIMITS.request_line_bytes, description="The request line. Beyond it: 414."
    )
    header_bytes: SomeBytes = Field(
        default=_LIMITS.header_bytes,
        description="One request header field, name and value. Beyond it: 431.",
    )
    header_count: int = Field(
        default=_LIMITS.header_count,
        ge=1,
        description="Header fields of one message. Beyond it: 431, 502 for a response.",
    )
    head_bytes: SomeBytes = Field(
        default=_LIMITS.head_bytes, description="A whole request head. Beyond it: 431."
    )
    response_header_bytes: SomeBytes = Field(
        default=_LIMITS.response_header_bytes,
        description="One response header field. Beyond it: 502.",
    )
    response_head_bytes: SomeBytes = Field(
        default=_LIMITS.response_head_bytes, description="A whole response head. Beyond it: 502."
    )
    body_bytes: Size = Field(
        default=_LIMITS.body_bytes, description="A request body, counted as it streams: 413."
    )
    connections: int = Field(
        default=_LIMITS.connections,
        ge=1,
        description="Client connections of one worker; beyond it new ones wait in the kernel.",
    )
    connections_per_address: int = Field(
        default=_LIMITS.connections_per_address,
        ge=0,
        description="Client connections of one address in one worker; 0 is no limit.",
    )
    replay_bytes: Size = Field(
        default=_LIMITS.replay_bytes,
        description="A request body up to this size is kept, so that it can be sent again.",
    )


class DeadlinesShape(Shape):
    """How long a client may take."""

    header: PositiveDuration = Field(
        default=_DEADLINES.header, description="To the end of the request's head. Beyond it: 408."
    )
    body_idle: PositiveDuration = Field(
        default=_DEADLINES.body_idle, description="Between two pieces of a request body: 408."
    )
    body_min_rate: int = Field(
        default=_DEADLINES.body_min_rate,
        ge=0,
        description="Slowest tolerated upload, bytes per second; 0 is off. Beyond it: 408.",
    )
    keep_alive: Duration = Field(
        default=_DEADLINES.keep_alive, description="A kept-alive connection without a request."
    )
    write: PositiveDuration = Field(
        default=_DEADLINES.write, description="A client that does not read its response."
    )
    linger: Duration = Field(
        default=_DEADLINES.linger,
        description="After an early response: how long the rest of the request is read and "
        "dropped.",
    )
    linger_idle: Duration = Field(
        default=_DEADLINES.linger_idle, description="The same, between two pieces."
    )
    tunnel_idle: PositiveDuration = Field(
        default=_DEADLINES.tunnel_idle, description="A WebSocket in which neither side speaks."
    )
    drain: Duration = Field(
        default=_DEADLINES.drain, description="At shutdown: for requests in flight to finish."
    )
    drain_idle: Duration = Field(
        default=_DEADLINES.drain_idle,
        description="At shutdown: how long an idle connection is left open for its next request.",
    )


Listen = Annotated[str, AfterValidator(listen_address)]


class SettingsShape(Shape):
    """How the proxy itself runs. Each key is also `FIGWAY_<KEY>` in the environment."""

    listen: Listen = Field(
        default=_SETTINGS.listen, description="Where clients come in: HOST:PORT."
    )
    admin: Listen = Field(
        default=_SETTINGS.admin, description="Where operators do: HOST:PORT. Keep it private."
    )
    workers: int = Field(
        default=_SETTINGS.workers, ge=1, le=512, description="Worker processes; one per core."
    )
    tls_certificate: str = Field(
        default=_SETTINGS.tls_certificate,
        description="PEM file with the certificate chain of the data listener; empty: plain HTTP.",
    )
    tls_key: str = Field(default=_SETTINGS.tls_key, description="PEM file with its private key.")
    access_log: Literal["off", "errors", "all"] = Field(
        default="errors",
        description='"off", errors (what failed, fell back or was slow, plus one in a thousand), '
        "all.",
    )
    slow_seconds: Seconds = Field(
        default=_SETTINGS.slow_seconds,
        description="A request slower than this is an access-log line of its own.",
    )
    log_queue: int = Field(
        default=_SETTINGS.log_queue,
        ge=1,
        description="Log lines that may wait for the writer; beyond it they are dropped and "
        "counted.",
    )
    trusted_proxies: list[Cidr] = Field(
        default=list(_SETTINGS.trusted_proxies),
        description="CIDR blocks whose X-Forwarded-* and Forwarded are believed. Nobody by "
        "default.",
    )
    via: Annotated[str, AfterValidator(token)] = Field(
        default=_SETTINGS.via, description="Our name in Via; also how a loop is noticed."
    )
    cookie_name: CookieName = Field(
        default=_SETTINGS.cookie_name, description="The cookie that makes a device stable."
    )
    cookie_max_age: Seconds = Field(
        default=_SETTINGS.cookie_max_age, description="How long browsers keep that cookie."
    )
    upgrade_protocols: list[Annotated[str, AfterValidator(_lower_token)]] = Field(
        default=list(_SETTINGS.upgrade_protocols),
        description="Upgrade tokens that become a tunnel; others are served as plain requests.",
    )
    state_max_age: Duration = Field(
        default=_SETTINGS.state_max_age,
        description="Without a sign of life from the supervisor for this long, a worker sends what "
        "may go either way to legacy; 0 is off.",
    )
    limits: LimitsShape = Field(
        default=LimitsShape(), description="What one client may ask of a worker."
    )
    deadlines: DeadlinesShape = Field(
        default=DeadlinesShape(), description="How long a client may take."
    )
    access: AccessShape = Field(
        default=AccessShape(),
        description="Who may speak to the admin listener, and how often: [admin.md](admin.md).",
    )


def to_settings(shape: SettingsShape) -> Settings:
    """Turn the validated shape into the frozen value every worker gets."""
    values = _values(shape, Settings)
    values["limits"] = Limits(**_values(shape.limits, Limits))
    values["deadlines"] = Deadlines(**_values(shape.deadlines, Deadlines))
    values["access"] = to_access(shape.access)
    values["cookie_max_age"] = int(shape.cookie_max_age)
    return Settings(**values)


def _values(shape: Shape, target: type[Any]) -> dict[str, Any]:
    values = {item.name: getattr(shape, item.name) for item in fields(target)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
