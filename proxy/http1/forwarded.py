"""Who a client is and what the upstream is told: trusted proxies and the X-Forwarded fields."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from proxy.http1.fields import Fields, values, without

_NAMES: Final = frozenset(
    {
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
    }
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """The peers whose X-Forwarded-* and Forwarded are believed. By default there are none."""

    __slots__ = ("_networks",)

    def __init__(self, blocks: Iterable[str]) -> None:
        """Take CIDR blocks; `unix` peers count as loopback."""
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(block, strict=False) for block in blocks
        )

    def trusts(self, address: str) -> bool:
        """Tell whether this peer's word counts."""
        if not self._networks:
            return False
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if ip.version == 6 and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._networks)

    def client_of(self, peer: str, forwarded_for: list[str]) -> str:
        """Walk X-Forwarded-For from the right, over trusted proxies, to the first stranger."""
        client = peer
        for hop in reversed(forwarded_for):
            if not self.trusts(client):
                break
            try:
                ipaddress.ip_address(hop)
            except ValueError:
                break
            client = hop
        return client


def from_trusted(
    proxies: TrustedProxies, peer: str, scheme: bytes, host: bytes, fields: Fields
) -> tuple[str, Fields, bytes]:
    """Read what a trusted proxy says: the client's address, other fields, X-Forwarded lines.

    X-Forwarded-For is continued with the peer; Proto and Host are kept when the proxy set them.
    """
    hops = [
        hop
        for value in values(fields, b"x-forwarded-for")
        for part in value.decode("latin-1").split(",")
        if (hop := part.strip())
    ]
    client = proxies.client_of(peer, hops)
    proto = (values(fields, b"x-forwarded-proto") or [scheme])[-1]
    forwarded_host = (values(fields, b"x-forwarded-host") or [host])[-1]
    chain = ", ".join([*hops, peer]).encode("latin-1")
    lines = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (chain, proto)
    if forwarded_host:
        lines += b"X-Forwarded-Host: %b\r\n" % forwarded_host
    return client, without(fields, _NAMES), lines
