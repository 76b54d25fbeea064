"""YAML text to plain values and the line of each; refuses what two readers would read differently.

YAML 1.1 and 1.2 disagree about words, numbers and dates, PyYAML keeps the last of two equal keys,
and aliases let nine lines expand to gigabytes. A file that decides where money goes uses none of
that. The text is read event by event, so that every such place is reported, and nothing is ever
constructed but strings, numbers, booleans, lists and mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from proxy.config.yaml_scalar import Trap, plain_scalar, printable, quoted
from proxy.errors import ConfigError, Problem

MAX_BYTES = 1024 * 1024
MAX_NODES = 500_000
MAX_DEPTH = 32

Key = str | int
Path = tuple[Key, ...]

_UNREADABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    # Zero-width and direction-changing characters: the reviewer sees another text than the parser.
    "|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    "|\r(?!\n)"
)
# The one key that takes a day: a date to YAML 1.1, a word to 1.2, and the same day to both.
DATED = "expires"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TAB_INDENT = re.compile(r"^ *\t[ \t]*\S", re.MULTILINE)


@dataclass(slots=True)
class Node:
    """One value of the text (a scalar, a mapping of nodes, a list of nodes) and where it begins."""

    value: str | int | float | bool | dict[str, Node] | list[Node] | None
    line: int
    column: int
    # Line and column of each key; only for mappings.
    keys: dict[str, tuple[int, int]] | None = None
    # An alias or a tagged value: a problem of its own was reported, nothing more is said about it.
    spoilt: bool = False

    def plain(self) -> Any:
        """Return the value as plain dicts, lists and scalars."""
        value = self.value
        if type(value) is dict:
            return {key: node.plain() for key, node in value.items()}
        if type(value) is list:
            return [node.plain() for node in value]
        return value

    def child(self, key: Key) -> Node | None:
        """Return the node below a key or an index, or None."""
        if isinstance(self.value, dict) and isinstance(key, str):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            return self.value[key]
        return None


@dataclass(slots=True)
class Document:
    """A file as read: its name, its root node and what is wrong with its text."""

    name: str
    root: Node
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> tuple[int, int]:
        """Return line and column of a key path, or of the deepest part of it that exists."""
        node = self.root
        place = (node.line, node.column)
        for key in path:
            below = node.child(key)
            if below is None:
                break
            place = (below.line, below.column)
            if node.keys is not None and isinstance(key, str):
                place = node.keys[key]
            node = below
        return place

    def node(self, path: Path) -> Node | None:
        """Return the node at a key path, or None."""
        node: Node | None = self.root
        for key in path:
            if node is None:
                return None
            node = node.child(key)
        return node

    def is_spoilt(self, path: Path) -> bool:
        """Whether something on the way to this key was already refused as text."""
        node: Node | None = self.root
        for key in path:
            if node is None or node.spoilt:
                break
            node = node.child(key)
        return node is not None and node.spoilt

    def problem(self, path: Path, message: str, rule: str) -> Problem:
        """Make a problem that points at a key path."""
        line, column = self.place(path)
        return Problem(
            file=self.name,
            line=line,
            column=column,
            key=show_path(path),
            message=printable(message),
            rule=rule,
        )


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def show_path(path: Path) -> str:
    """Write a key path as a reader would: `routes[2].match.headers["X-A.B"]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _BARE_KEY.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f"[{quoted(key)}]"
    return text


def read_yaml(
    text: bytes, name: str, wanted: str = "it needs at least version, upstreams and routes"
) -> Document:
    """Read one YAML document. Raises ConfigError if nothing of it could be looked at further.

    Places that are readable but not allowed are in `Document.problems`; the caller adds its own and
    reports all of them together. `wanted` is what an empty file is told to hold.
    """
    return _Reader(name, wanted).read(text)


class _Reader:
    """Builds the tree from the parser's events."""

    def __init__(self, name: str, wanted: str) -> None:
        self._name = name
        self._wanted = wanted
        self._problems: list[Problem] = []
        self._nodes = 0

    def read(self, text: bytes) -> Document:
        content = self._decode(text)
        events = self._events(content)
        root: Node | None = None
        for event in events:
            kind = type(event)
            if kind is yaml.DocumentStartEvent:
                if root is not None:
                    self._add(
                        event, "a second document begins here: one file, one document", "YAML005"
                    )
                    break
                if event.version is not None or event.tags:
                    self._add(
                        event, "directives (%YAML, %TAG) are not used here: remove them", "YAML005"
                    )
                root = self._node(next(events), events, (), 0)
        if root is None or root.value is None:
            self._fatal(1, 1, f"the file is empty: {self._wanted}")
        return Document(name=self._name, root=root, problems=self._problems)

    # Before the parser: what would move its line numbers, or hide something from the reader.

    def _decode(self, text: bytes) -> str:
        if len(text) > MAX_BYTES:
            self._fatal(1, 1, "the file has more than 1 MiB: split the proxy")
        if text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            self._fatal(
                1, 1, "the file begins with a byte order mark: save it as UTF-8 without BOM"
            )
        try:
            content = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            column = error.start - text.rfind(b"\n", 0, error.start)
            byte = text[error.start]
            self._fatal(line, column, f"byte 0x{byte:02x} is not UTF-8: save the file as UTF-8")
        unreadable = False
        for match in _UNREADABLE.finditer(content):
            character = match.group()
            what = "a lone carriage return" if character == "\r" else f"U+{ord(character):04X}"
            self._add_at(
                content, match.start(), f"the text holds {what}, which cannot be seen: remove it"
            )
            unreadable = True
            if len(self._problems) >= 20:
                break
        for match in _TAB_INDENT.finditer(content):
            self._add_at(content, match.start(), "a tab in the indentation: YAML wants spaces")
            unreadable = True
            if len(self._problems) >= 40:
                break
        if unreadable:
            raise ConfigError(tuple(sorted(self._problems)))
        return content

    def _events(self, content: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(content, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            reason = (error.problem or "cannot be read as YAML").replace("\t", "tab")
            context = f" {error.context}" if error.context else ""
            self._fatal(line, column, f"not YAML: {reason}{context}")
        except yaml.YAMLError as error:
            self._fatal(0, 0, f"not YAML: {' '.join(str(error).split())}")

    # The tree.

    def _node(self, event: Any, events: Iterator[Any], path: Path, depth: int) -> Node:
        self._nodes += 1
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if self._nodes > MAX_NODES:
            self._fatal(line, column, f"more than {MAX_NODES} values: split the proxy")
        if depth > MAX_DEPTH:
            self._fatal(line, column, f"nested deeper than {MAX_DEPTH} levels")
        kind = type(event)
        if kind is yaml.AliasEvent:
            self._add(
                event, f"the alias *{event.anchor} is not allowed: write it out", "YAML003", path
            )
            return Node(None, line, column, spoilt=True)
        if event.anchor is not None:
            self._add(
                event, f"the anchor &{event.anchor} is not allowed: remove it", "YAML003", path
            )
        spoilt = event.tag is not None
        if spoilt:
            self._add(event, f"the tag {event.tag} is not allowed: remove it", "YAML003", path)
        if kind is yaml.ScalarEvent:
            value = event.value
            if event.implicit[0] and not spoilt:
                return Node(self._plain_scalar(event, path), line, column)
            return Node(value, line, column, spoilt=spoilt)
        if kind is yaml.SequenceStartEvent:
            items: list[Node] = []
            while type(inner := next(events)) is not yaml.SequenceEndEvent:
                items.append(self._node(inner, events, (*path, len(items)), depth + 1))
            return Node(items, line, column, spoilt=spoilt)
        return self._mapping(event, events, path, depth, spoilt)

    def _mapping(
        self, event: Any, events: Iterator[Any], path: Path, depth: int, spoilt: bool
    ) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        while type(inner := next(events)) is not yaml.MappingEndEvent:
            key = self._key(inner, events, path, depth)
            value = self._node(
                next(events), events, path if key is None else (*path, key), depth + 1
            )
            if key is None:
                continue
            mark = (inner.start_mark.line + 1, inner.start_mark.column + 1)
            if key in entries:
                self._add(
                    inner,
                    f"the key is given twice, first in line {keys[key][0]}",
                    "YAML002",
                    (*path, key),
                )
                continue
            entries[key] = value
            keys[key] = mark
        return Node(
            entries, event.start_mark.line + 1, event.start_mark.column + 1, keys, spoilt=spoilt
        )

    def _key(self, event: Any, events: Iterator[Any], path: Path, depth: int) -> str | None:
        """Return the key that an event holds; None, with a problem, if it is not a word."""
        if type(event) is not yaml.ScalarEvent or event.anchor is not None or event.tag is not None:
            known = len(self._problems)
            self._node(event, events, path, depth + 1)
            if len(self._problems) == known:
                self._add(event, "a key must be a word, not a list or a mapping", "YAML005", path)
            return None
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text == "<<":
            self._add(event, "the merge key << is not allowed: write the keys out", "YAML003", path)
            return None
        known = len(self._problems)
        value = self._plain_scalar(event, (*path, text))
        if isinstance(value, str):
            return text
        if len(self._problems) == known:
            shown = text or "(nothing)"
            self._add(
                event,
                f"the key {shown} is not a word to YAML: write {quoted(text)}",
                "YAML005",
                path,
            )
        return None

    def _plain_scalar(self, event: Any, path: Path) -> str | int | float | bool | None:
        """Read a scalar without quotes; a trap is reported and read as the word it looks like."""
        value = plain_scalar(event.value)
        if isinstance(value, Trap):
            if path[-1:] == (DATED,) and _DAY.fullmatch(value.text):
                return value.text
            self._add(event, value.message, value.rule, path)
            return value.text
        return value

    # Problems.

    def _add(self, event: Any, message: str, rule: str, path: Path = ()) -> None:
        mark = event.start_mark
        self._problems.append(
            Problem(
                file=self._name,
                line=mark.line + 1,
                column=mark.column + 1,
                key=show_path(path),
                message=printable(message),
                rule=rule,
            )
        )

    def _add_at(self, content: str, offset: int, message: str) -> None:
        self._problems.append(
            Problem(
                file=self._name,
                line=content.count("\n", 0, offset) + 1,
                column=offset - content.rfind("\n", 0, offset),
                key="",
                message=printable(message),
                rule="YAML005",
            )
        )

    def _fatal(self, line: int, column: int, message: str) -> NoReturn:
        problem = Problem(
            file=self._name,
            line=line,
            column=column,
            key="",
            message=printable(message),
            rule="YAML005",
        )
        raise ConfigError(tuple(sorted({*self._problems, problem})))
