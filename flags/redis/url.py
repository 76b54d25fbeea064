"""The Redis URL: text in, one frozen value out; never shows a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_FORMS: Final = {
    "redis": ("direct", False),
    "rediss": ("direct", True),
    "unix": ("socket", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis-cluster": ("cluster", False),
    "rediss-cluster": ("cluster", True),
}
# How others write them.
_ALIASES: Final = {
    f"{scheme}{mark}{form}": f"{scheme}{usual}{form}"
    for form, mark, usual in (("sentinel", "-", "+"), ("cluster", "+", "-"))
    for scheme in ("redis", "rediss")
}
_PORTS: Final = {"direct": 6379, "sentinel": 26379, "cluster": 6379}
_TLS_OPTIONS: Final = ("ca", "cert", "key", "verify")
_SENTINEL_OPTIONS: Final = ("sentinel_user", "sentinel_password")
_VERIFY: Final = ("full", "chain")
_MEND: Final = {
    "direct": "redis://[user:password@]host[:6379][/0]",
    "socket": "unix:///path/to/redis.sock[?db=0]",
    "sentinel": "redis+sentinel://[user:password@]host1[:26379],host2/service[/0]",
    "cluster": "redis-cluster://[user:password@]host1[:6379],host2",
}
_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?").fullmatch


class RedisUrlError(ValueError):
    """A Redis URL that cannot be used; the message names the setting and the mend, no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to a server; both empty: nobody asked."""

    user: str = ""
    password: str = field(default="", repr=False)


NOBODY: Final = Credentials()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a TLS connection needs, paths of PEM files; `check_host` compares the name as well."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    check_host: bool = True

    def unreadable(self) -> str:
        """The first of the files that cannot be read now; empty when all can."""
        files = (self.ca, self.cert, self.key)
        return next((file for file in files if file and not os.access(file, os.R_OK)), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """Where Redis is and how to get in."""

    # direct, socket, sentinel or cluster.
    form: str
    # (host, port): the server, the Sentinels or the first nodes of the cluster.
    addresses: tuple[tuple[str, int], ...] = ()
    path: str = ""
    database: int = 0
    # The name that the Sentinels know the master by.
    service: str = ""
    credentials: Credentials = NOBODY
    sentinel_credentials: Credentials = NOBODY
    # None: in the clear.
    tls: Tls | None = None

    @property
    def shown(self) -> str:
        """The URL for people: no user, no password."""
        scheme = next(
            name
            for name, (form, tls) in _FORMS.items()
            if form == self.form and tls == (self.tls is not None)
        )
        if self.form == "socket":
            return f"unix://{self.path}"
        where = ",".join(shown_address(address) for address in self.addresses)
        service = f"/{self.service}" if self.service else ""
        database = f"/{self.database}" if self.database else ""
        return f"{scheme}://{where}{service}{database}"


def shown_address(address: tuple[str, int]) -> str:
    """`host:port`, with the brackets that IPv6 needs."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_redis_url(text: str, *, setting: str = "FIGWAY_REDIS_URL") -> RedisUrl:
    """Read a Redis URL; `setting` is what the error calls it. Raises `RedisUrlError`."""
    try:
        return _parse(text.strip())
    except ValueError as error:
        raise RedisUrlError(f"{setting}: {error}") from None


def _parse(text: str) -> RedisUrl:
    scheme, separator, rest = text.partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if not separator or scheme not in _FORMS:
        known = ", ".join(f"{name}://" for name in _FORMS)
        said = f"{scheme}://" if separator else "text without ://"
        raise ValueError(f"must begin with one of {known}; got {said}")
    form, tls = _FORMS[scheme]
    if re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("has a blank or a control character in it: write it as %20")
    # Our own scheme, so that urlsplit does not care for what it knows of others.
    parts = urlsplit(f"x://{rest}")
    if parts.fragment:
        raise ValueError("has a # in it: write the one of a password as %23")
    options = _options(parts.query, form, tls=tls)
    login, _, hosts = parts.netloc.rpartition("@")
    user, colon, password = login.partition(":")
    if login and not colon:
        raise ValueError(f"has a user without password: write {_MEND[form]}")
    credentials = Credentials(user=unquote(user), password=unquote(password))
    path, database, service = _path(parts.path, form, options)
    return RedisUrl(
        form=form,
        addresses=() if form == "socket" else _addresses(hosts, form),
        path=path,
        database=database,
        service=service,
        credentials=credentials,
        sentinel_credentials=Credentials(
            user=options.get("sentinel_user", ""), password=options.get("sentinel_password", "")
        ),
        tls=_tls(options) if tls else None,
    )


def _addresses(hosts: str, form: str) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for each in hosts.split(","):
        match = _ADDRESS(each)
        if not match:
            raise ValueError(f"{each or 'nothing'!r} is no host[:port]: write {_MEND[form]}")
        host, port = match[1] or unquote(match[2]), int(match[3] or _PORTS[form])
        if not 1 <= port <= 65_535:
            raise ValueError(f"port {port} is outside 1..65535")
        found.append((host, port))
    if form == "direct" and len(found) > 1:
        raise ValueError(
            "names several hosts: say redis+sentinel:// for Sentinels (with /service at the end) "
            "or redis-cluster:// for a cluster"
        )
    return tuple(dict.fromkeys(found))


def _path(text: str, form: str, options: Mapping[str, str]) -> tuple[str, int, str]:
    """(socket path, database, service) of what stands behind the hosts."""
    if form == "socket":
        if not text or text == "/":
            raise ValueError(f"names no socket: write {_MEND[form]}")
        return unquote(text), _database(options.get("db", "")), ""
    pieces = [unquote(piece) for piece in text.split("/")[1:] if piece]
    if form == "cluster":
        if pieces and pieces != ["0"]:
            raise ValueError("a cluster has only database 0: leave the path away")
        return "", 0, ""
    service = ""
    if form == "sentinel":
        if not pieces:
            raise ValueError(f"names no service: write {_MEND[form]}")
        service = pieces.pop(0)
    if len(pieces) > 1:
        raise ValueError(f"has more in its path than a database: write {_MEND[form]}")
    return "", _database(pieces[0] if pieces else ""), service


def _database(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch("[0-9]{1,4}", text):
        raise ValueError(f"database {text!r} is no number; the usual one is 0")
    return int(text)


def _options(query: str, form: str, *, tls: bool) -> dict[str, str]:
    known = (
        *(_TLS_OPTIONS if tls else ()),
        *(_SENTINEL_OPTIONS if form == "sentinel" else ()),
        *(("db",) if form == "socket" else ()),
    )
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _TLS_OPTIONS and not tls:
            raise ValueError(f"option {name} is for TLS: begin with rediss://")
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ValueError(f"option {name!r} is not known here; known: {listed}")
        if name in options:
            raise ValueError(f"option {name} is there twice")
        if not value:
            raise ValueError(f"option {name} is empty: leave it away")
        options[name] = value
    return options


def _tls(options: Mapping[str, str]) -> Tls:
    if ("cert" in options) != ("key" in options):
        raise ValueError("a client certificate needs both cert= and key=")
    verify = options.get("verify", "full")
    if verify not in _VERIFY:
        raise ValueError(f"verify must be {' or '.join(_VERIFY)}, got {verify!r}")
    return Tls(
        ca=options.get("ca", ""),
        cert=options.get("cert", ""),
        key=options.get("key", ""),
        check_host=verify == "full",
    )
