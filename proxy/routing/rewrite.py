"""The target the new side gets, where a route rewrites it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from proxy.routing.facts import RequestFacts
from proxy.routing.route import PathKind, Rewrite, Route
from proxy.routing.target import ambiguity, encode_segment, matching_view, read_query

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}").fullmatch
_QUERY_PREFIX = "query."


class RewriteError(ValueError):
    """A rewrite that cannot work with the route's path; the text says why."""


def template_segments(template: str) -> tuple[str, ...]:
    """The segments of `/product/{slug}`: `("product", "{slug}")`."""
    return tuple(template.split("/")[1:])


def parameter_name(segment: str) -> str | None:
    """The name in `{name}`, None for a literal segment."""
    found = _PARAMETER(segment)
    return None if found is None else found[1]


def path_parameter(template: str, name: str, path: str) -> str | None:
    """The segment, as it stands in `path`, that the template calls `name`."""
    for position, segment in enumerate(template_segments(template), start=1):
        if parameter_name(segment) == name:
            segments = path.split("/")
            return segments[position] if position < len(segments) else None
    return None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the new path: literal text, a segment of the old path, or a query value."""

    text: str = ""
    segment: int | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Rewriter:
    """One rewrite, compiled: the new path, or None where the request lacks a value for it."""

    pieces: tuple[_Piece, ...]
    # Segments of the old path that a `prefix` rewrite replaces; None for a `path` rewrite.
    replaced: int | None
    keep_query: bool
    # Whether a request can lack what it takes. Whole segments of a matched path are always there.
    may_fail: bool

    def path(self, facts: RequestFacts) -> str | None:
        """The new path; None when a value is absent, not clear, or makes the path ambiguous."""
        old = facts.path.split("/")
        if self.replaced is not None:
            rest = old[self.replaced + 1 :]
            return "/".join((self.pieces[0].text, *rest)) or "/"
        parts: list[str] = []
        for piece in self.pieces:
            if piece.segment is not None:
                parts.append(old[piece.segment])
            elif piece.query is not None:
                value = read_query(facts.query, piece.query).value
                if not value:
                    return None
                parts.append(encode_segment(value))
            else:
                parts.append(piece.text)
        path = "".join(parts)
        if self.may_fail and matching_view(path) is None:
            # `?id=../admin` must not climb on the new side.
            return None
        return path

    def target(self, facts: RequestFacts) -> str | None:
        """The new path with the client's own query string, unless the rewrite drops it."""
        path = self.path(facts)
        if path is None or not (self.keep_query and facts.has_query):
            return path
        return f"{path}?{facts.query}"


def compile_rewrite(route: Route) -> Rewriter | None:
    """Compile a route's rewrite; None when it has none. Raises `RewriteError`."""
    if route.rewrite is None:
        return None
    return _compile(route.match.path.kind, route.match.path.value, route.rewrite)


def upstream_target(route: Route, facts: RequestFacts) -> str:
    """The target for the new side: the rewritten one, or the client's own bytes.

    Call it for a decision that sends something to the new side; `decide` makes sure then that every
    value is there. Raises LookupError otherwise.
    """
    rewrite = route.rewrite
    if rewrite is None:
        return f"{facts.path}?{facts.query}" if facts.has_query else facts.path
    target = _compile(route.match.path.kind, route.match.path.value, rewrite).target(facts)
    if target is None:
        raise LookupError(f"route {route.id}: this request lacks a value that its rewrite needs")
    return target


# Asked once per request to a rewriting route; a table has few rewrites, and they are values.
@lru_cache(maxsize=16_384)
def _compile(kind: PathKind, matched: str, rewrite: Rewrite) -> Rewriter:
    if (rewrite.path is None) == (rewrite.prefix is None):
        raise RewriteError("set exactly one of path and prefix")
    if rewrite.prefix is not None:
        return _compile_prefix(kind, matched, rewrite.prefix, rewrite.keep_query)
    assert rewrite.path is not None
    return _compile_path(kind, matched, rewrite.path, rewrite.keep_query)


def _compile_prefix(kind: PathKind, matched: str, prefix: str, keep_query: bool) -> Rewriter:
    if kind is not PathKind.PREFIX:
        raise RewriteError("a prefix can only replace a path matched by prefix")
    if "{" in prefix:
        raise RewriteError("a prefix takes no values; use path")
    _check(prefix)
    replaced = len([segment for segment in matched.split("/") if segment])
    return Rewriter((_Piece(prefix.rstrip("/")),), replaced, keep_query, may_fail=False)


def _compile_path(kind: PathKind, matched: str, path: str, keep_query: bool) -> Rewriter:
    _check(path)
    known: dict[str, int] = {}
    if kind is PathKind.TEMPLATE:
        for position, segment in enumerate(template_segments(matched), start=1):
            name = parameter_name(segment)
            if name is not None:
                known[name] = position
    pieces: list[_Piece] = []
    end = 0
    for placeholder in _PLACEHOLDER.finditer(path):
        pieces.append(_Piece(path[end : placeholder.start()]))
        end = placeholder.end()
        name = placeholder[1]
        if name.startswith(_QUERY_PREFIX) and len(name) > len(_QUERY_PREFIX):
            pieces.append(_Piece(query=name.removeprefix(_QUERY_PREFIX)))
        elif name in known:
            pieces.append(_Piece(segment=known[name]))
        else:
            there = ", ".join(f"{{{each}}}" for each in known) or "none"
            raise RewriteError(f"{{{name}}} is no path parameter of this route (there: {there})")
    pieces.append(_Piece(path[end:]))
    whole_segments = all(
        parameter_name(segment) is not None or "{" not in segment for segment in path.split("/")
    )
    return Rewriter(tuple(pieces), None, keep_query, may_fail=not whole_segments)


def _check(path: str) -> None:
    if not path.startswith("/"):
        raise RewriteError(f"must start with /, got {path!r}")
    bare = _PLACEHOLDER.sub("x", path)
    if "?" in bare or "{" in bare or "}" in bare:
        raise RewriteError(
            f"must be a path without a query and with every brace closed, got {path!r}"
        )
    why = ambiguity(bare)
    if why:
        raise RewriteError(f"{path!r} can be read in two ways: {why}")
