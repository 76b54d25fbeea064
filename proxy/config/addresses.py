"""What may stand in an address: upstream URLs, hosts, CIDR blocks and HOST:PORT pairs."""

from __future__ import annotations

import ipaddress
import re

from proxy.config.yaml_scalar import quoted

_URL = re.compile(r"(https?)://([^/?#]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# The last label of a name that some resolvers read as an IPv4 number: 2852039166, 0xa9fea9fe.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LINK_LOCAL = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
    # The metadata services of two clouds that are not link-local.
    ipaddress.ip_network("fd00:ec2::254/128"),
    ipaddress.ip_network("100.100.100.200/32"),
)
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata"})
# sun_path of Linux holds 108 bytes with its closing NUL.
_MAX_UNIX_PATH = 107


def upstream_url(text: str) -> str:
    """Check the address of an endpoint: `http://host:port`, `https://host` or `unix:/path`."""
    got = f", got {quoted(text)}"
    if text.startswith("unix:"):
        return _unix_address(text)
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(f"must be http://host:port, https://host:port or unix:/path{got}")
    scheme, authority, rest = match[1], match[2], match[3]
    if rest:
        raise ValueError(
            f"must not hold a path, query or fragment (rewrite is for that): "
            f"write {quoted(f'{scheme}://{authority}')}{got}"
        )
    if "@" in authority:
        raise ValueError("must not hold a user or password: the file is no place for secrets")
    host, port = _split_authority(authority, got)
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"must have a port between 1 and 65535{got}")
    _refuse_dangerous(host, got)
    return f"{scheme}://{authority.lower()}"


def _unix_address(text: str) -> str:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(
            f"must be unix: and an absolute path such as unix:/run/app.sock, got {text}"
        )
    if len(path.encode()) > _MAX_UNIX_PATH:
        raise ValueError(f"must have a path of at most {_MAX_UNIX_PATH} bytes (a limit of Linux)")
    if not path.isprintable() or path.endswith("/"):
        raise ValueError(f"must name a socket, got {quoted(text)}")
    return text


def _split_authority(authority: str, got: str) -> tuple[str, int | None]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError(f"must name a host, and may name a port{got}")
    host = match[1].lower()
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError(f"does not hold a valid IPv6 address in its brackets{got}") from None
    else:
        _check_name(host, got)
    return host.strip("[]"), int(match[2]) if match[2] else None


def _check_name(host: str, got: str) -> None:
    """Check a host name or an IPv4 address, in lower case."""
    if not host.isascii():
        raise ValueError(f"must be in its ASCII form (xn--...){got}")
    labels = host.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError(f"does not hold a valid IPv4 address{got}") from None
    elif len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"does not hold a valid host name{got}")


def _refuse_dangerous(host: str, got: str) -> None:
    if host in _METADATA_NAMES:
        raise ValueError(f"must not be the metadata service of a cloud{got}")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if any(address in network for network in _LINK_LOCAL if network.version == address.version):
        raise ValueError(f"must not be a link-local or metadata address{got}")
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"must be an address that can be connected to{got}")


def match_host(text: str) -> str:
    """Check a host to match on: a name, an address or `*.name`; returns it in lower case."""
    got = f", got {quoted(text)}"
    if text in ("", "*"):
        raise ValueError("must name a host: leave hosts out to match every host")
    host = text.lower().rstrip(".")
    if "://" in host or "/" in host:
        raise ValueError(f"must be a host alone, without scheme and path{got}")
    if host.startswith("["):
        try:
            return (
                f"[{ipaddress.IPv6Address(host.strip('[]'))}]" if host.endswith("]") else _no(got)
            )
        except ValueError:
            raise ValueError(f"must be an IPv6 address in brackets, without port{got}") from None
    if ":" in host:
        raise ValueError(f"must not hold a port: any port of the host is matched{got}")
    name = host.removeprefix("*.")
    if "*" in name:
        raise ValueError(f"may hold one * as its first label, such as *.shop.example{got}")
    _check_name(name, got)
    if name != host and _NUMERIC_LABEL.fullmatch(name.rsplit(".", 1)[-1]):
        raise ValueError(f"must not be a wildcard over addresses: match hosts by name{got}")
    return host


def _no(got: str) -> str:
    raise ValueError(got)


def cidr(text: str) -> str:
    """Check a CIDR block or a single address; returns its canonical form."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        mend = str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"must be a CIDR block such as 10.0.0.0/8, got {quoted(text)}") from None
    raise ValueError(f"has bits set beyond its prefix: write {mend}, got {quoted(text)}")


def client_address(text: str) -> str:
    """Check an IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"must be an IP address, got {quoted(text)}") from None


def request_url(text: str) -> str:
    """Check the URL of a test: `http(s)://host/path?query`, or the path alone."""
    match = _URL.fullmatch(text)
    if match is not None:
        _split_authority(match[2], f", got {quoted(text)}")
    elif not text.startswith("/"):
        raise ValueError(f"must be http(s)://host/path, or a path, got {quoted(text)}")
    if "#" in text:
        raise ValueError("must not hold a fragment: clients never send it")
    return text


def listen_address(text: str) -> str:
    """Check a HOST:PORT to listen on; port 0 lets the system choose. A leading http:// is dropped.

    `FIGWAY_ADMIN` is read by the commands, as a URL, and by `figway serve`, as an address.
    """
    got = f", got {quoted(text)}"
    address = text.removeprefix("http://").removesuffix("/")
    host, separator, port = address.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise ValueError(f"must be HOST:PORT such as 127.0.0.1:8080{got}")
    if int(port) > 65535:
        raise ValueError(f"must have a port between 0 and 65535{got}")
    if host in ("", "*"):
        raise ValueError(f"must name a host; every address is 0.0.0.0:{port} or [::]:{port}{got}")
    if ":" in host and not host.startswith("["):
        raise ValueError(f"needs brackets around an IPv6 address, such as [::1]:{port}{got}")
    _split_authority(host, got)
    return address
