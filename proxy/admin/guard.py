"""Who may speak to the admin listener: token, Host, Origin. Pure, so that every row can be tested.

A browser on the operator's machine can reach a loopback port. What keeps a hostile page from using
it: the Host must be ours (DNS rebinding), a cross-origin request is refused by what browsers say
about themselves (Origin, Sec-Fetch-*), mutations are POSTs of JSON (which needs a CORS preflight
that is never answered), and nothing is authorised by a cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping

from proxy.admin.problem import AdminError

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
# What probes and Prometheus read; it says nothing secret.
OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class Guard:
    """Checks every request before anything else looks at it."""

    def __init__(self, *, token: str, admin_host: str) -> None:
        # Only a digest is kept, so that no dump of this object holds the token.
        self._digest = _digest(token)
        self._names = LOOPBACK_NAMES | {admin_host.lower()}

    def check(self, path: str, headers: Mapping[str, str]) -> None:
        """Pass, or raise AdminError 401 or 403."""
        self._check_host(headers.get("Host", ""))
        self._check_origin(headers)
        if path not in OPEN_PATHS:
            self._check_token(headers.get("Authorization", ""))

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if name in self._names:
            return
        try:
            # A rebinding attack needs a name; an address in Host was typed by someone.
            ipaddress.ip_address(name)
        except ValueError:
            raise AdminError(
                403,
                f"the Host {host[:100]!r} is not one of this listener's names:"
                " use its address, localhost, or the host that --admin names",
            ) from None

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin = headers.get("Origin")
        if origin is not None:
            ours = {f"{scheme}://{headers.get('Host', '')}" for scheme in ("http", "https")}
            if origin.lower() not in {o.lower() for o in ours}:
                raise AdminError(
                    403, f"the Origin {origin[:100]!r} is another site: use the figway command"
                )
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise AdminError(403, "requests from other sites are refused: use the figway command")
        if headers.get("Sec-Fetch-Mode") == "no-cors":
            raise AdminError(403, "no-cors requests are refused: use the figway command")

    def _check_token(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        known = hmac.compare_digest(_digest(token.strip()), self._digest)
        if scheme.lower() != "bearer" or not known:
            what = "is wrong" if authorization else "is missing"
            raise AdminError(
                401,
                f"the bearer token {what}: send `Authorization: Bearer TOKEN`;"
                " the token is the content of admin-token in the state directory",
                headers={"WWW-Authenticate": 'Bearer realm="figway"'},
            )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _host_name(host: str) -> str:
    """The host of a Host field, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")
