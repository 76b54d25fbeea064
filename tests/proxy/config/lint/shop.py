"""A small routes.yaml without a single finding, to which tests add routes and sections."""

from __future__ import annotations

from proxy.config.lint import Finding, check_text
from proxy.config.parse import parse_routes

UPSTREAMS = """\
  legacy: {role: legacy, urls: ["http://a:1"], capacity_rps: 1000}
  catalog: {urls: ["http://a:2"], capacity_rps: 100}
  search: {urls: ["http://a:3"]}
"""
# About slashes, and about live routes without a reverse shadow.
OFTEN = {"PATH001", "SHADOW005"}
USED = """\
  - {id: used, match: {path: {prefix: /used}}, new: search}
  - {id: assets, match: {path: {prefix: /assets}}}
"""


def shop(routes: str, extra: str = "", upstreams: str = UPSTREAMS) -> bytes:
    """A file with these routes, one per line, between what every file has."""
    lines = "".join(f"  - {{{line.strip()}}}\n" for line in routes.strip().splitlines())
    return (
        f"version: 1\nupstreams:\n{upstreams}"
        f"routes:\n{lines}{USED}"
        "  - {id: more, match: {path: {prefix: /more}}, new: catalog}\n"
        "  - {id: monolith, match: {path: {prefix: /}}}\n"
        f"{extra}"
    ).encode()


def findings(
    routes: str,
    extra: str = "",
    upstreams: str = UPSTREAMS,
    against: str | None = None,
    today: str = "",
) -> tuple[Finding, ...]:
    """What is found in such a file."""
    before = parse_routes(shop(against), "live.yaml") if against is not None else None
    text = shop(routes, extra, upstreams)
    return check_text(text, "routes.yaml", against=before, today=today)


def rules(
    routes: str,
    extra: str = "",
    upstreams: str = UPSTREAMS,
    against: str | None = None,
    today: str = "",
) -> list[str]:
    """The ids of what is found, but for the notes that most examples have."""
    found = findings(routes, extra, upstreams, against, today)
    return [finding.rule for finding in found if finding.rule not in OFTEN]
