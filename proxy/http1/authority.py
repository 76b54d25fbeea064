"""The authority of a request: Host, the forms of a target, and who is allowed to say so."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from proxy.errors import BadRequest, MethodNotAllowed

# RFC 9110, 4.2: uri-host [ ":" port ]. Of the characters a reg-name may have in theory, hosts in
# use have these; anything else is an attempt at something.
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_REMEMBERED: Final = 4096
_known: dict[bytes, str] = {}


def read_host(value: bytes) -> str:
    """Validate a Host value and give the name to match on: lower case, no port, no trailing dot.

    Raises BadRequest (RFC 9112, 3.2: "A server MUST respond with a 400 (Bad Request) status code
    to any
    HTTP/1.1 request message that lacks a Host header field and to any request message that contains
    more than one Host header field line or a Host header field with an invalid field value").
    """
    known = _known.get(value)
    if known is not None:
        return known
    match = _HOST.fullmatch(value.strip(b" \t"))
    if match is None:
        raise BadRequest("Host is not a valid host[:port]")
    name = match[1].decode("ascii")
    if name.startswith("["):
        try:
            ipaddress.IPv6Address(name[1:-1])
        except ValueError:
            raise BadRequest("Host is not a valid IPv6 address") from None
    if match[2] is not None and not 0 < int(match[2]) < 65536:
        raise BadRequest("Host has a port out of range")
    host = name.lower().rstrip(".")
    if not host:
        raise BadRequest("Host is empty")
    # RFC 1035, 2.3.4: a name has at most 255 bytes.
    if len(_known) < _REMEMBERED and len(value) <= 262:
        _known[value] = host
    return host


_ABSOLUTE: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([/?].*)?", re.DOTALL)
_DEFAULT_PORT: Final = {b"http": b"80", b"https": b"443"}


def origin_form(method: str, target: bytes, host: bytes | None, *, tls: bool) -> bytes:
    """Reduce any form of request target to origin-form (RFC 9112, 3.2).

    The authority of an absolute-form target must be the same as Host, and is then ignored: where a
    request goes is decided by the configuration alone. Raises BadRequest or MethodNotAllowed.
    """
    if b"#" in target:
        raise BadRequest("a fragment is not part of a request target")
    if target.startswith(b"/"):
        return target
    if method == "CONNECT":
        raise MethodNotAllowed("CONNECT")
    if target == b"*":
        if method != "OPTIONS":
            raise BadRequest("`*` goes with OPTIONS only")
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("the target is in no known form")
    scheme, authority, rest = match[1].lower(), match[2], match[3] or b"/"
    if scheme != (b"https" if tls else b"http"):
        raise BadRequest("the target's scheme is not the one of this listener")
    if b"@" in authority:
        raise BadRequest("the target has userinfo")
    read_host(authority)
    if host is not None and _comparable(authority, scheme) != _comparable(host, scheme):
        raise BadRequest("the target's authority and Host differ")
    if not rest.startswith(b"/"):
        rest = b"/" + rest
    return rest


def authority_of(target: bytes) -> bytes | None:
    """The authority of an absolute-form target; None for other forms. Not validated."""
    match = _ABSOLUTE.fullmatch(target)
    return match[2] if match is not None else None


def _comparable(authority: bytes, scheme: bytes) -> bytes:
    name, _, port = authority.strip(b" \t").lower().rpartition(b":")
    if not name or b"]" in port:
        name, port = authority.strip(b" \t").lower(), b""
    return name.rstrip(b".") + b":" + (port or _DEFAULT_PORT[scheme])
