"""What differs between two versions of a routes.yaml, key by key, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Final

from proxy.routing.explain import describe_match
from proxy.routing.route import Match, RouteFile

ADDED: Final = "added"
REMOVED: Final = "removed"
CHANGED: Final = "changed"
# Where a definition stands in its file says nothing of the migration.
_BESIDE: Final = frozenset({"line", "rule_line"})
_ON_ROLLBACK: Final = "on_rollback"
# Fields whose keys in the file are called otherwise.
_WRITTEN: Final = {
    "always": "cohorts.always",
    "never": "cohorts.never",
    "recall_after": _ON_ROLLBACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One key that differs, or a whole entry that came or went."""

    # route, upstream, group, segment, context, shadow or order.
    part: str
    # Of the route, upstream, group or segment, or the field of the context.
    name: str
    kind: str
    key: str = ""
    before: str = ""
    after: str = ""


def differences(before: RouteFile, after: RouteFile) -> tuple[Difference, ...]:
    """Every difference that can matter to a request; `tests:` are none."""
    return tuple(_differences(before, after))


def _differences(before: RouteFile, after: RouteFile) -> Iterator[Difference]:
    yield from _entries("route", _by(before.routes, "id"), _by(after.routes, "id"))
    common = {route.id for route in before.routes} & {route.id for route in after.routes}
    orders = [
        tuple(route.id for route in file.routes if route.id in common) for file in (before, after)
    ]
    if orders[0] != orders[1]:
        yield Difference(
            part="order",
            name="routes",
            kind=CHANGED,
            before=", ".join(orders[0]),
            after=", ".join(orders[1]),
        )
    for part, old, new in (
        ("upstream", before.upstreams, after.upstreams),
        ("group", before.groups, after.groups),
        ("segment", before.segments, after.segments),
    ):
        yield from _entries(part, _by(old, "name"), _by(new, "name"))
    yield from _entries("context", _by(before.context, "field"), _by(after.context, "field"))
    yield from _of_values("shadow", "shadow", "", before.shadow, after.shadow)


def _by(entries: tuple[Any, ...], key: str) -> dict[str, Any]:
    return {getattr(entry, key): entry for entry in entries}


def _entries(
    part: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            yield Difference(part=part, name=name, kind=REMOVED, before=_summary(before[name]))
        elif name not in before:
            yield Difference(part=part, name=name, kind=ADDED, after=_summary(after[name]))
        else:
            yield from _of_values(part, name, "", before[name], after[name])


def _of_values(part: str, name: str, key: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if is_dataclass(before) and type(before) is type(after) and not isinstance(before, Match):
        for field in fields(before):
            if field.name not in _BESIDE:
                written = _WRITTEN.get(field.name, field.name)
                inner = f"{key}.{written}" if key else written
                yield from _of_values(
                    part, name, inner, getattr(before, field.name), getattr(after, field.name)
                )
        return
    say = _say_recall if key == _ON_ROLLBACK else _say
    yield Difference(
        part=part, name=name, kind=CHANGED, key=key, before=say(before), after=say(after)
    )


def _summary(entry: Any) -> str:
    """The keys of an entry that say what it is for."""
    said = []
    for key in ("match", "new", "stage", "max_percent", "group", "urls", "capacity_rps", "kind"):
        value = getattr(entry, key, None)
        if value not in (None, "", ()):
            said.append(f"{key} {_say(value)}")
    return ", ".join(said)


def _say_recall(seconds: float | None) -> str:
    if seconds is None:
        return "keep"
    return f"drain {seconds:g}s" if seconds else "close"


def _say(value: Any) -> str:
    if value is None or value == () or value == "":
        return "-"
    if isinstance(value, Match):
        return describe_match(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(_say(each) for each in value)
    if is_dataclass(value):
        said = {
            field.name: _say(getattr(value, field.name))
            for field in fields(value)
            if field.name not in _BESIDE
        }
        return " ".join(f"{key} {text}" for key, text in said.items() if text != "-")
    return str(value)
