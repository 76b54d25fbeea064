"""Versions of small migrations, and requests out of a log, for the tests of replay."""

from __future__ import annotations

from typing import Any

from flags.snapshot import FlagSnapshot
from proxy.config.parse import parse_routes
from proxy.replay.log_line import read_log_line
from proxy.replay.logged_request import LoggedRequest
from proxy.replay.version import Version
from proxy.routing.route import RouteFile
from proxy.routing.table import RouteTable

UPSTREAMS = """\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://127.0.0.1:1"], capacity_rps: 10}
  catalog: {urls: ["http://127.0.0.1:2"], capacity_rps: 1}
groups:
  purchase: {stickiness: device}
segments:
  staff: {any: [{header: {name: X-Employee, value: "1"}}]}
  office: {any: [{cidr: 203.0.113.0/24}]}
"""
MONOLITH = "  - {id: monolith, match: {path: {prefix: /}}}\n"


def file_of(*routes: str) -> RouteFile:
    """A routes.yaml with these routes, each in YAML's flow style, and the catch-all."""
    listed = "".join(f"  - {{{route}}}\n" for route in routes)
    return parse_routes(f"{UPSTREAMS}routes:\n{listed}{MONOLITH}".encode(), "routes.yaml")


def version(*routes: str, flags: FlagSnapshot | None = None, **percents: int) -> Version:
    """A version with these routes; percents are basis points by route, `purchase` of the group."""
    group = {name: said for name, said in percents.items() if name == "purchase"}
    route = {name: said for name, said in percents.items() if name != "purchase"}
    said = flags or FlagSnapshot(group_basis_points=group, route_basis_points=route)
    return Version(table=RouteTable.compile(file_of(*routes)), flags=said)


PRODUCT = "id: product, match: {path: {prefix: /product}}, new: catalog, stage: "


def logged(target: str = "/product/saw", **known: Any) -> LoggedRequest:
    """A request as a log tells of it."""
    return LoggedRequest(**{"method": "GET", "target": target, "status": 200, **known})


def combined(target: str, second: int, method: str = "GET", client: str = "192.0.2.7") -> str:
    """A line of the combined format; `second` counts from 10:00 UTC."""
    clock = f"{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    line = (
        f"{client} - - [22/Nov/2026:{clock} +0000]"
        f' "{method} {target} HTTP/1.1" 200 512 "-" "Mozilla/5.0"'
    )
    assert isinstance(read_log_line(line), LoggedRequest)
    return line
