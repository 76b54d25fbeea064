"""The shape of `settings.access`: who may speak to the admin listener, and how often."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from proxy.config.addresses import match_host
from proxy.config.shapes import Cidr, HeaderName, Shape
from proxy.config.yaml_scalar import quoted
from proxy.settings import Access, Identity

_ACCESS = Access()
_IDENTITY = Identity()
# What a proxy passes on under these names proves nothing of a person.
_NO_IDENTITY = frozenset({"authorization", "cookie", "host", "origin", "content-type"})
_MAX_NAME = 200


def _identity_header(name: str) -> str:
    if name.lower() in _NO_IDENTITY:
        raise ValueError(f"must be a header that only the proxy sets, got {quoted(name)}")
    return name


def _somebody(text: str) -> str:
    name = text.removeprefix("group:")
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(f"must be a name, group:NAME or *, got {quoted(text)}")
    return text


def _listener_host(text: str) -> str:
    host = match_host(text)
    if host.startswith("*"):
        raise ValueError(f"must be one whole name, got {quoted(text)}")
    return host


IdentityHeader = Annotated[HeaderName, AfterValidator(_identity_header)]
Somebody = Annotated[str, AfterValidator(_somebody)]
ListenerHost = Annotated[str, AfterValidator(_listener_host)]


class IdentityShape(Shape):
    """A proxy before the admin listener that authenticates people."""

    header: IdentityHeader = Field(
        default=_IDENTITY.header,
        description="The header in which it passes on who somebody is; empty: nobody is believed.",
    )
    groups_header: IdentityHeader = Field(
        default=_IDENTITY.groups_header,
        description="The header in which it passes on their groups, separated by commas.",
    )
    proxies: list[Cidr] = Field(
        default=list(_IDENTITY.proxies),
        description="CIDR blocks of the proxies that are believed. From anywhere else the header"
        " means nothing.",
    )
    viewers: list[Somebody] = Field(
        default=list(_IDENTITY.viewers),
        description="Who may look: names, `group:NAME`, or `*` for everybody it lets in.",
    )
    operators: list[Somebody] = Field(
        default=list(_IDENTITY.operators), description="Who may also move traffic."
    )
    admins: list[Somebody] = Field(
        default=list(_IDENTITY.admins), description="Who may also make and revoke tokens."
    )


class AccessShape(Shape):
    """Who may speak to the admin listener, and how often."""

    hosts: list[ListenerHost] = Field(
        default=list(_ACCESS.hosts),
        description="Names of the admin listener, beside localhost, addresses and the host of"
        " `admin`; a request under another name is refused.",
    )
    reads_per_second: int = Field(
        default=_ACCESS.reads_per_second,
        ge=1,
        le=100_000,
        description="Calls of one caller that only look; ten seconds' worth may come at once."
        " Beyond it: 429.",
    )
    changes_per_second: int = Field(
        default=_ACCESS.changes_per_second,
        ge=1,
        le=100_000,
        description="The same for calls that change something.",
    )
    rollbacks_per_second: int = Field(
        default=_ACCESS.rollbacks_per_second,
        ge=1,
        le=100_000,
        description="The same for rollbacks, which wait for no other call.",
    )
    identity: IdentityShape = Field(
        default=IdentityShape(),
        description="A proxy that authenticates people and passes on who they are.",
    )


def to_access(shape: AccessShape) -> Access:
    """Turn the validated shape into the frozen value."""
    identity = shape.identity
    return Access(
        hosts=tuple(shape.hosts),
        reads_per_second=shape.reads_per_second,
        changes_per_second=shape.changes_per_second,
        rollbacks_per_second=shape.rollbacks_per_second,
        identity=Identity(
            header=identity.header,
            groups_header=identity.groups_header,
            proxies=tuple(identity.proxies),
            viewers=tuple(identity.viewers),
            operators=tuple(identity.operators),
            admins=tuple(identity.admins),
        ),
    )
