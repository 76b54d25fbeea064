"""Loopback ports: free ones to listen on, and waiting until a server answers on one."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import time

from bench.processes import HarnessError, OwnedProcess

READY_SECONDS = 30.0

# Below the ports that the kernel lends to outgoing connections, of which a run makes thousands.
_PORTS = range(10_000, 32_000)


def free_ports(count: int) -> tuple[int, ...]:
    """Distinct loopback ports that nothing listens on now."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as held:
            held.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return tuple(found)


def status_of(port: int, path: str = "/") -> int | None:
    """The status a GET gets on a loopback port, None when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_until_answering(
    process: OwnedProcess, port: int, path: str = "/", *, seconds: float = READY_SECONDS
) -> None:
    """Wait for a 200. Raises HarnessError with the process's log when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while (status := status_of(port, path)) != 200:
        process.check_alive()
        if time.monotonic() > deadline:
            raise HarnessError(
                f"{process.name} did not answer 200 on 127.0.0.1:{port}{path} in {seconds:.0f} s"
                f" (last: {status}):\n{process.log_tail()}"
            )
        time.sleep(0.05)
