"""The shape of `control:`: this replica and its fleet."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from flags.redis.url import RedisUrlError, parse_redis_url
from proxy.config.addresses import upstream_url
from proxy.config.shapes import Shape
from proxy.config.units import Duration, PositiveDuration
from proxy.config.yaml_scalar import quoted
from proxy.control_plane import Membership

_CONTROL = Membership()
_REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_USER_INFO = re.compile(r"://[^/?#]*@")


def _replica(text: str) -> str:
    if not _REPLICA.fullmatch(text):
        raise ValueError(
            "must be at most 64 letters, digits, dots, dashes, colons and underscores, beginning"
            f" with a letter or digit, got {quoted(text[:80])}"
        )
    return text


def _environment(text: str) -> str:
    if not _ENVIRONMENT.fullmatch(text):
        raise ValueError(
            "must be at most 64 letters, digits, dots, dashes and underscores, beginning with a"
            f" letter or digit, got {quoted(text[:80])}"
        )
    return text


def _no_secret(text: str) -> str:
    if _USER_INFO.search(text):
        raise ValueError(
            "must not hold a user or password, the file is no place for secrets: set the whole URL"
            " in FIGWAY_REDIS_URL or FIGWAY_REDIS_URL_FILE"
        )
    return text


def _redis_url(text: str) -> str:
    setting = "redis_url"
    try:
        parse_redis_url(text, setting=setting)
    except RedisUrlError as error:
        raise ValueError(str(error).removeprefix(f"{setting}: ")) from None
    return text


def admin_url(text: str) -> str:
    """Check where an admin listener can be asked: http://HOST:PORT or https://HOST:PORT.

    HOST:PORT alone means http, as it does for FIGWAY_ADMIN.
    """
    url = text if "://" in text else f"http://{text}"
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"must be http://HOST:PORT or https://HOST:PORT, got {quoted(text[:80])}")
    return upstream_url(url.rstrip("/"))


AdminUrl = Annotated[str, AfterValidator(admin_url)]


class ControlShape(Shape):
    """This replica and its fleet: [fleet.md](fleet.md)."""

    replica: Annotated[str, AfterValidator(_replica)] = Field(
        default=_CONTROL.replica,
        description="The name of this replica; better set as FIGWAY_REPLICA, since the file is the"
        " same everywhere. Without it: the host's name and the port of the admin listener.",
    )
    environment: Annotated[str, AfterValidator(_environment)] = Field(
        default=_CONTROL.environment, description="Fleets that share a Redis have different ones."
    )
    redis_url: Annotated[str, AfterValidator(_no_secret), AfterValidator(_redis_url)] = Field(
        default=_CONTROL.redis_url,
        description="The Redis that the replicas share; with a password only as FIGWAY_REDIS_URL.",
    )
    peers: list[AdminUrl] = Field(
        default=list(_CONTROL.peers),
        description="Admin listeners of the replicas, for commands while there is no Redis.",
    )
    advertise: AdminUrl = Field(
        default=_CONTROL.advertise,
        description="Where other machines reach the admin listener of this one. Without it: as it"
        " listens.",
    )
    resume_cooldown: Duration = Field(
        default=_CONTROL.resume_cooldown,
        description="How long a rollback must have held before `figway resume` ends it without"
        " `--force`.",
    )
    stale_after: PositiveDuration = Field(
        default=_CONTROL.stale_after,
        description="Without proof for this long that it knows the newest shared state, a replica"
        " calls itself stale.",
    )
    unready_after: Duration = Field(
        default=_CONTROL.unready_after,
        description="For this long stale it is not ready, while a peer says that it is fresh; 0:"
        " it stays ready.",
    )
    diverged_after: PositiveDuration = Field(
        default=_CONTROL.diverged_after,
        description="Replicas that differ for this long are told of.",
    )


def to_membership(shape: ControlShape) -> Membership:
    """Turn the validated shape into the frozen value."""
    return Membership(
        replica=shape.replica,
        environment=shape.environment,
        redis_url=shape.redis_url,
        peers=tuple(shape.peers),
        advertise=shape.advertise,
        resume_cooldown=shape.resume_cooldown,
        stale_after=shape.stale_after,
        unready_after=shape.unready_after,
        diverged_after=shape.diverged_after,
    )
