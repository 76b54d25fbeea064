"""The mirroring peers ask the shadow side for every request, and the faults are what they say."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from bench.faulty import FAULTS, LARGE_BYTES
from bench.figway import count_outcomes
from bench.mirrors import envoy_mirror_configuration, mirror_configuration
from bench.ports import free_ports
from tests.rigs.child import Child

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_envoy_sends_a_copy_of_everything_to_a_second_cluster() -> None:
    configuration = envoy_mirror_configuration(1, 2, 3)

    text = repr(configuration)
    assert "'request_mirror_policies': [{'cluster': 'shadow'}]" in text
    resources = configuration["static_resources"]
    assert isinstance(resources, dict)
    ports = {
        cluster["name"]: repr(cluster["load_assignment"]).partition("'port_value': ")[2][0]
        for cluster in resources["clusters"]
    }
    assert ports == {"origin": "2", "shadow": "3"}


def test_nginx_mirrors_to_the_shadow_side() -> None:
    configuration = mirror_configuration(1, 2, 3)

    assert "upstream shadow { server 127.0.0.1:3;" in configuration
    assert configuration.count("mirror /mirror;") == 1


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    ports = dict(zip(FAULTS, free_ports(len(FAULTS)), strict=True))
    command = [sys.executable, "-m", "bench.faulty"]
    command += [f"{name}={port}" for name, port in ports.items()]
    log = tmp_path_factory.mktemp("faults") / "log"
    with Child(command, log=log) as child:
        child.wait_until(lambda: "ready" in child.output())
        yield ports


def asked(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.sendall(GET)
    return sock


def test_the_failing_side_answers_500_and_goes_on(faults: dict[str, int]) -> None:
    with asked(faults["failing"]) as sock:
        for _ in range(2):
            assert sock.recv(100).startswith(b"HTTP/1.1 500 ")
            sock.sendall(GET)


def test_the_large_side_answers_ten_megabytes(faults: dict[str, int]) -> None:
    with asked(faults["large"]) as sock:
        received = 0
        while received < LARGE_BYTES:
            received += len(sock.recv(1 << 20))


def test_the_resetting_side_resets(faults: dict[str, int]) -> None:
    with asked(faults["resetting"]) as sock, pytest.raises(ConnectionResetError):
        assert sock.recv(1)


def test_the_dripping_side_has_not_much_to_say(faults: dict[str, int]) -> None:
    with asked(faults["dripping"]) as sock:
        head = b""
        while not head.endswith(b"\r\n\r\nx"):
            head += sock.recv(1)
        assert b"Content-Length: 100\r\n" in head


def test_the_hung_side_says_nothing(faults: dict[str, int]) -> None:
    with asked(faults["hung"]) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_outcomes_are_summed_over_routes_and_severities() -> None:
    page = (
        'figway_shadow_outcomes_total{outcome="match",route="a",severity=""} 3.0\n'
        'figway_shadow_outcomes_total{outcome="match",route="b",severity=""} 4.0\n'
        'figway_shadow_outcomes_total{route="b",outcome="mismatch",severity="critical"} 1.0\n'
        'figway_shadow_eligible_total{route="b"} 9.0\n'
    )

    assert count_outcomes(page) == {"match": 7, "mismatch": 1}
