"""nginx, in two roles: the origin of every row and the first peer."""

from __future__ import annotations

from pathlib import Path

from bench.processes import OwnedProcess, require

# Everything lives in the run's own folder, so that it works without root and touches nothing.
PREAMBLE = """
daemon off;
worker_processes 1;
error_log stderr error;
pid nginx.pid;
worker_rlimit_nofile 32768;
events { worker_connections 16384; }
"""


def http_block(content: str) -> str:
    """An http block without logs and with all temporary files under the prefix."""
    folders = "".join(
        f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"http {{ access_log off; {folders}\n{content}}}\n"


def proxy_configuration(port: int, origin_port: int) -> str:
    """A plain reverse proxy with a kept-alive upstream: nginx at its cheapest."""
    return PREAMBLE + http_block(
        f"""
upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 256; keepalive_requests 100000000; }}
server {{
  listen 127.0.0.1:{port} backlog=4096;
  keepalive_requests 100000000;
  location / {{
    proxy_pass http://origin;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
  }}
}}
"""
    )


def start_nginx(name: str, folder: Path, configuration: str, core: int | None) -> OwnedProcess:
    """Start nginx in a folder of its own."""
    folder.mkdir(parents=True)
    file = folder / "nginx.conf"
    file.write_text(configuration)
    command = [require("nginx", "nginx"), "-p", str(folder), "-c", str(file), "-e", "stderr"]
    return OwnedProcess(name, command, core=core, log=folder / "log")
