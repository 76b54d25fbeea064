"""The peers that mirror: nginx and Envoy. They copy every request and drop what the copy brings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from bench.nginx import PREAMBLE, http_block, start_nginx
from bench.peers import envoy_command, envoy_configuration
from bench.ports import wait_until_answering
from bench.processes import OwnedProcess

# (folder, port, origin port, shadow port, core)
StartMirror = Callable[[Path, int, int, int, int | None], OwnedProcess]
SHADOW_SECONDS = 5


def mirror_configuration(port: int, origin_port: int, shadow_port: int) -> str:
    """The plain reverse proxy of the other rows, with `mirror` (ngx_http_mirror_module)."""
    return PREAMBLE + http_block(
        f"""
upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 256; keepalive_requests 100000000; }}
upstream shadow {{ server 127.0.0.1:{shadow_port}; keepalive 256; keepalive_requests 100000000; }}
server {{
  listen 127.0.0.1:{port} backlog=4096;
  keepalive_requests 100000000;
  location / {{
    mirror /mirror;
    proxy_pass http://origin;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
  }}
  location = /mirror {{
    internal;
    proxy_pass http://shadow$request_uri;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_connect_timeout {SHADOW_SECONDS}s;
    proxy_read_timeout {SHADOW_SECONDS}s;
  }}
}}
"""
    )


def envoy_mirror_configuration(port: int, origin_port: int, shadow_port: int) -> dict[str, object]:
    """The proxy of the other rows, with a second cluster in `request_mirror_policies`."""
    configuration: dict[str, Any] = json.loads(json.dumps(envoy_configuration(port, origin_port)))
    resources = configuration["static_resources"]
    (filters,) = resources["listeners"][0]["filter_chains"][0]["filters"]
    (host,) = filters["typed_config"]["route_config"]["virtual_hosts"]
    host["routes"][0]["route"] |= {
        "request_mirror_policies": [{"cluster": "shadow"}],
        # Of the route, and so of its mirror (route_components.proto).
        "timeout": f"{SHADOW_SECONDS}s",
    }
    (origin,) = resources["clusters"]
    shadow = json.loads(json.dumps(origin).replace('"origin"', '"shadow"'))
    (endpoint,) = shadow["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"]["port_value"] = shadow_port
    resources["clusters"].append(shadow)
    return cast("dict[str, object]", configuration)


def _start_nginx(
    folder: Path, port: int, origin_port: int, shadow_port: int, core: int | None
) -> OwnedProcess:
    configuration = mirror_configuration(port, origin_port, shadow_port)
    return start_nginx("nginx mirror", folder, configuration, core)


def _start_envoy(
    folder: Path, port: int, origin_port: int, shadow_port: int, core: int | None
) -> OwnedProcess:
    folder.mkdir(parents=True)
    file = folder / "envoy.json"
    file.write_text(json.dumps(envoy_mirror_configuration(port, origin_port, shadow_port)))
    return OwnedProcess("envoy mirror", envoy_command(file), core=core, log=folder / "log")


MIRRORS: dict[str, StartMirror] = {"nginx mirror": _start_nginx, "envoy mirror": _start_envoy}


def start_mirror(
    name: str, folder: Path, port: int, origin_port: int, shadow_port: int, core: int | None
) -> OwnedProcess:
    """Start a mirroring peer and wait until it answers."""
    process = MIRRORS[name](folder, port, origin_port, shadow_port, core)
    try:
        wait_until_answering(process, port)
    except BaseException:
        process.stop()
        raise
    return process
