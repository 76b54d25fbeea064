"""Handing out the identity cookie: who gets one, and in which responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.http1.fields import Fields, values

if TYPE_CHECKING:
    from proxy.http1.request import Request
    from proxy.settings import Settings


def identity_lines(request: Request, response: Fields, settings: Settings, *, tls: bool) -> bytes:
    """The header lines that give this client the id it was decided by; empty when it gets none.

    The id says who the client is, never where its requests go, so a rollback leaves it alone. In a
    response that a shared cache may store it would make one client of many: there it is withheld,
    and where the response says nothing about caching it is made private.
    """
    if not request.minted_device_id or not request.may_get_a_cookie():
        return b""
    lines = ""
    control = b",".join(values(response, b"cache-control")).lower()
    if not control:
        lines = "Cache-Control: private\r\n"
    elif not any(word in control for word in (b"private", b"no-store", b"no-cache")):
        return b""
    secure = "; Secure" if tls else ""
    lines += (
        f"Set-Cookie: {settings.cookie_name}={request.minted_device_id}; Path=/; "
        f"Max-Age={settings.cookie_max_age}; HttpOnly; SameSite=Lax{secure}\r\n"
    )
    return lines.encode("ascii")
