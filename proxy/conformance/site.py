"""The two sides of a run: where each listens, and which request goes where under a route table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import urlsplit

from proxy.config.addresses import upstream_url
from proxy.headers import SAFE_METHODS
from proxy.routing.facts import PlainFacts
from proxy.routing.rewrite import upstream_target
from proxy.routing.route import Route, RouteFile, Upstream
from proxy.routing.table import RouteTable
from proxy.routing.unsafe_get import compile_unsafe_get
from proxy.stages import Side


class SiteError(ValueError):
    """The sides cannot be told from the options and the file; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request belongs. Without `new` the new side never gets it; `why` says why."""

    route: Route | None
    new: Upstream | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Both sides. Without a table every request goes to `any_new`, as it is."""

    legacy: Upstream
    # By the name of the upstream in routes.yaml.
    new: Mapping[str, Upstream]
    any_new: Upstream | None
    table: RouteTable | None = None

    @classmethod
    def of(cls, file: RouteFile | None, legacy: str = "", new: tuple[str, ...] = ()) -> Site:
        """Put a site together; `new` holds `URL` or `NAME=URL`. Raises SiteError or ConfigError.

        Addresses that are not given are those of the file.
        """
        table = RouteTable.compile(file) if file is not None else None
        known = {u.name: u for u in file.upstreams if u.side is Side.NEW} if file else {}
        named = dict(known)
        any_new = None
        for text in new:
            name, equals, url = text.partition("=")
            if equals and "/" not in name:
                if name not in known:
                    there = ", ".join(known) or "none"
                    raise SiteError(
                        f"--new {text}: there is no new upstream {name} (there: {there})"
                    )
                named[name] = _moved(known[name], url, f"--new {text}")
            elif any_new is not None:
                raise SiteError(
                    f"--new {text}: another address was given before: --new NAME=URL names each"
                    " of several"
                )
            else:
                bare = Upstream(name="new", side=Side.NEW, urls=())
                any_new = _moved(bare, text, f"--new {text}")
        if any_new is not None:
            urls = any_new.urls
            moved = {name for name in named if named[name] is not known[name]}
            named = {
                name: side if name in moved else replace(side, urls=urls)
                for name, side in named.items()
            }
        elif file is None:
            raise SiteError("--new URL is needed: there is no routes.yaml that names the new side")
        if legacy:
            bare = Upstream(name="legacy", side=Side.LEGACY, urls=())
            known_side = file.legacy if file is not None else bare
            legacy_side = _moved(known_side, legacy, f"--legacy {legacy}")
        elif file is not None:
            legacy_side = file.legacy
        else:
            raise SiteError(
                "--legacy URL is needed: there is no routes.yaml that names the legacy side"
            )
        return cls(legacy=legacy_side, new=named, any_new=any_new, table=table)

    def place(self, facts: PlainFacts) -> Place:
        """Find the route of a request, and the new side that answers it."""
        if self.table is None:
            return Place(route=None, new=self.any_new)
        found = self.table.find(facts)
        route = found.route
        if found is self.table.ambiguous:
            return Place(
                route=route, new=None, why="its target can be read in two ways: it stays on legacy"
            )
        if not route.new:
            return Place(route=route, new=None, why=f"route {route.id} has no new side")
        return Place(route=route, new=self.new[route.new])

    def authority(self) -> str:
        """Host and port of the legacy side: the host of requests that name none."""
        url = self.legacy.urls[0]
        return "localhost" if url.startswith("unix:") else urlsplit(url).netloc


def new_target(route: Route | None, facts: PlainFacts) -> str | None:
    """The target that the new side gets; None when the request lacks a value for the rewrite."""
    if route is None:
        return f"{facts.path}?{facts.query}" if facts.has_query else facts.path
    try:
        return upstream_target(route, facts)
    except LookupError:
        return None


def may_change(route: Route | None, method: str, path: str, query: str) -> bool:
    """Whether a request may change something: by its method, or by `unsafe_get` of its route."""
    if method not in SAFE_METHODS:
        return True
    unsafe = _unsafe_get(route.shadow.unsafe_get) if route is not None else None
    return unsafe is not None and method == "GET" and unsafe(path, query)


# Asked for every line of a log; a table has few different lists.
_unsafe_get = lru_cache(maxsize=1024)(compile_unsafe_get)


def _moved(upstream: Upstream, url: str, option: str) -> Upstream:
    """The same side at another address: whom its certificate is checked by stays."""
    try:
        return replace(upstream, urls=(upstream_url(url.rstrip("/")),))
    except ValueError as error:
        raise SiteError(f"{option}: {error}") from None
