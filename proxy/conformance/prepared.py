"""A step made ready to be sent: values filled in, route found, one request for each side."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from proxy import __version__
from proxy.conformance.case import CaseFile, CaseRequest, Step
from proxy.conformance.cookies import Cookies
from proxy.conformance.placeholder import fill, fill_all
from proxy.conformance.sender import PlannedRequest
from proxy.conformance.site import Site, new_target
from proxy.routing.facts import PlainFacts
from proxy.routing.route import Route, Upstream
from proxy.stages import Side

# What the route table and the applications are told of the client (RFC 5737: documentation only).
CLIENT_IP = "192.0.2.1"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DEFAULTS = {"user-agent": f"figway-conform/{__version__}", "accept": "*/*"}
# Both sides get it, so that an application can tell such a request from a visitor's.
_MARK = ("x-figway-conform", "1")


class Unsendable(ValueError):
    """A value that would break the head of a request; the text says which."""


@dataclass(slots=True, kw_only=True)
class Visitor:
    """What one side knows of a case so far: its cookies, and values by the name of their place."""

    cookies: Cookies = field(default_factory=Cookies)
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The requests of a step. Without one for the new side, `alone` says why."""

    route: Route | None
    legacy: PlannedRequest | None
    new: PlannedRequest | None
    alone: str = ""
    # As the client asks for it: cookies belong to it, whatever the new side is asked.
    path: str = "/"
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filled:
    """A request of one side, its values filled in."""

    scheme: str
    # As in a Host field.
    host: str
    target: str
    headers: dict[str, str]
    body: bytes


def prepare(file: CaseFile, step: Step, site: Site, visitors: Mapping[Side, Visitor]) -> Prepared:
    """Make the requests of one step.

    Raises Unfilled for a value that nothing gave, Unsendable for one that no field can hold.
    """
    legacy = _fill(file, step.request, site, visitors[Side.LEGACY])
    facts = _facts(step.request, legacy)
    place = site.place(facts)
    new: PlannedRequest | None = None
    alone = place.why
    if step.only is Side.LEGACY:
        alone = "only legacy is asked"
    elif place.new is not None:
        filled = _fill(file, step.request, site, visitors[Side.NEW])
        target = new_target(place.route, _facts(step.request, filled))
        if target is None:
            assert place.route is not None
            alone = f"it lacks a value that the rewrite of route {place.route.id} needs"
        else:
            new = _plan(step.request, filled, Side.NEW, place.new, target)
    return Prepared(
        route=place.route,
        legacy=None
        if step.only is Side.NEW
        else _plan(step.request, legacy, Side.LEGACY, site.legacy, legacy.target),
        new=new,
        alone=alone,
        path=facts.path,
        query=facts.query,
    )


def _fill(file: CaseFile, request: CaseRequest, site: Site, visitor: Visitor) -> _Filled:
    values = visitor.values
    url = fill(request.url, values, _encoded)
    given = {name: fill(value, values) for name, value in file.headers}
    given |= {name: fill(value, values) for name, value in request.headers}
    scheme, host, target = "http", "", url
    if not url.startswith("/"):
        scheme, _, rest = url.partition("://")
        start = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
        host, target = rest[:start], rest[start:]
        if not target.startswith("/"):
            target = f"/{target}"
    host = given.pop("host", "") or host or file.host or site.authority()
    body, media_type = _body(request, values)
    headers = {
        "host": host,
        **_DEFAULTS,
        **({"content-type": media_type} if media_type else {}),
        "x-forwarded-for": CLIENT_IP,
        "x-forwarded-proto": scheme,
        "x-forwarded-host": host,
        _MARK[0]: _MARK[1],
        **given,
    }
    kept = visitor.cookies.field(target.partition("?")[0])
    if kept:
        headers["cookie"] = "; ".join(filter(None, (headers.get("cookie"), kept)))
    for name, value in headers.items():
        if _CONTROL.search(value):
            raise Unsendable(f"the value of header {name} holds control characters")
    return _Filled(scheme=scheme, host=host, target=target, headers=headers, body=body)


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _body(request: CaseRequest, values: Mapping[str, str]) -> tuple[bytes, str]:
    """The body and its media type."""
    if request.content is not None:
        return request.content, "application/octet-stream"
    if request.body is not None:
        return fill(request.body, values).encode(), "text/plain; charset=utf-8"
    if request.form is not None:
        fields = [(fill(name, values), fill(value, values)) for name, value in request.form]
        return urlencode(fields).encode("ascii"), "application/x-www-form-urlencoded"
    if request.document is not None:
        document = fill_all(request.document, values)
        return json.dumps(document, ensure_ascii=False).encode(), "application/json"
    return b"", ""


def _facts(request: CaseRequest, filled: _Filled) -> PlainFacts:
    return PlainFacts.of(
        request.method,
        f"{filled.scheme}://{filled.host}{filled.target}",
        headers=filled.headers.items(),
        client_ip=CLIENT_IP,
    )


def _plan(
    request: CaseRequest, filled: _Filled, side: Side, upstream: Upstream, target: str
) -> PlannedRequest:
    return PlannedRequest(
        side=side,
        upstream=upstream,
        method=request.method,
        target=target.encode("ascii"),
        headers=tuple(
            (_spelled(name).encode("ascii"), value.encode("utf-8", "surrogateescape"))
            for name, value in filled.headers.items()
        ),
        body=filled.body,
    )


def _spelled(name: str) -> str:
    """A field name as most clients write it; old applications may look for that spelling."""
    return "-".join(part.capitalize() for part in name.split("-"))
