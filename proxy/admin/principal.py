"""Who a request comes from, as far as that is proven: by a token, or by a proxy that is trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.admin.roles import Role
from proxy.settings import Identity

# In the lists of roles: whoever the proxy has let in, and what marks the name of a group.
EVERYBODY = "*"
GROUP = "group:"

_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who may do what `role` may."""

    # Empty: the shared admin token, which says nothing of who holds it.
    name: str
    role: Role
    # What proved it, for the audit; also whose allowance a call takes.
    credential: str


def trusts(identity: Identity, remote: str) -> bool:
    """Whether the header of a request from this address is believed."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return bool(identity.header) and any(
        address in ipaddress.ip_network(block, strict=False) for block in identity.proxies
    )


def role_of(identity: Identity, name: str, groups: Sequence[str]) -> Role | None:
    """The highest role that the lists give; None: they give none."""
    mine = {name, EVERYBODY, *(f"{GROUP}{group}" for group in groups)}
    for role, names in (
        (Role.ADMIN, identity.admins),
        (Role.OPERATOR, identity.operators),
        (Role.VIEWER, identity.viewers),
    ):
        if mine.intersection(names):
            return role
    return None


def readable_name(text: str) -> bool:
    """Whether a name that was sent can stand in an audit, and cannot be taken for a group."""
    return (
        0 < len(text) <= _MAX_NAME
        and text.isprintable()
        and text == text.strip()
        and text != EVERYBODY
        and not text.startswith(GROUP)
        and text.isascii()
    )
