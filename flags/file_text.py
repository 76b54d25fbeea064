"""The text of flags.yaml: read strictly, all problems at once; edited with its comments kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

import yaml

from flags.provider import Flag, FlagSourceError, FlagState
from flags.scope import group_of, route_of

_MAX_BYTES: Final = 1024 * 1024
_MAX_DEPTH: Final = 10
_TOP: Final = ("rollback", "groups", "routes")
_ENTRY: Final = ("percent", "rollback")
_STR: Final = "tag:yaml.org,2002:str"
_BOOL: Final = "tag:yaml.org,2002:bool"
_NULL: Final = "tag:yaml.org,2002:null"
# What YAML 1.1 takes for a truth value. Where one is meant, none of these spellings is in doubt.
_TRUE: Final = frozenset({"true", "yes", "on"})

# Decimal keeps 28 digits: of more, the last would be rounded away instead of refused.
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,20})?) ?(%?)").fullmatch

# No `rollback: false`: that would end a rollback which the file that is gone had started.
NEW_FILE: Final = (
    "# rollback: true sends every route to legacy, until it is false.\ngroups: {}\nroutes: {}\n"
)


@dataclass(frozen=True, slots=True, order=True)
class FlagProblem:
    """One thing wrong in a flag file. Lines and columns count from 1; line 0 is the whole file."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        """Format as `file:line: key: message`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class FlagFileError(FlagSourceError):
    """A flag file that cannot be used or written, with every problem found in it."""

    def __init__(self, problems: tuple[FlagProblem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def parse_flags(content: bytes, name: str, *, revision: int = 0) -> FlagState:
    """Read the bytes of a flag file; `name` is what messages call it. Raises `FlagFileError`."""
    reader = _Reader(name)
    root = reader.compose(content)
    state = reader.file(root) if root is not None else None
    if reader.problems or state is None:
        raise FlagFileError(tuple(sorted(reader.problems)))
    return replace(state, revision=revision)


def unknown_names(
    state: FlagState,
    name: str,
    *,
    groups: Collection[str],
    routes: Mapping[str, str],
) -> tuple[FlagProblem, ...]:
    """Warnings: what the file says of groups and routes that the table does not have.

    `routes` maps every route id to its group ("" for none): a percentage of a route in a group has
    no effect, because routes that share state move together.
    """
    warnings: list[FlagProblem] = []
    for kind, flags, known in (("groups", state.groups, groups), ("routes", state.routes, routes)):
        for each, flag in flags.items():
            if each not in known:
                near = _nearest(each, known)
                hint = f"; did you mean {near}?" if near else ""
                message = f"routes.yaml has no such {kind[:-1]}{hint}"
                warnings.append(FlagProblem(name, flag.line, 1, f"{kind}.{each}", message))
    for each, flag in state.routes.items():
        group = routes.get(each)
        if group and flag.basis_points is not None:
            message = f"has no effect: the route is in group {group}, set groups.{group}.percent"
            warnings.append(FlagProblem(name, flag.line, 1, f"routes.{each}.percent", message))
    return tuple(sorted(warnings))


def with_percent(text: str, name: str, scope: str, basis_points: int) -> str:
    """The text with one percentage changed and everything else, comments too, as it was.

    Raises `FlagFileError` when the text is not a good flag file to begin with, ValueError for a
    scope that has no percentage or basis points outside 0..10000.
    """
    if not 0 <= basis_points <= 10_000:
        raise ValueError(f"basis points are 0..10000, got {basis_points}")
    section, key = _section(scope)
    before = parse_flags(text.encode(), name)
    edited = _replace_scalar(text, section, key, basis_points)
    if edited is None:
        edited = _insert(text, section, key, basis_points)
    after = parse_flags(edited.encode(), name)
    if _values(after) != _with_value(_values(before), section, key, basis_points):
        message = f"cannot be edited safely; set {section}.{key}.percent in it by hand"
        raise FlagFileError((FlagProblem(name, 0, 0, "", message),))
    return edited


def percent_text(basis_points: int) -> str:
    """Basis points as a percentage without needless digits: 1250 is `12.5`."""
    return f"{Decimal(basis_points) / 100:f}"


class _Reader:
    """Walks the YAML nodes of one file and gathers problems."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[FlagProblem] = []

    def fail(self, node: yaml.Node | None, key: str, message: str) -> None:
        line, column = (
            (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (0, 0)
        )
        self.problems.append(FlagProblem(self.name, line, column, key, message))

    def _fail_at(self, mark: Any, message: str) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        self.problems.append(FlagProblem(self.name, line, column, "", message))

    def compose(self, content: bytes) -> yaml.Node | None:
        if len(content) > _MAX_BYTES:
            self.fail(None, "", f"is larger than 1 MiB ({len(content)} bytes)")
            return None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            message = "is not UTF-8; save it as UTF-8"
            self.problems.append(FlagProblem(self.name, line, 0, "", message))
            return None
        try:
            depth = 0
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.CollectionStartEvent):
                    depth += 1
                elif isinstance(event, yaml.CollectionEndEvent):
                    depth -= 1
                # The parser's time grows with the square of the depth: stop it early.
                if depth > _MAX_DEPTH:
                    self._fail_at(event.start_mark, "is nested too deeply for a flag file")
                    return None
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    message = "anchors and aliases are not allowed; write the value out"
                    self._fail_at(event.start_mark, message)
            if self.problems:
                return None
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            message = f"is not YAML: {error.problem or error.context}"
            self._fail_at(error.problem_mark or error.context_mark, message)
            return None
        except yaml.YAMLError as error:
            self.fail(None, "", f"is not YAML: {error}")
            return None
        if root is None:
            self.fail(None, "", "is empty; write at least `rollback: false`")
        return root

    def file(self, root: yaml.Node) -> FlagState:
        top = self._mapping(root, "", _TOP, hint="rollback, groups and routes")
        rollback = self._boolean(top["rollback"], "rollback") if "rollback" in top else None
        return FlagState(
            rollback=rollback,
            groups=self._section(top.get("groups"), "groups"),
            routes=self._section(top.get("routes"), "routes"),
        )

    def _section(self, node: yaml.Node | None, key: str) -> Mapping[str, Flag]:
        # `routes:` with every entry commented out says nothing, as `routes: {}` does.
        if node is None or node.tag == _NULL:
            return MappingProxyType({})
        entries = self._mapping(node, key, None, hint="names with {percent: 25} each")
        return MappingProxyType(
            {name: self._flag(entry, f"{key}.{name}") for name, entry in entries.items()}
        )

    def _flag(self, node: yaml.Node, key: str) -> Flag:
        entry = self._mapping(node, key, _ENTRY, hint="{percent: 25}")
        return Flag(
            basis_points=self._percent(entry["percent"], f"{key}.percent")
            if "percent" in entry
            else None,
            rollback=self._boolean(entry["rollback"], f"{key}.rollback")
            if "rollback" in entry
            else None,
            line=node.start_mark.line + 1,
        )

    def _mapping(
        self, node: yaml.Node, key: str, allowed: tuple[str, ...] | None, *, hint: str
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            got = f", got {_shown(node)}" if isinstance(node, yaml.ScalarNode) else ""
            self.fail(node, key, f"must be a mapping such as {hint}{got}")
            return {}
        found: dict[str, yaml.Node] = {}
        for name_node, value in node.value:
            if not isinstance(name_node, yaml.ScalarNode) or name_node.tag == _NULL:
                self.fail(name_node, key, "a name must be a plain word")
                continue
            # The written text, not what YAML 1.1 makes of it: `on`, `12:30` and `0x10` are names.
            name = name_node.value
            path = f"{key}.{name}" if key else name
            if name in found:
                self.fail(name_node, path, "stands here twice; keep one")
            elif allowed is not None and name not in allowed:
                near = _nearest(name, allowed)
                choice = f"did you mean {near}?" if near else f"known are {', '.join(allowed)}"
                self.fail(name_node, path, f"is not known here; {choice}")
            else:
                found[name] = value
        return found

    def _boolean(self, node: yaml.Node, key: str) -> bool | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _BOOL:
            return node.value.lower() in _TRUE
        self.fail(node, key, f"must be true or false, got {_shown(node)}")
        return None

    def _percent(self, node: yaml.Node, key: str) -> int | None:
        rule = "must be a number from 0 to 100, such as 25, 12.5 or 25%"
        # The written text again: YAML 1.1 reads 010 as 8, 12:30 as 750 and 1_0 as 10.
        found = _PERCENT(node.value) if isinstance(node, yaml.ScalarNode) else None
        if found is None or (len(found[1]) > 1 and found[1][0] == "0" and found[1][1] != "."):
            self.fail(node, key, f"{rule}; got {_shown(node)}")
            return None
        if isinstance(node, yaml.ScalarNode) and node.style and not found[2]:
            self.fail(node, key, f"{rule}; got the text {_shown(node)}: take the quotes off")
            return None
        try:
            basis_points = Decimal(found[1]) * 100
        except InvalidOperation:
            self.fail(node, key, f"{rule}; got {_shown(node)}")
            return None
        if basis_points > 10_000:
            self.fail(node, key, f"must be between 0 and 100, got {_shown(node)}")
            return None
        if basis_points != int(basis_points):
            self.fail(node, key, f"must be in steps of 0.01, got {_shown(node)}")
            return None
        return int(basis_points)


def _shown(node: yaml.Node) -> str:
    match node:
        case yaml.ScalarNode(tag=tag, value=value):
            if tag == _NULL and not value:
                return "nothing"
            text = value if len(value) <= 40 else value[:37] + "..."
            return repr(text) if tag == _STR else str(text)
        case yaml.MappingNode():
            return "a mapping"
        case _:
            return "a list"


def _nearest(word: str, known: Collection[str]) -> str | None:
    # difflib is only needed to word an error.
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1)), None)


def _section(scope: str) -> tuple[str, str]:
    group, route = group_of(scope), route_of(scope)
    if group:
        return "groups", group
    if route:
        return "routes", route
    raise ValueError(f"only a group or a route has a percentage, got {scope!r}")


def _find(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    return node


def _replace_scalar(text: str, section: str, key: str, basis_points: int) -> str | None:
    """Replace a percentage that is there already, touching no other character."""
    editor = _Editor(text)
    node = _find(editor.root, section, key, "percent")
    if node is None:
        return None
    return editor.spliced(node.start_mark.index, node.end_mark.index, percent_text(basis_points))


def _insert(text: str, section: str, key: str, basis_points: int) -> str:
    """Add a percentage, or the whole entry, or the section for it."""
    editor = _Editor(text)
    item = f"percent: {percent_text(basis_points)}"
    entry = _find(editor.root, section, key)
    if isinstance(entry, yaml.MappingNode):
        return editor.with_item(entry, item)
    item = f"{key}: {{{item}}}"
    entries = _find(editor.root, section)
    if isinstance(entries, yaml.MappingNode):
        return editor.with_item(entries, item) if entries.value else editor.opened(entries, item)
    if entries is not None:
        return editor.in_place_of_null(entries, item)
    if editor.root.flow_style:
        return editor.with_item(editor.root, f"{section}: {{{item}}}")
    return editor.with_item(editor.root, f"{section}:{editor.newline}  {item}")


class _Editor:
    """Puts text into a YAML file between the characters that are there, moving none of them."""

    def __init__(self, text: str) -> None:
        # The marks of nodes do not count a byte order mark.
        self.mark = text[: len(text) - len(text.removeprefix("\ufeff"))]
        self.text = text[len(self.mark) :]
        self.newline = "\r\n" if "\r\n" in text else "\n"
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        assert isinstance(root, yaml.MappingNode)
        self.root: yaml.MappingNode = root

    def with_item(self, mapping: yaml.MappingNode, item: str) -> str:
        if mapping.flow_style:
            start = mapping.start_mark.index + 1
            return self.spliced(start, start, item + (", " if mapping.value else ""))
        last: yaml.Node = mapping
        while isinstance(last, yaml.MappingNode) and not last.flow_style and last.value:
            last = last.value[-1][1]
        first_key = mapping.value[0][0]
        indent = " " * first_key.start_mark.column
        return self._with_line(last.end_mark.index, indent + item)

    def opened(self, section: yaml.MappingNode, item: str) -> str:
        """Turn an empty `routes: {}` into a list of lines, unless a comment follows on its line."""
        end = section.end_mark.index
        if self.root.flow_style or self.text[end:].partition("\n")[0].strip():
            return self.with_item(section, item)
        start = len(self.text[: section.start_mark.index].rstrip(" "))
        return self.spliced(start, end, f"{self.newline}  {item}")

    def in_place_of_null(self, node: yaml.Node, item: str) -> str:
        start, end = node.start_mark.index, node.end_mark.index
        if start == end:
            return self._with_line(start, "  " + item)
        return self.spliced(start, end, f"{{{item}}}")

    def _with_line(self, after: int, line: str) -> str:
        """Insert a line under the one that holds the character at `after`."""
        end = self.text.find("\n", after)
        if end < 0:
            return self.spliced(len(self.text), len(self.text), self.newline + line + self.newline)
        return self.spliced(end + 1, end + 1, line + self.newline)

    def spliced(self, start: int, end: int, new: str) -> str:
        return f"{self.mark}{self.text[:start]}{new}{self.text[end:]}"


_Values = dict[str, dict[str, tuple[int | None, bool | None]] | bool | None]


def _values(state: FlagState) -> _Values:
    return {
        "rollback": state.rollback,
        "groups": {n: (f.basis_points, f.rollback) for n, f in state.groups.items()},
        "routes": {n: (f.basis_points, f.rollback) for n, f in state.routes.items()},
    }


def _with_value(values: _Values, section: str, key: str, basis_points: int) -> _Values:
    entries = values[section]
    assert isinstance(entries, dict)
    rollback = entries.get(key, (None, None))[1]
    return {**values, section: {**entries, key: (basis_points, rollback)}}
