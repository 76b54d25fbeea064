"""JSON values as text for people: short, and without what is redacted."""

from __future__ import annotations

import json
from collections.abc import Iterable

from proxy.compare.excerpt import SHOWN
from proxy.compare.json_text import Json
from proxy.compare.rule_tree import RuleNode
from proxy.compare.secrets import REDACTED, is_secret_name


def shown(value: Json, node: RuleNode) -> str:
    """A value as JSON text, ended where nobody reads on; `node` is what is known of its place."""
    pieces: list[str] = []
    _show(value, node, pieces, SHOWN + 1)
    return "".join(pieces)


def _show(value: Json, node: RuleNode, pieces: list[str], room: int) -> int:
    """Append text while there is room; returns the room that is left."""
    if node.redacted:
        text = f'"{REDACTED}"'
    elif isinstance(value, dict):
        return _show_members(value.items(), node, pieces, room)
    elif isinstance(value, list):
        return _show_elements(value, node, pieces, room)
    elif isinstance(value, bytes):
        text = value[: room + 1].decode("ascii")
    elif isinstance(value, str):
        text = json.dumps(value[: room + 1], ensure_ascii=False)
    else:
        text = json.dumps(value)
    pieces.append(text)
    return room - len(text)


def _show_members(
    members: Iterable[tuple[str, Json]], node: RuleNode, pieces: list[str], room: int
) -> int:
    between = "{"
    for name, value in members:
        if room <= 0:
            break
        lead = f"{between}{json.dumps(name[: room + 1], ensure_ascii=False)}: "
        pieces.append(lead)
        if is_secret_name(name) and value not in (None, "", True, False):
            value = REDACTED
        room = _show(value, node.member(name), pieces, room - len(lead))
        between = ", "
    pieces.append("{}" if between == "{" else "}")
    return room - 2


def _show_elements(values: list[Json], node: RuleNode, pieces: list[str], room: int) -> int:
    between = "["
    for index, value in enumerate(values):
        if room <= 0:
            break
        pieces.append(between)
        room = _show(value, node.element(index), pieces, room - len(between))
        between = ", "
    pieces.append("[]" if between == "[" else "]")
    return room - 2
