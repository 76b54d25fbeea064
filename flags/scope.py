"""The scope of a rollback or a percentage: `all`, `group:NAME` or `route:ID`."""

from __future__ import annotations

from typing import Final

ALL: Final = "all"
_GROUP: Final = "group:"
_ROUTE: Final = "route:"


def group_scope(name: str) -> str:
    """The scope of one group."""
    return _GROUP + name


def route_scope(route_id: str) -> str:
    """The scope of one route."""
    return _ROUTE + route_id


def group_of(scope: str) -> str | None:
    """The group a scope names, None when it names something else."""
    return scope.removeprefix(_GROUP) if scope.startswith(_GROUP) else None


def route_of(scope: str) -> str | None:
    """The route a scope names, None when it names something else."""
    return scope.removeprefix(_ROUTE) if scope.startswith(_ROUTE) else None


def checked_scope(scope: str) -> str:
    """The scope itself; raises ValueError when it is none."""
    if scope == ALL or group_of(scope) or route_of(scope):
        return scope
    raise ValueError(f"must be all, group:NAME or route:ID, got {scope!r}")


def as_option(scope: str) -> str:
    """The scope as a command line says it: `--all`, `--group NAME`, `--route ID`."""
    kind, _, name = scope.partition(":")
    return f"--{kind} {name}" if name else f"--{kind}"
