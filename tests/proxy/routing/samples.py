"""Routes, tables and requests for the tests of the rules, written short."""

from __future__ import annotations

from typing import Any

from flags.snapshot import FlagSnapshot
from proxy.routing.facts import PlainFacts
from proxy.routing.route import (
    Condition,
    ContextField,
    ContextKind,
    Group,
    Match,
    PathKind,
    PathMatch,
    Rewrite,
    Route,
    RouteFile,
    Segment,
    Stickiness,
    StickyKind,
    Upstream,
    ValueKind,
    ValueMatch,
)
from proxy.routing.table import RouteTable
from proxy.stages import Side

LEGACY = Upstream(name="monolith", side=Side.LEGACY, urls=("http://127.0.0.1:8081",))
CATALOG = Upstream(name="catalog", side=Side.NEW, urls=("http://127.0.0.1:8101",))
# Requests without the parameter stay on legacy.
REWRITING = Rewrite(path="/products/{query.id}")
DEVICE = "0123456789abcdef0123456789abcdef"

STAFF = Segment(
    name="staff",
    any=(
        Condition(header=ValueMatch(name="x-employee", kind=ValueKind.EXACT, value="1")),
        Condition(cidr="10.0.0.0/8"),
        Condition(cidr="fd00::/8"),
    ),
)
B2B = Segment(
    name="b2b",
    any=(
        Condition(cookie=ValueMatch(name="tier", kind=ValueKind.EXACT, value="b2b")),
        Condition(header=ValueMatch(name="x-tier", kind=ValueKind.REGEX, value="b2b|wholesale")),
        Condition(cidr="203.0.113.0/24"),
    ),
)
SEGMENTS = (STAFF, B2B)
GROUPS = (Group(name="purchase"),)
CONTEXT = (
    ContextField(field="country", kind=ContextKind.HEADER, name="x-country"),
    ContextField(field="tier", kind=ContextKind.COOKIE, name="tier"),
    ContextField(field="plan", kind=ContextKind.QUERY, name="plan"),
)


def exact(name: str, value: str) -> ValueMatch:
    return ValueMatch(name=name, kind=ValueKind.EXACT, value=value)


def regex(name: str, value: str) -> ValueMatch:
    return ValueMatch(name=name, kind=ValueKind.REGEX, value=value)


def present(name: str) -> ValueMatch:
    return ValueMatch(name=name, kind=ValueKind.PRESENT)


def path(text: str) -> PathMatch:
    """`= /x` exact, `^/x` prefix, `~ /x.*` regex, and a template otherwise."""
    for sign, kind in (("= ", PathKind.EXACT), ("^", PathKind.PREFIX), ("~ ", PathKind.REGEX)):
        if text.startswith(sign):
            return PathMatch(kind=kind, value=text.removeprefix(sign))
    return PathMatch(kind=PathKind.TEMPLATE, value=text)


def route(route_id: str, where: str, **fields: Any) -> Route:
    """A route; fields of `Match` and of `Route` are given side by side. `new` follows the stage."""
    match = {
        name: fields.pop(name)
        for name in ("hosts", "methods", "headers", "query", "cookies")
        if name in fields
    }
    if "stage" in fields:
        fields.setdefault("new", "catalog")
    return Route(id=route_id, match=Match(path=path(where), **match), **fields)


MONOLITH = route("monolith", "^/")


def table(*routes: Route) -> RouteTable:
    """A table of these routes with the catch-all behind them."""
    return RouteTable.compile(route_file(*routes, MONOLITH))


def route_file(*routes: Route) -> RouteFile:
    return RouteFile(
        upstreams=(LEGACY, CATALOG),
        routes=routes,
        groups=GROUPS,
        segments=SEGMENTS,
        context=CONTEXT,
    )


def get(url: str, *, method: str = "GET", device: str = DEVICE, **fields: Any) -> PlainFacts:
    """A request; header names are keyword-like: `headers={"X-Employee": "1"}`."""
    headers = tuple(fields.pop("headers", {}).items())
    return PlainFacts.of(method, url, headers=headers, device_id=device, **fields)


def percent(**percentages: float) -> FlagSnapshot:
    """Flags of routes, in percent; `_` in a name stands for `-`."""
    return FlagSnapshot(route_basis_points=basis_points(percentages))


def basis_points(percentages: dict[str, float]) -> dict[str, int]:
    return {name.replace("_", "-"): round(value * 100) for name, value in percentages.items()}


def sticky(kind: StickyKind, name: str = "") -> Stickiness:
    return Stickiness(kind=kind, name=name)
