"""Peers that can be flipped while they serve: nginx by a reload, Envoy by its runtime."""

from __future__ import annotations

import copy
import json
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.nginx import proxy_configuration, start_nginx
from bench.peers import envoy_command, envoy_configuration
from bench.ports import free_ports, wait_until_answering
from bench.processes import HarnessError, OwnedProcess

_KEY = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flipper:
    """A running proxy whose traffic goes to the new side, or after `flip(True)` to legacy."""

    name: str
    port: int
    flip: Callable[[bool], None]


@contextmanager
def running_nginx(folder: Path, legacy_port: int, new_port: int) -> Iterator[Flipper]:
    """nginx, flipped the way operators do: another upstream in the file, then a reload."""
    (port,) = free_ports(1)
    with start_nginx("nginx", folder, proxy_configuration(port, new_port), None) as process:
        wait_until_answering(process, port)
        file = folder / "nginx.conf"

        def flip(back: bool) -> None:
            file.write_text(proxy_configuration(port, legacy_port if back else new_port))
            # What `nginx -s reload` does.
            process.send(signal.SIGHUP)

        yield Flipper(name="nginx, reload", port=port, flip=flip)


@contextmanager
def running_envoy(folder: Path, legacy_port: int, new_port: int) -> Iterator[Flipper]:
    """Envoy with a runtime key before its route, set at its admin listener."""
    folder.mkdir()
    port, admin_port = free_ports(2)
    file = folder / "envoy.json"
    file.write_text(json.dumps(flipping_envoy(port, admin_port, legacy_port, new_port)))
    with OwnedProcess("envoy", envoy_command(file), core=None, log=folder / "log") as process:
        wait_until_answering(process, port)

        def flip(back: bool) -> None:
            _set_runtime(admin_port, 100 if back else 0)

        yield Flipper(name="Envoy, runtime_modify", port=port, flip=flip)


def flipping_envoy(port: int, admin_port: int, legacy_port: int, new_port: int) -> dict[str, Any]:
    """A static listener: legacy for the share of requests that the runtime key says, else new."""
    found: dict[str, Any] = envoy_configuration(port, new_port)
    resources = found["static_resources"]
    (new,) = resources["clusters"]
    legacy = copy.deepcopy(new) | {"name": "legacy"}
    address = legacy["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    address["socket_address"]["port_value"] = legacy_port
    legacy["load_assignment"]["cluster_name"] = "legacy"
    resources["clusters"].append(legacy)
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    fraction = {"default_value": {"numerator": 0, "denominator": "HUNDRED"}, "runtime_key": _KEY}
    manager["route_config"]["virtual_hosts"][0]["routes"].insert(
        0,
        {
            "match": {"prefix": "/", "runtime_fraction": fraction},
            "route": {"cluster": "legacy"},
        },
    )
    found["admin"] = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}
    }
    found["layered_runtime"] = {"layers": [{"name": "admin", "admin_layer": {}}]}
    return found


def _set_runtime(admin_port: int, percent: int) -> None:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{admin_port}/runtime_modify?{_KEY}={percent}", method="POST"
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            answer.read()
    except OSError as problem:
        raise HarnessError(f"Envoy refused runtime_modify: {problem}") from problem
