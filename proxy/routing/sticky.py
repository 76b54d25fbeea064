"""The sticky key of a request: what its bucket is made of."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from proxy.routing.facts import RequestFacts
from proxy.routing.rewrite import path_parameter
from proxy.routing.route import Route, StickyKind
from proxy.routing.target import matching_view, read_query


def sticky_reader(route: Route) -> Callable[[RequestFacts], str | None] | None:
    """How to read the route's key; None for the device id, which every request has.

    An empty value is no key: it would put all who lack one into one bucket.
    """
    name = route.stickiness.name
    match route.stickiness.kind:
        case StickyKind.DEVICE:
            return None
        case StickyKind.HEADER:
            return lambda facts: as_text(facts.header(name.lower()))
        case StickyKind.COOKIE:
            return lambda facts: as_text(facts.cookie(name))
        case StickyKind.QUERY:
            return lambda facts: read_query(facts.query, name).value or None
        case StickyKind.PATH_PARAM:
            template = route.match.path.value
            return lambda facts: _path_key(template, name, facts)
        case StickyKind.NONE:
            return lambda _: None


def sticky_key(route: Route, facts: RequestFacts) -> str | None:
    """The key of this request on this route; None when it has none."""
    reader = sticky_reader(route)
    return facts.device_id() if reader is None else reader(facts)


def as_text(value: str | None) -> str | None:
    """Latin-1 of the wire as the text that its bytes meant; None for an empty value."""
    if not value:
        return None
    if value.isascii():
        return value
    # Facts are latin-1; whoever else computes this bucket hashes the text that the bytes meant.
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _path_key(template: str, name: str, facts: RequestFacts) -> str | None:
    path = matching_view(facts.path)
    segment = None if path is None else path_parameter(template, name, path)
    return unquote(segment) if segment else None
