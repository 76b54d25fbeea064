"""Joining a fleet: what the settings name becomes a store, a name, an address."""

from __future__ import annotations

import re
import secrets
import socket

from flags.shared import SharedStore
from proxy.config.environment import setting_problem
from proxy.control_plane import Membership
from proxy.errors import ConfigError
from proxy.supervision.listener import Address

_NO_NAME = re.compile(r"[^A-Za-z0-9._:-]+")
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound


def check_store(membership: Membership) -> None:
    """Look at the address of the store, before anything starts. Raises ConfigError."""
    if membership.redis_url:
        from flags.redis.url import RedisUrlError, parse_redis_url

        try:
            parse_redis_url(membership.redis_url)
        except RedisUrlError as error:
            name, _, sentence = str(error).partition(": ")
            raise ConfigError((setting_problem("environment", name, sentence),)) from None


def open_store(membership: Membership, *, replica: str, boot: str) -> SharedStore | None:
    """The store that the settings name; None: there is none. On the running loop."""
    if not membership.redis_url:
        return None
    # A figway by itself does not pay for a Redis client.
    from flags.redis.settings import RedisSettings
    from flags.redis.store import RedisStore
    from flags.redis.url import parse_redis_url

    return RedisStore(
        RedisSettings(
            url=parse_redis_url(membership.redis_url),
            replica=replica,
            boot=boot,
            environment=membership.environment,
        )
    )


def shown_store(membership: Membership) -> str:
    """The store's address for people: no user, no password; empty: there is none."""
    if not membership.redis_url:
        return ""
    from flags.redis.url import parse_redis_url

    return parse_redis_url(membership.redis_url).shown


def new_boot() -> str:
    """What tells this start of a replica from every other."""
    return secrets.token_hex(8)


def replica_name(membership: Membership, admin: Address) -> str:
    """What this replica is called: as it is set, else by its host and its admin port."""
    name = membership.replica or f"{socket.gethostname()}:{admin.port}"
    return _NO_NAME.sub("-", name)[:64] or "figway"


def admin_address(membership: Membership, admin: Address) -> str:
    """Where others find the admin listener."""
    if membership.advertise:
        return membership.advertise
    # On every address: the host's name is the one that other machines may know.
    host = socket.gethostname() if admin.host in _ANY else admin.host
    return f"http://{Address(host, admin.port)}"
