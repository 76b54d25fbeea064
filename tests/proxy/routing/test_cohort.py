"""Segments: who is in, for one reading of the request and for any."""

from __future__ import annotations

import pytest

from flags.addresses import AddressSet
from proxy.routing.cohort import Cohort
from tests.proxy.routing.samples import B2B, STAFF, get


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        pytest.param("10.0.0.1", True, id="inside"),
        pytest.param("11.0.0.1", False, id="outside"),
        pytest.param("192.168.7.7", True, id="one address as a block"),
        pytest.param("192.168.7.8", False, id="its neighbour"),
        pytest.param("::ffff:10.1.2.3", True, id="IPv4 written as IPv6"),
        pytest.param("fd12::1", True, id="IPv6"),
        pytest.param("FD12::1", True, id="IPv6 in capitals"),
        pytest.param("fe80::1%eth0", False, id="IPv6 with a zone"),
        pytest.param("2001:db8::1", False, id="IPv6 outside"),
        pytest.param("", None, id="no address"),
        pytest.param("unix:", None, id="no IP address"),
        pytest.param("10.0.0.1:80", None, id="a port is no part of it"),
        pytest.param("010.0.0.1", None, id="leading zeros are not read as octal"),
    ],
)
def test_addresses_are_in_a_block_or_not_or_cannot_be_read(
    address: str, inside: bool | None
) -> None:
    blocks = AddressSet.of(("10.0.0.0/8", "192.168.7.7/32", "172.16.0.0/12", "fd00::/8"))
    assert blocks.holds(address) is inside


def test_a_block_with_host_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        AddressSet.of(("10.0.0.1/8",))


def test_the_whole_internet_is_a_block() -> None:
    everything = AddressSet.of(("0.0.0.0/0",))
    assert everything.holds("8.8.8.8") is True
    assert everything.holds("::1") is False


@pytest.mark.parametrize(
    ("headers", "ip", "surely", "perhaps"),
    [
        pytest.param({"Cookie": "tier=b2b"}, "192.0.2.1", "b2b", "b2b", id="cookie"),
        pytest.param({"Cookie": "tier=b2b; tier=x"}, "192.0.2.1", None, "b2b", id="cookie twice"),
        pytest.param({"Cookie": "tier=a; tier=x"}, "192.0.2.1", None, None, id="neither value"),
        pytest.param({"X-Tier": "b2b, x"}, "192.0.2.1", None, "b2b", id="header twice"),
        pytest.param({}, "203.0.113.4", "b2b", "b2b", id="address"),
        pytest.param({}, "?", None, "b2b", id="address that cannot be read"),
        pytest.param({}, "192.0.2.1", None, None, id="nobody"),
    ],
)
def test_never_counts_any_reading_and_always_only_the_sure_one(
    headers: dict[str, str], ip: str, surely: str | None, perhaps: str | None
) -> None:
    cohort = Cohort.of((B2B,))
    facts = get("/", headers=headers, client_ip=ip)
    assert cohort.holding(facts) == surely
    assert cohort.perhaps_holding(facts) == perhaps


def test_any_one_condition_of_any_segment_is_enough() -> None:
    cohort = Cohort.of((STAFF, B2B))
    assert cohort.holding(get("/", headers={"X-Employee": "1"})) == "staff"
    assert cohort.holding(get("/", client_ip="fd00::2")) == "staff"
    assert cohort.holding(get("/", headers={"X-Tier": "wholesale"})) == "b2b"
    assert cohort.holding(get("/")) is None
