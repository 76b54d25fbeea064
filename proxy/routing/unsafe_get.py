"""Patterns for GET requests that change something although the method promises not to.

PHP applications log out, delete and vote by GET. What a pattern may mean for any reader of the
target counts as matched: an unsafe request that is asked twice does harm, a safe one that is not
copied is only a little evidence less.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from proxy.routing.target import matching_view, read_query

# (path, query) -> whether the request may change something.
UnsafeGet = Callable[[str, str], bool]


def compile_unsafe_get(patterns: tuple[str, ...]) -> UnsafeGet | None:
    """One question for all patterns: `/path*`, `?name=value*` or `/path*?name=value*`.

    `*` stands for any characters; `?name` alone is that parameter with any value. None: there are
    no patterns.
    """
    if not patterns:
        return None
    paths = []
    others = []
    for pattern in patterns:
        path, mark, query = pattern.partition("?")
        if mark:
            others.append((_wildcard(path or "*"), _query(query)))
        else:
            paths.append(_wildcard(path))
    path_only, with_query = tuple(paths), tuple(others)

    def unsafe(path: str, query: str) -> bool:
        view = matching_view(path)
        if view is None:
            return True
        for matches in path_only:
            if matches(view):
                return True
        if query:
            for matches, asks in with_query:
                if matches(view) and asks(query):
                    return True
        return False

    return unsafe


def _wildcard(pattern: str) -> Callable[[str], bool]:
    """Match a whole text; linear in it for each piece between two stars."""
    first, *pieces = pattern.split("*")
    if not pieces:
        return pattern.__eq__
    *middle, last = pieces
    if not first and not any(middle):
        return lambda text: text.endswith(last)
    shortest = len(first) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return matches


def _query(pattern: str) -> Callable[[str], bool]:
    name, equals, value = pattern.partition("=")
    accepts = _wildcard(value if equals else "*")
    if "*" in name:
        named = _wildcard(name)

        def any_such(query: str) -> bool:
            for pair in query.replace(";", "&").split("&"):
                key, _, said = pair.partition("=")
                if named(_decoded(key)) and accepts(_decoded(said)):
                    return True
            return False

        return any_such

    def this_one(query: str) -> bool:
        reading = read_query(query, name)
        if reading.unreadable:
            return True
        return any(said is not None and accepts(said) for said in reading.values)

    return this_one


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")
