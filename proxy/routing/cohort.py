"""Cohorts by segment: named sets of requests, by header, cookie or client address."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from proxy.routing.criteria import Criterion, Source, compile_criterion
from proxy.routing.facts import RequestFacts, cookie_values
from proxy.routing.route import Segment

_MAPPED_V4 = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class AddressSet:
    """CIDR blocks; asking costs one lookup per different prefix length, not per block."""

    # (netmask, network numbers under it) per prefix length.
    v4: tuple[tuple[int, frozenset[int]], ...]
    v6: tuple[tuple[int, frozenset[int]], ...]

    @classmethod
    def of(cls, blocks: tuple[str, ...]) -> AddressSet:
        """Compile blocks such as `10.0.0.0/8`; raises ValueError."""
        masks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for block in blocks:
            network = ipaddress.ip_network(block)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The segments of one `always` or `never`, compiled into one question."""

    segments: tuple[tuple[str, tuple[Criterion, ...], AddressSet | None], ...]

    @classmethod
    def of(cls, segments: tuple[Segment, ...]) -> Cohort:
        """Compile segments; raises ValueError for a bad pattern or CIDR block."""
        return cls(segments=tuple(_compile(segment) for segment in segments))

    def holding(self, facts: RequestFacts) -> str | None:
        """The first segment this request is in for every reader of it."""
        for name, criteria, addresses in self.segments:
            if addresses is not None and addresses.holds(facts.client_ip):
                return name
            for criterion in criteria:
                if criterion.accepts(_value(criterion, facts)):
                    return name
        return None

    def perhaps_holding(self, facts: RequestFacts) -> str | None:
        """The first segment this request is in for any reader of it.

        For `never`: a cookie or header that came twice, or an address that cannot be read, must not
        let a request slip to the new side.
        """
        for name, criteria, addresses in self.segments:
            if addresses is not None and addresses.holds(facts.client_ip) is not False:
                return name
            for criterion in criteria:
                if any(criterion.accepts(value) for value in _all_values(criterion, facts)):
                    return name
        return None


def _compile(segment: Segment) -> tuple[str, tuple[Criterion, ...], AddressSet | None]:
    criteria: list[Criterion] = []
    blocks: list[str] = []
    for condition in segment.any:
        if condition.header is not None:
            criteria.append(compile_criterion(Source.HEADER, condition.header))
        if condition.cookie is not None:
            criteria.append(compile_criterion(Source.COOKIE, condition.cookie))
        if condition.cidr is not None:
            blocks.append(condition.cidr)
    return segment.name, tuple(criteria), AddressSet.of(tuple(blocks)) if blocks else None


def _value(criterion: Criterion, facts: RequestFacts) -> str | None:
    name = criterion.match.name
    return facts.header(name) if criterion.source is Source.HEADER else facts.cookie(name)


def _all_values(criterion: Criterion, facts: RequestFacts) -> tuple[str, ...]:
    name = criterion.match.name
    if criterion.source is Source.COOKIE:
        value = facts.cookie(name)
        return cookie_values(facts.header("cookie"), name) if value is None else (value,)
    line = facts.header(name)
    if line is None:
        return ()
    return (line, *(part.strip() for part in line.split(","))) if "," in line else (line,)
