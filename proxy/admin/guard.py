"""Who may speak to the admin listener: Host, Origin, token, role, rate. Keeps only its buckets.

A browser on the operator's machine can reach a loopback port. What keeps a hostile page from using
it: the Host must be ours (DNS rebinding), a cross-origin request is refused by what browsers say
about themselves (Origin, Sec-Fetch-*), mutations are POSTs of JSON (which needs a CORS preflight
that is never answered), and nothing is authorised by a cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.admin.principal import Principal, readable_name, role_of, trusts
from proxy.admin.problem import AdminError
from proxy.admin.rate import Limiter, Rate
from proxy.admin.roles import Kind, Role, need_of
from proxy.admin.tokens import Standing, TokenSet
from proxy.settings import Access

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
# What probes and Prometheus read; it says nothing secret.
OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
# Calls of other programs, with a secret of their own that the handler checks.
UNLEASH_HOOK = "/api/v1/hooks/unleash"
OWN_SECRET_PATHS = frozenset({UNLEASH_HOOK})
_WITHOUT_TOKEN = OPEN_PATHS | OWN_SECRET_PATHS

# Calls with a secret of their own, of one address.
HOOKS = Rate(per_second=20, burst=200)

ADMIN_TOKEN = "admin-token"  # noqa: S105 - what the audit calls it

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the guard looks at. `path` is as the router has it, with `{id}` for what varies."""

    method: str
    path: str
    headers: Headers
    # The address of the other end of the connection.
    remote: str = ""


class Guard:
    """Checks every request before anything else looks at it."""

    def __init__(
        self,
        *,
        token: str,
        admin_host: str,
        access: Access | None = None,
        hosts: Iterable[str] = (),
        tokens: Callable[[], TokenSet] = TokenSet,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`hosts`: more names of this listener; `tokens` tells which there are now."""
        access = access or Access()
        # Only a digest is kept, so that no dump of this object holds the token.
        self._digest = _digest(token)
        more = (admin_host, *hosts, *access.hosts)
        self._names = LOOPBACK_NAMES | {name.lower().rstrip(".") for name in more if name}
        self._tokens = tokens
        self._identity = access.identity
        self._rates = {
            Kind.READ: _rate(access.reads_per_second),
            Kind.CHANGE: _rate(access.changes_per_second),
            Kind.ROLLBACK: _rate(access.rollbacks_per_second),
        }
        # Calls without a good token, of one address: those with one are never held up by them.
        self._failures = _rate(access.changes_per_second)
        self._limiter = Limiter()
        # Calls that were not carried out, by status.
        self.refusals: Counter[int] = Counter()
        self._monotonic = monotonic
        self._wall = wall

    def check(self, asked: Asked) -> Principal | None:
        """Pass, or raise AdminError 400, 401, 403 or 429. None: a path that is open to anybody."""
        try:
            self._check_host(_only(asked.headers, "Host"))
            self._check_origin(asked.headers)
            principal = self._known(asked) if asked.path not in _WITHOUT_TOKEN else None
        except AdminError:
            self._allow(("failed", _caller(asked.remote)), self._failures)
            raise
        if principal is None:
            if asked.path in OWN_SECRET_PATHS:
                self._allow(("hook", _caller(asked.remote)), HOOKS)
            return None
        need = need_of(asked.method, asked.path)
        self._allow((principal.credential, principal.name, need.kind), self._rates[need.kind])
        if not principal.role.includes(need.role):
            raise AdminError(
                403,
                f"{asked.method} {asked.path} needs the role {need.role.value}, and"
                f" {principal.name or 'this token'} has {principal.role.value}: an admin gives"
                f" roles, with `figway token create NAME --role {need.role.value}`",
            )
        return principal

    def failed(self, remote: str) -> None:
        """Count a wrong secret on a path that checks its own. Raises AdminError 429."""
        self._allow(("failed", _caller(remote)), self._failures)

    # How often.

    def _allow(self, caller: tuple[str, ...], rate: Rate) -> None:
        waits = self._limiter.take(caller, rate, self._monotonic())
        if waits:
            seconds = max(1, math.ceil(waits))
            raise AdminError(
                429,
                f"too many calls: {rate.per_second:g} a second are taken; try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )

    # Through which name, and from which page.

    def _check_host(self, host: str | None) -> None:
        name = _host_name(host or "")
        if name in self._names:
            return
        try:
            # A rebinding attack needs a name; an address in Host was typed by someone.
            ipaddress.ip_address(name)
        except ValueError:
            raise AdminError(
                403,
                f"the Host {(host or '')[:100]!r} is not one of this listener's names:"
                " use its address, localhost, the host that --admin names, or one of"
                " settings.access.hosts",
            ) from None

    def _check_origin(self, headers: Headers) -> None:
        origin = _only(headers, "Origin")
        if origin is not None:
            ours = {f"{scheme}://{headers.get('Host', '')}" for scheme in ("http", "https")}
            if origin.lower() not in {o.lower() for o in ours}:
                raise AdminError(
                    403, f"the Origin {origin[:100]!r} is another site: use the figway command"
                )
        if not {"none", "same-origin"}.issuperset(headers.getall("Sec-Fetch-Site", [])):
            raise AdminError(403, "requests from other sites are refused: use the figway command")
        if "no-cors" in headers.getall("Sec-Fetch-Mode", []):
            raise AdminError(403, "no-cors requests are refused: use the figway command")

    # Who.

    def _known(self, asked: Asked) -> Principal:
        authorization = _only(asked.headers, "Authorization") or ""
        scheme, _, shown = authorization.partition(" ")
        shown = shown.strip()
        row, standing = self._tokens().find(shown, self._wall())
        shared = hmac.compare_digest(_digest(shown), self._digest)
        if scheme.lower() == "bearer":
            if shared:
                return Principal(name="", role=Role.ADMIN, credential=ADMIN_TOKEN)
            if row is not None and standing is Standing.GOOD:
                return Principal(name=row.name, role=row.role, credential=f"token {row.id}")
        else:
            standing = Standing.UNKNOWN
        identified = self._identified(asked)
        if identified is not None:
            return identified
        raise _unauthorized(authorization, standing)

    def _identified(self, asked: Asked) -> Principal | None:
        """Who a trusted proxy says that it is; None if it says nothing, or nobody is trusted."""
        trust = self._identity
        if not trust.header or trust.header not in asked.headers:
            return None
        if not trusts(trust, asked.remote):
            return None
        name = _only(asked.headers, trust.header) or ""
        if not readable_name(name):
            raise AdminError(400, f"{trust.header}: is no name that can be written down")
        # Several fields of groups are one list (RFC 9110, 5.3).
        fields = asked.headers.getall(trust.groups_header, []) if trust.groups_header else []
        groups = [group.strip() for group in ",".join(fields).split(",") if group.strip()]
        role = role_of(trust, name, groups)
        if role is None:
            raise AdminError(
                403,
                f"{name} has no role here: settings.access.identity lists viewers, operators and"
                " admins",
            )
        return Principal(name=name, role=role, credential=f"{trust.header} from {asked.remote}")


def _unauthorized(authorization: str, standing: Standing) -> AdminError:
    match standing:
        case Standing.REVOKED | Standing.EXPIRED:
            what = f"is {standing.value}: ask an admin for another"
        case _ if authorization:
            what = "is wrong: send `Authorization: Bearer TOKEN` with one from `figway token`"
        case _:
            what = "is missing: send `Authorization: Bearer TOKEN`"
    return AdminError(
        401,
        f"the bearer token {what}; on the machine itself it is the content of admin-token in the"
        " state directory",
        headers={"WWW-Authenticate": 'Bearer realm="figway"'},
    )


def _only(headers: Headers, name: str) -> str | None:
    """A field that may be there once: of two, which one counts would be a guess."""
    values = headers.getall(name, [])
    if len(values) > 1:
        raise AdminError(400, f"{name}: is there {len(values)} times")
    return values[0] if values else None


def _rate(per_second: int) -> Rate:
    return Rate(per_second=per_second, burst=10 * per_second)


def _caller(remote: str) -> str:
    """One household of addresses: of IPv6, whoever has one has 2^64."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return remote


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _host_name(host: str) -> str:
    """The host of a Host field, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")
