"""The shape of `flags:`: where flags come from."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, model_validator

from proxy.config.shapes import CookieName, HeaderName, ParameterName, Shape, exactly_one, one_key
from proxy.config.units import PositiveDuration
from proxy.config.yaml_scalar import quoted
from proxy.control_plane import FlagSources, Provider, Unleash, WhenStale
from proxy.routing.route import ContextField, ContextKind

_FLAGS = FlagSources()
_UNLEASH = Unleash()
_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#@\s]*)?")
_APP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")
# What Figway knows better than any header.
_OURS = frozenset({"remoteAddress", "environment", "appName", "currentTime"})
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

ProviderWord = Annotated[Provider, Strict(False)]
WhenStaleWord = Annotated[WhenStale, Strict(False)]


def _server_url(text: str) -> str:
    if "@" in text:
        raise ValueError("must not hold a user or password: the file is no place for secrets")
    if not _URL.fullmatch(text):
        raise ValueError(
            f"must be the address of Unleash such as http://unleash:4242/api, got"
            f" {quoted(text[:80])}"
        )
    return text.rstrip("/")


def _app_name(text: str) -> str:
    if not _APP_NAME.fullmatch(text):
        raise ValueError(
            "must be at most 100 letters, digits, dots, dashes, blanks and underscores, got"
            f" {quoted(text[:80])}"
        )
    return text


def _fields(value: object) -> object:
    if isinstance(value, dict):
        for name in value:
            if name in _OURS:
                raise ValueError(f"{name} is what Figway itself knows: remove it here")
            if not isinstance(name, str) or not _FIELD.fullmatch(name):
                raise ValueError(f"{quoted(str(name)[:80])} is no name of a context field")
    return value


class ContextFieldShape(Shape):
    """Where a field of Unleash's context stands in a request."""

    model_config = ConfigDict(json_schema_extra=one_key)

    header: HeaderName = Field(default="", description="In a request header.")
    cookie: CookieName = Field(default="", description="In a cookie.")
    query: ParameterName = Field(default="", description="In a query parameter.")

    @model_validator(mode="after")
    def _one(self) -> ContextFieldShape:
        exactly_one(self, "header", "cookie", "query")
        return self


class UnleashShape(Shape):
    """The Unleash server; its tokens come from the environment: [fleet.md](fleet.md)."""

    url: Annotated[str, AfterValidator(_server_url)] = Field(
        default=_UNLEASH.url, description="Its API, such as http://unleash:4242/api."
    )
    app_name: Annotated[str, AfterValidator(_app_name)] = Field(
        default=_UNLEASH.app_name, description="What Unleash calls this application."
    )
    poll: PositiveDuration = Field(
        default=_UNLEASH.poll, description="How often it is asked; give or take a fifth."
    )
    context: Annotated[dict[str, ContextFieldShape], BeforeValidator(_fields)] = Field(
        default={},
        description="Field of the context to where it stands in a request. Without one, `userId`"
        " and `sessionId` are the key of the route's stickiness.",
    )


class FlagsShape(Shape):
    """Where flags come from: [fleet.md](fleet.md)."""

    provider: ProviderWord = Field(
        default=_FLAGS.provider,
        description="Who says the percentages; the flag file says what it is silent about. Without"
        " it: unleash or redis if its address is set, else file.",
    )
    warn_after: PositiveDuration = Field(
        default=_FLAGS.warn_after,
        description="Without a word from the provider for this long, that is told.",
    )
    stale_after: PositiveDuration = Field(
        default=_FLAGS.stale_after,
        description="For this long, `when_stale` says what becomes of the routes.",
    )
    when_stale: WhenStaleWord = Field(
        default=_FLAGS.when_stale,
        description="`hold` keeps what was said last; `legacy` sends to legacy what may go either"
        " way. A route may say otherwise.",
    )
    unleash: UnleashShape = Field(default=UnleashShape(), description="The Unleash server.")


def to_flag_sources(shape: FlagsShape) -> FlagSources:
    """Turn the validated shape into the frozen value, without secrets."""
    return FlagSources(
        provider=shape.provider,
        warn_after=shape.warn_after,
        stale_after=shape.stale_after,
        when_stale=shape.when_stale,
        unleash=Unleash(
            url=shape.unleash.url, app_name=shape.unleash.app_name, poll=shape.unleash.poll
        ),
    )


def to_context(shape: FlagsShape) -> tuple[ContextField, ...]:
    """Where the fields of Unleash's context stand in a request."""
    return tuple(
        ContextField(field=name, kind=kind, name=where)
        for name, each in shape.unleash.context.items()
        for kind, where in (
            (ContextKind.HEADER, each.header.lower()),
            (ContextKind.COOKIE, each.cookie),
            (ContextKind.QUERY, each.query),
        )
        if where
    )
