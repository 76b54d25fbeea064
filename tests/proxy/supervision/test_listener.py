"""The listening socket: what an address may look like, and what is said when it cannot be had."""

from __future__ import annotations

import socket

import pytest

from proxy.supervision.listener import Address, AddressError, bind, bound_address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        pytest.param("127.0.0.1:8080", "127.0.0.1", 8080, id="ipv4"),
        pytest.param("0.0.0.0:0", "0.0.0.0", 0, id="every_address_any_port"),
        pytest.param("[::1]:8080", "::1", 8080, id="ipv6"),
        pytest.param("[::]:80", "::", 80, id="every_ipv6_address"),
        pytest.param("localhost:65535", "localhost", 65535, id="name"),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    address = parse_address(text, "--listen")
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("8080", "the port is missing", id="no_host"),
        pytest.param(":8080", "the host is missing", id="empty_host"),
        pytest.param("127.0.0.1", "the port is missing", id="no_port"),
        pytest.param("127.0.0.1:", "is no port", id="empty_port"),
        pytest.param("127.0.0.1:65536", "is no port", id="port_too_large"),
        pytest.param("127.0.0.1:-1", "is no port", id="negative_port"),
        pytest.param("127.0.0.1:٨٠", "is no port", id="digits_of_another_script"),
        pytest.param("127.0.0.1:http", "is no port", id="service_name"),
        pytest.param("::1:8080", "needs brackets", id="ipv6_without_brackets"),
        pytest.param("[::g]:8080", "no IPv6 address", id="no_ipv6"),
        pytest.param("127.0.0.256:80", "no IPv4 address", id="no_ipv4"),
        pytest.param("http://localhost:80", "needs brackets", id="url"),
        pytest.param("local host:80", "no host name", id="space"),
        pytest.param("", "the port is missing", id="nothing"),
    ],
)
def test_what_is_no_address_is_refused_with_the_option_and_the_mend(text: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as caught:
        parse_address(text, "--listen")
    assert str(caught.value).startswith("--listen: expected HOST:PORT")
    assert repr(text) in str(caught.value)


def test_port_0_is_bound_to_a_port_that_can_be_asked_for() -> None:
    with bind(Address("127.0.0.1", 0), "--listen") as listener:
        address = bound_address(listener)
        assert address.port > 0
        with socket.create_connection((address.host, address.port), timeout=5):
            assert not listener.getblocking()


def test_ipv6_and_ipv4_listeners_share_a_port() -> None:
    # On every address, because there an IPv6 listener takes IPv4 too unless it is told not to.
    with bind(Address("0.0.0.0", 0), "--listen") as four:
        port = bound_address(four).port
        with bind(Address("::", port), "--listen") as six:
            assert str(bound_address(six)) == f"[::]:{port}"


def test_a_port_in_use_is_named_with_the_mend() -> None:
    with bind(Address("127.0.0.1", 0), "--listen") as first:
        port = bound_address(first).port
        with pytest.raises(AddressError, match=f"--admin: port {port} on 127.0.0.1 is in use"):
            bind(Address("127.0.0.1", port), "--admin")


def test_an_address_of_another_machine_is_named_with_the_mend() -> None:
    with pytest.raises(AddressError, match=r"192\.0\.2\.1 is no address of this machine"):
        bind(Address("192.0.2.1", 0), "--listen")


def test_a_name_that_does_not_resolve_is_named() -> None:
    with pytest.raises(AddressError, match=r"'no-such-host\.invalid' cannot be resolved"):
        bind(Address("no-such-host.invalid", 0), "--listen")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("shop.example", False),
    ],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert Address(host, 1).is_loopback is loopback
