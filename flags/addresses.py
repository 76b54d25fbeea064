"""Sets of client addresses: CIDR blocks, asked for on every request. Pure."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

_MAPPED_V4 = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class AddressSet:
    """CIDR blocks; asking costs one lookup per different prefix length, not per block."""

    # (netmask, network numbers under it) per prefix length.
    v4: tuple[tuple[int, frozenset[int]], ...]
    v6: tuple[tuple[int, frozenset[int]], ...]

    @classmethod
    def of(cls, blocks: tuple[str, ...], *, strict: bool = True) -> AddressSet:
        """Compile blocks such as `10.0.0.0/8`; raises ValueError.

        `strict` refuses bits of a host behind the prefix.
        """
        masks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for block in blocks:
            network = _plain(ipaddress.ip_network(block, strict=strict))
            numbers = masks[network.version].setdefault(int(network.netmask), set())
            numbers.add(int(network.network_address))
        v4, v6 = (
            tuple((mask, frozenset(numbers)) for mask, numbers in masks[version].items())
            for version in (4, 6)
        )
        return cls(v4, v6)

    def holds(self, address: str) -> bool | None:
        """Whether the address is in one of the blocks; None when it is no IP address."""
        try:
            if ":" in address:
                packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
                if packed.startswith(_MAPPED_V4):
                    packed = packed[12:]
            else:
                packed = socket.inet_pton(socket.AF_INET, address)
        except (OSError, ValueError):
            return None
        number = int.from_bytes(packed)
        masks = self.v4 if len(packed) == 4 else self.v6
        return any(number & mask in numbers for mask, numbers in masks)


def is_block(text: str) -> bool:
    """Whether this is an address or a CIDR block, with or without bits behind the prefix."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _plain(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    # An IPv4 address inside an IPv6 one is asked for as what it is.
    number = int(network.network_address)
    if network.version == 6 and network.prefixlen >= 96 and number >> 32 == 0xFFFF:
        return ipaddress.IPv4Network((number & 0xFFFFFFFF, network.prefixlen - 96))
    return network
