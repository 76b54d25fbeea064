"""Listening sockets and their addresses: the one that every worker inherits, and the admin's."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from dataclasses import dataclass

# Connections the kernel completes while every worker is busy. It is cut to net.core.somaxconn.
BACKLOG = 4096

_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*\.?")


class AddressError(Exception):
    """An address that cannot be listened on; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Format as HOST:PORT, with the brackets that IPv6 needs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def reachable(self) -> Address:
        """Where a program on this machine finds a listener that is on every address."""
        match self.host:
            case "0.0.0.0":  # noqa: S104 - recognised, not bound
                return Address("127.0.0.1", self.port)
            case "::":
                return Address("::1", self.port)
            case _:
                return self


def parse_address(text: str, name: str) -> Address:
    """Parse HOST:PORT; `name` is the option that an error message blames. Raises AddressError."""
    mend = f"{name}: expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, got {text!r}"
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise AddressError(f"{mend}: the port is missing")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise AddressError(f"{mend}: {host!r} is no IPv6 address") from None
    elif ":" in host:
        raise AddressError(f"{mend}: an IPv6 address needs brackets")
    elif not host:
        raise AddressError(f"{mend}: the host is missing; 0.0.0.0 means every address")
    elif not _NAME.fullmatch(host):
        raise AddressError(f"{mend}: {host!r} is no host name and no address")
    elif re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise AddressError(f"{mend}: {host!r} is no IPv4 address") from None
    if not (port_text.isascii() and port_text.isdecimal() and int(port_text) <= 65535):
        raise AddressError(f"{mend}: {port_text!r} is no port (0 to 65535)")
    return Address(host, int(port_text))


def bind(address: Address, name: str) -> socket.socket:
    """Open a listening TCP socket, ready to be inherited. Raises AddressError naming the mend."""
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise AddressError(
            f"{name}: {address.host!r} cannot be resolved ({error.strerror}): use an IP address"
        ) from None
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A restart may not wait for the connections of its predecessor to leave TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] and 0.0.0.0 are two listeners that may coexist, as with nginx and Envoy.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise AddressError(f"{name}: {_complaint(address, error)}") from None
    return listener


def open_listeners(listen: str, admin: str) -> tuple[socket.socket, socket.socket]:
    """Bind data and admin listener. Raises AddressError."""
    data = bind(parse_address(listen, "--listen"), "--listen")
    try:
        return data, bind(parse_address(admin, "--admin"), "--admin")
    except BaseException:
        data.close()
        raise


def bound_address(listener: socket.socket) -> Address:
    """Where a socket really listens: the port is known now even if 0 was asked for."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def _complaint(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {address.port} on {address.host} is in use: stop the process that holds it"
                f" (`ss -ltnp 'sport = :{address.port}'` names it) or choose another port"
            )
        case errno.EACCES:
            return (
                f"port {address.port} may not be opened by this user: choose one above 1023,"
                " or grant CAP_NET_BIND_SERVICE"
            )
        case errno.EADDRNOTAVAIL:
            return f"{address.host} is no address of this machine: `ip addr` lists them"
        case _:
            return f"cannot listen on {address}: {error.strerror}"
